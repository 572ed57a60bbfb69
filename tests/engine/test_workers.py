"""Workers: started by hand, started by wq-run, and none at all."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nanoaod
import pytest
import running

from wq_runner.engine.messages import QueueSettings
from wq_runner.engine.work_queue import WorkQueueEngine

SUMS = ("-p", f"{running.ANALYSIS}:Sums", "--schema", "BaseSchema")


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    nanoaod.write_simple(tmp_path / "data" / "a.root", 40)
    return tmp_path / "data"


def listening_at(port: int) -> list[str]:
    """Return the addresses at which programs listen to a port."""
    found = []
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *_ = line.split()
        address, _, number = local.partition(":")
        if state == "0A" and int(number, 16) == port:
            found.append(socket.inet_ntoa(struct.pack("<I", int(address, 16))))
    return found


def output_of(process: subprocess.Popen[bytes], path: Path) -> str:
    """Return what a process that writes to a file said so far."""
    assert process.poll() is None, path.read_text()
    return path.read_text()


def test_waits_for_a_worker_that_is_started_by_hand(samples: Path, tmp_path: Path) -> None:
    said = tmp_path / "said"
    command = [running.program("wq-run"), *SUMS, "--port", "0", "--name", "mine", "-o", "out", str(samples)]
    with said.open("w") as stream:
        run = subprocess.Popen(
            command,
            cwd=tmp_path,
            stdout=stream,
            stderr=stream,
            env={**os.environ, **running.SETTINGS, "PYTHONUNBUFFERED": "1"},
        )
    worker = None
    try:
        running.until(lambda: "waiting for workers as mine, port " in output_of(run, said))
        text = said.read_text()
        port = text.partition("waiting for workers as mine, port ")[2].partition(".")[0]
        for line in ("work_queue_worker --cores 1 --memory", "HTCondor", "Slurm"):
            assert line in text
        assert "work_queue_factory" not in text  # whose workers ask the catalog, which only this machine has
        assert f"whoever reaches port {port} can run code here as you" in text
        sizes = ["--cores", "1", "--memory", "2000", "--disk", "2000"]
        worker = subprocess.Popen(
            ["work_queue_worker", *sizes, "-s", str(tmp_path), "--parent-death", "127.0.0.1", port],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert run.wait(running.PATIENCE) == 0, said.read_text()
    finally:
        for process in (run, worker):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
    assert running.output(tmp_path / "out")["entries"] == 40


def test_gives_up_if_no_worker_comes_in_time(samples: Path, tmp_path: Path) -> None:
    options = ("--port", 0, "--wait-time", 1, "-o", "out")
    ended = running.run(*SUMS, *options, samples, cwd=tmp_path)
    assert ended.code == 5
    assert "no worker came in 1 s" in ended.error
    assert running.summary(tmp_path / "out")["exit_code"] == 5


def test_local_workers_need_a_password_that_others_cannot_read(samples: Path, tmp_path: Path) -> None:
    mark, gate = uuid.uuid4().hex, tmp_path / "gate"
    options = (
        "-p",
        f"{running.ANALYSIS}:Gated",
        "--processor-args",
        f"gate={gate}",
        "--schema",
        "BaseSchema",
    )
    more = ("--processor-args", "free=0", "-w", "local:2x1", "-o", "out")
    with running.running(*options, *more, samples, cwd=tmp_path, **{running.MARK: mark}) as run:
        running.until(lambda: len(running.workers(mark)) == 2)
        commands = [text.split() for text in running.marked(mark).values() if "work_queue_worker" in text]
        (password,) = {word.partition("=")[2] for words in commands for word in words if "--password" in word}
        assert Path(password).stat().st_mode & 0o777 == 0o600
        assert len(Path(password).read_text()) == 64
        for words in commands:
            assert words[-2] == "127.0.0.1"
            assert listening_at(int(words[-1])) == ["127.0.0.1"]  # no stranger can keep the engine waiting
            assert "--cores=1" in words
            assert {word.partition("=")[0] for word in words} >= {"--memory", "--disk", "--workdir"}
        scratch = Path(password).parent
        gate.touch()
        assert running.finish(run).code == 0
    assert not scratch.exists()
    assert not running.workers(mark)


def test_all_ports_are_taken(samples: Path, tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("", 0))
        sock.listen()
        port = sock.getsockname()[1]
        for given in (str(port), f"{port}-{port}"):
            ended = running.run(*SUMS, "--port", given, "-o", "out", samples, cwd=tmp_path)
            assert ended.code == 5
            assert f"port {port} is taken" in ended.error


def test_queues_that_start_at_once_have_ports_of_their_own(tmp_path: Path) -> None:
    low = running.free_port()
    settings = QueueSettings(payload=tmp_path / "none", ports=(low, low + 60))
    engines = [WorkQueueEngine(settings) for _ in range(6)]
    try:
        with ThreadPoolExecutor(len(engines)) as pool:
            list(pool.map(WorkQueueEngine.start, engines))
        assert len({engine.port for engine in engines}) == len(engines)
    finally:
        for engine in engines:
            engine.close()


def test_the_workers_program_is_missing(samples: Path, tmp_path: Path) -> None:
    # an interpreter with nothing beside it, and a PATH with nothing on it
    beside = Path(sys.executable).parent / "work_queue_worker"
    if beside.exists():
        pytest.skip("the engine lives beside this interpreter, so it is always found")
    ended = running.run(*SUMS, "-w", "local:1", "-o", "out", samples, cwd=tmp_path, PATH="/nonexistent")
    assert ended.code == 5
    assert "work_queue_worker is not on PATH" in ended.error
    assert "conda-forge" in ended.error
    assert shutil.which("work_queue_worker")
