"""A task's process and the one that watches it: real, forked, and ended in every way there is."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import running

from wq_runner.engine import answer
from wq_runner.engine.answer import Answer, Kind
from wq_runner.remote import wire
from wq_runner.remote.ancestor import Ancestor, find_worker
from wq_runner.remote.guard import MB, Job, Limits, Watch, limits_of

Notify = Callable[[int], None]


def watch(directory: Path, work: Callable[[Notify], None], **limits: float) -> Answer:
    """Watch a process that tells of items 0 and 1, and works in the second."""

    def both(notify: Notify) -> None:
        faulthandler.disable()  # pytest's would tell of every crash that is meant
        notify(0)
        notify(1)
        work(notify)

    given = Limits(**limits)  # type: ignore[arg-type]
    result = directory / "result"
    Watch(Job(directory / "function", directory / "items", result, given), both).finish()
    return answer.read_answer(result)


def hold(megabytes: float) -> None:
    block = np.ones(int(megabytes * MB), np.int8)
    time.sleep(60)
    assert block[0]


def now_resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_too_much_memory(tmp_path: Path) -> None:
    limit = now_resident() + 50 * MB
    # as much as the limit itself: of what a process has in memory, a fork of it has only a part
    found = watch(tmp_path, lambda _: hold(limit / MB + 50), memory=limit)
    (failure,) = found.failures
    assert (failure.kind, failure.index) == (Kind.MEMORY, 1)
    assert failure.memory > limit
    assert f"{limit / MB:.0f} MB allocated" in failure.message
    assert found.wall < 20


def test_within_its_memory(tmp_path: Path) -> None:
    def work(_: Notify) -> None:
        wire.write(tmp_path / "result", {"host": "h", "wall": 1.0, "done": [0, 1]}, [b"", b""])

    assert watch(tmp_path, work, memory=now_resident() + 500 * MB).done == (0, 1)


def hang_in_c(_: Notify) -> None:
    ctypes.PyDLL(None).pause()


def idle_thread(_: Notify) -> None:
    while True:  # as a client that polls for an answer
        time.sleep(0.05)


@pytest.mark.parametrize("work", [hang_in_c, idle_thread])
def test_no_progress(tmp_path: Path, work: Callable[[Notify], None]) -> None:
    (failure,) = watch(tmp_path, work, stall=1.0).failures
    assert (failure.kind, failure.index) == (Kind.STALL, 1)
    assert failure.message == "nothing happened for 1 s"


def compute(notify: Notify) -> None:
    end = time.monotonic() + 2
    while time.monotonic() < end:
        pass
    os._exit(9)


def read(notify: Notify) -> None:
    for _ in range(20):
        os.pread(os.open("/dev/zero", os.O_RDONLY), 100, 0)
        time.sleep(0.1)
    os._exit(9)


def begin_items(notify: Notify) -> None:
    for index in range(2, 22):
        notify(index)
        time.sleep(0.1)
    os._exit(9)


@pytest.mark.parametrize("work", [compute, read, begin_items])
def test_progress_is_to_compute_to_read_or_to_go_on(tmp_path: Path, work: Callable[[Notify], None]) -> None:
    (failure,) = watch(tmp_path, work, stall=1.0).failures
    assert failure.kind is Kind.CRASH, failure.message


def waits_for(program: str, **how: bool) -> Callable[[Notify], None]:
    def work(_: Notify) -> None:
        subprocess.run([sys.executable, "-c", program], check=False, **how)  # type: ignore[call-overload]
        os._exit(9)

    return work


COMPUTES = "import time; end = time.monotonic() + 2.5\nwhile time.monotonic() < end: pass"
READS = "import time\nfor _ in range(25): open('/dev/zero', 'rb', 0).read(100); time.sleep(0.1)"
SHELL = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {COMPUTES!r}])"


@pytest.mark.parametrize(
    ("program", "alone"),
    [(COMPUTES, False), (READS, False), (SHELL, True)],
    ids=["computes", "reads", "starts another in a session of its own"],
)
def test_who_waits_for_a_program_that_gets_on_is_not_stalled(
    tmp_path: Path, program: str, *, alone: bool
) -> None:
    (failure,) = watch(tmp_path, waits_for(program, start_new_session=alone), stall=1.0).failures
    assert failure.kind is Kind.CRASH, failure.message


def test_who_waits_for_a_program_that_does_nothing_is_stalled_and_it_ends_too(tmp_path: Path) -> None:
    program = (
        f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(100)"
    )
    (failure,) = watch(tmp_path, waits_for(program, start_new_session=True), stall=1.0).failures
    assert failure.kind is Kind.STALL
    child = int((tmp_path / "pid").read_text())
    running.until(lambda: not running.command_of(child), patience=5)


def test_what_a_crashed_task_started_ends_with_it(tmp_path: Path) -> None:
    def work(_: Notify) -> None:
        (tmp_path / "pid").write_text(str(subprocess.Popen(["sleep", "100"]).pid))
        os.abort()

    assert watch(tmp_path, work).failures[0].kind is Kind.CRASH
    child = int((tmp_path / "pid").read_text())
    running.until(lambda: not running.command_of(child), patience=5)


def test_the_memory_of_a_program_counts(tmp_path: Path) -> None:
    limit = now_resident() + 50 * MB
    size = limit + 50 * MB
    program = f"import time; held = bytearray({size}); held[::4096] = b'x' * len(range(0, {size}, 4096))"
    found = watch(tmp_path, waits_for(f"{program}; time.sleep(60)"), memory=limit)
    (failure,) = found.failures
    assert failure.kind is Kind.MEMORY
    assert failure.memory > limit
    assert found.wall < 30


def test_memory_that_copies_of_a_process_share_counts_once(tmp_path: Path) -> None:
    def share(_: Notify) -> None:
        block = np.ones(200 * MB, np.int8)
        for _number in range(4):
            if os.fork() == 0:
                time.sleep(60)
        time.sleep(1.5)
        os._exit(int(block[0]))

    (failure,) = watch(tmp_path, share, memory=now_resident() + 400 * MB).failures
    assert failure.kind is Kind.CRASH, failure.message


@pytest.mark.parametrize(
    ("work", "how"),
    [
        (lambda _: os._exit(3), "exit code 3"),
        (lambda _: os.kill(os.getpid(), signal.SIGSEGV), "SIGSEGV"),
        (lambda _: os.abort(), "SIGABRT"),
        (lambda _: sys.exit(4), "exit code 4"),
        (lambda _: 1 / 0, "exit code 1"),
    ],
    ids=["exit", "segv", "abort", "sys.exit", "bug"],
)
def test_the_interpreter_ends(tmp_path: Path, work: Callable[[Notify], None], how: str) -> None:
    (failure,) = watch(tmp_path, work).failures
    assert (failure.kind, failure.index) == (Kind.CRASH, 1)
    assert how in failure.message


def test_what_a_task_started_ends_with_it(tmp_path: Path) -> None:
    def work(_: Notify) -> None:
        child = subprocess.Popen(["sleep", "100"])
        (tmp_path / "pid").write_text(str(child.pid))
        hang_in_c(_)

    watch(tmp_path, work, stall=1.0)
    child = int((tmp_path / "pid").read_text())
    running.until(lambda: not running.command_of(child), patience=5)


def test_an_answer_that_is_there_is_kept(tmp_path: Path) -> None:
    def work(_: Notify) -> None:
        wire.write(tmp_path / "result", {"host": "h", "wall": 1.0, "done": [0]}, [b"", b""])
        os._exit(1)

    assert watch(tmp_path, work).done == (0,)


@pytest.mark.parametrize(
    ("environment", "limits"),
    [
        ({"MEMORY": "500", "WQ_RUNNER_STALL": "60.0"}, Limits(memory=500 * MB, stall=60.0)),
        ({"MEMORY": "-1", "WQ_RUNNER_STALL": "0"}, Limits()),
        ({"MEMORY": "8", "WQ_RUNNER_WATCH_MEMORY": "0"}, Limits()),
        ({}, Limits()),
    ],
)
def test_limits(environment: dict[str, str], limits: Limits) -> None:
    assert limits_of(environment) == limits


# -- the worker above


CHILD = """
import sys, time
from pathlib import Path
from wq_runner.remote import guard
from wq_runner.remote.guard import Job, Limits, Watch

