"""Workers that die, stay away, or only break things: nothing is lost, and nothing counts twice."""

from __future__ import annotations

import contextlib
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nanoaod
import pytest
import running

from wq_runner.run_events import Accepted, HostBlocked

TESTS = Path(__file__).parents[1]
SHORT = ("--schema", "BaseSchema", "-o", "out")


def write_trees(directory: Path, files: int, entries: int = 1000) -> Path:
    for number in range(files):
        nanoaod.write_simple(directory / "A" / f"f{number}.root", entries, basket=100)
    return directory / "A"


def assert_exactly_once(directory: Path, entries: int) -> None:
    assert running.output(directory / "out")["entries"] == entries
    found = [
        item
        for event in running.events_of(directory / "out")
        if isinstance(event, Accepted) and event.category == "processing"
        for item in event.items
    ]
    assert len(found) == len(set(found))
    assert sum(stop - start for _, _, start, stop, _ in found) == entries


def local_workers(manager: int) -> list[int]:
    """Return the workers that a run has started and that live."""
    children = Path(f"/proc/{manager}/task/{manager}/children").read_text().split()
    return [int(pid) for pid in children if "work_queue_worker" in running.command_of(int(pid))]


def test_workers_killed_at_random(tmp_path: Path) -> None:
    samples = write_trees(tmp_path, files=6, entries=10_000)
    dice = random.Random(1)
    killed = 0
    with running.running(
        *("-p", f"{TESTS / 'troubles.py'}:Slow", "--processor-args", "seconds=0.8", *SHORT),
        *("--chunksize", 1000, "--task-time", 3, "--workers", "local:3", samples),
        cwd=tmp_path,
    ) as process:
        running.until(lambda: running.accepted(tmp_path / "out"), "the first chunk")
        end = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < end:
            with contextlib.suppress(OSError, IndexError):
                running.kill(dice.choice(local_workers(process.pid)))
                killed += 1
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(2)
        ended = running.finish(process)
    assert ended.code == 0, ended.out + ended.err
    assert killed >= 6
    assert_exactly_once(tmp_path, 60_000)


def test_a_task_ends_with_its_worker_and_runs_elsewhere(tmp_path: Path) -> None:
    samples = write_trees(tmp_path, files=1)
    marks = tmp_path / "marks"
    marks.mkdir()
    with running.running(
        *("-p", f"{TESTS / 'troubles.py'}:Troubled", "--processor-args", "what=wait", *SHORT),
        *(
            "--processor-args",
            f"marks={marks}",
            "--processor-args",
            "times=1",
            "--workers",
            "local:1",
            samples,
        ),
        cwd=tmp_path,
    ) as process:
        mark = marks / "f0-0-0"
        running.until(mark.exists, "the first attempt")
        task = int(running.until(mark.read_text, "its process"))
        (worker,) = local_workers(process.pid)
        running.kill(worker)
        running.until(lambda: not running.command_of(task), "the end of the task", patience=5)
        ended = running.finish(process)
    assert ended.code == 0, ended.out + ended.err
    assert len(list(marks.iterdir())) == 2
    assert_exactly_once(tmp_path, 1000)


# -- a host that only breaks things


UNSHARE = ("unshare", "--uts", "--mount", "sh", "-c")


def may_name_hosts() -> bool:
    """Whether this user may give a process another host's name, and other files."""
    change = "hostname badhost && mount --bind /bin/false /bin/true"
    if not shutil.which("unshare"):
        return False
    return subprocess.run([*UNSHARE, change], check=False, capture_output=True).returncode == 0


@contextlib.contextmanager
def worker_on(host: str, port: int, scratch: Path, first: str = "true") -> Iterator[None]:
    """Run a worker that says it is on another host, which a command has changed."""
    scratch.mkdir()
    (scratch / "hosts").write_text(f"127.0.0.1 localhost {host}\n")  # a worker must find its own address
    name = f"hostname {host} && mount --bind {scratch / 'hosts'} /etc/hosts"
    worker = "exec work_queue_worker --cores 1 --memory 1000 --disk 1000 --parent-death"
    process = subprocess.Popen(
        [*UNSHARE, f"{name} && {first} && {worker} -s {scratch} 127.0.0.1 {port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.skipif(not may_name_hosts(), reason="needs a user who may give a process another host's name")
def test_a_host_that_fails_what_others_do_is_left_alone(tmp_path: Path) -> None:
    samples = write_trees(tmp_path, files=3, entries=8000)
    port = running.free_port()
    no_python = f"mount --bind /bin/false {Path(sys.executable).resolve()}"
    with (
        running.running(
            *("-p", f"{TESTS / 'troubles.py'}:Slow", "--processor-args", "seconds=0.5", *SHORT),
            *("--chunksize", 1000, "--task-time", 1, "--port", port, samples),
            cwd=tmp_path,
        ) as process,
        worker_on("badhost", port, tmp_path / "bad", no_python),
        worker_on("goodhost", port, tmp_path / "good"),
    ):
        ended = running.finish(process)
    assert ended.code == 0, ended.out + ended.err
    blocked = [e for e in running.events_of(tmp_path / "out") if isinstance(e, HostBlocked)]
    assert {event.host for event in blocked} == {"badhost"}
    assert re.search(r"badhost is not used for \d+ s", ended.err)
    said = r"badhost was not used for a while: \d+ attempts in a row failed there \(broken environment\)"
    assert re.search(said, ended.out)
    assert "badhost was not used" in (tmp_path / "out" / "report.html").read_text()
    assert_exactly_once(tmp_path, 24_000)