directory = Path(sys.argv[1])
job = Job(directory / "function", directory / "items", directory / "result", Limits())

def work(notify):
    (directory / "started").write_text("now")
    time.sleep(100)

watch = Watch(job, work)
(directory / "pids").write_text(f"{__import__('os').getpid()} {watch.pid}")
watch.finish()
"""


def test_a_task_ends_with_its_worker(tmp_path: Path) -> None:
    """The worker is a shell of that name, with another one between it and the task, as the engine has it."""
    worker = tmp_path / "work_queue_worker"
    worker.symlink_to("/bin/sh")
    (tmp_path / "child.py").write_text(CHILD)
    command = f"sh -c '{sys.executable} {tmp_path}/child.py {tmp_path}; true'; true"
    process = subprocess.Popen(
        [worker, "-c", command], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    try:
        running.until((tmp_path / "started").exists)
        written = tmp_path / "pids"
        pids = running.until(lambda: written.read_text().split() if written.exists() else [])
        process.kill()
        running.until(lambda: not any(running.command_of(int(pid)) for pid in pids), patience=5)
    finally:
        process.kill()
        process.wait()


def test_no_worker_is_no_reason_to_end() -> None:
    assert find_worker("no such program") is None


def test_an_ancestor_is_told_from_a_later_process_of_its_id() -> None:
    with subprocess.Popen(["sleep", "100"]) as process:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        assert Ancestor(process.pid, fields[19]).lives()
        assert not Ancestor(process.pid, "1").lives()
        process.kill()
        running.until(lambda: not Ancestor(process.pid, fields[19]).lives(), "its end, not yet waited for")
