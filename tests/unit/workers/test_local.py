"""Local workers, as far as they can be looked at without starting any."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

from wq_runner.errors import EngineError, UsageError
from wq_runner.units import MB
from wq_runner.workers import local, spec
from wq_runner.workers.local import LocalSpec, WorkerShape
from wq_runner.workers.target import Target


def test_command_with_tls() -> None:
    shape = WorkerShape(cores=1, memory=1, disk=1)
    command = local.worker_command("worker", shape, 9123, Path("/p"), Path("/s"), tls=True)
    assert command[-3:] == ["--ssl", "127.0.0.1", "9123"]


def test_a_worker_that_is_told_a_place_is_told_of_tls() -> None:
    told = Target(name="me", place="here.example:9123", tls=True)
    asking = Target(name="me", catalog="there.example:9097", tls=True)
    assert told.arguments == ("--ssl", "here.example", "9123")
    assert asking.arguments[0] == "--ssl"  # it goes to none that has no TLS, whatever a catalog says
    assert "--ssl" not in dataclasses.replace(asking, tls=False).arguments  # the catalog says it


def test_command() -> None:
    shape = WorkerShape(cores=4, memory=8000, disk=16000)
    command = local.worker_command("/bin/work_queue_worker", shape, 9123, Path("/s/password"), Path("/s"))
    assert command == [
        "/bin/work_queue_worker",
        "--cores=4",
        "--memory=8000",
        "--disk=16000",
        "--password=/s/password",
        "--workdir=/s",
        "--parent-death",
        "--min-backoff=1",
        "--max-backoff=2",
        "127.0.0.1",
        "9123",
    ]


def test_the_memory_of_the_machine_is_shared() -> None:
    one, four = (local.shape(LocalSpec(count=count, cores=2), 10**11) for count in (1, 4))
    assert one.cores == four.cores == 2
    assert one.memory // 4 - 1 <= four.memory <= one.memory // 4 + 1


@pytest.mark.parametrize(
    ("wanted", "free", "task", "promised"),
    [
        pytest.param(LocalSpec(count=4), 1e12, 0, 4000, id="what a task may need, and not what there is"),
        pytest.param(LocalSpec(count=2, cores=8), 1e12, 0, 32_000, id="for each core"),
        pytest.param(LocalSpec(count=4), 8000 * MB, 0, 1000, id="half of what is free"),
        pytest.param(LocalSpec(count=4, disk=10_000 * MB), 1e12, 0, 10_000, id="what is said"),
        pytest.param(LocalSpec(count=4, disk=10_000 * MB), 10_000 * MB, 0, 9000, id="said, if it is there"),
        pytest.param(LocalSpec(count=4), 1e11, 20_000 * MB, 20_000, id="what a task asks for"),
        pytest.param(LocalSpec(count=4), 10_000 * MB, 8000 * MB, 8000, id="asked for, though it is much"),
    ],
)
def test_the_disk_that_a_worker_promises(wanted: LocalSpec, free: float, task: float, promised: int) -> None:
    assert local.shape(wanted, free, task).disk == promised


def test_last_words_are_of_the_last_life_and_tell_something(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert local.last_words(log) == ""
    usual = "work_queue_worker: creating workspace /tmp/x\nconnected to manager 127.0.0.1:1 via x\n"
    log.write_text(f"work_queue_worker: an old reason\n{usual}")
    start = log.stat().st_size
    assert local.last_words(log, start) == ""
    with log.open("a") as stream:
        stream.write("2026/11/28 23:07:03.95 work_queue_worker[1] notice: stopping: abort signal received\n")
        stream.write("disconnected from manager 127.0.0.1:9124\n")
    assert local.last_words(log, start) == ": stopping: abort signal received"
    assert local.last_words(log) == ": stopping: abort signal received"


def test_only_this_user_reads_the_password(tmp_path: Path) -> None:
    local.write_password(tmp_path / "one")
    local.write_password(tmp_path / "two")
    assert (tmp_path / "one").stat().st_mode & 0o777 == 0o600
    assert len((tmp_path / "one").read_text()) == 64
    assert (tmp_path / "one").read_text() != (tmp_path / "two").read_text()
    with pytest.raises(FileExistsError):
        local.write_password(tmp_path / "one")


def test_a_program_is_found_on_the_path_or_beside_the_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="work_queue_worker is not on PATH"):
        local.find_program()
    for place in (tmp_path / "bin", tmp_path):
        (place / "work_queue_worker").write_text("")
        (place / "work_queue_worker").chmod(0o755)
        assert local.find_program() == str(place / "work_queue_worker")


@pytest.mark.parametrize("text", ["local:50000", "local:1000x4", f"local:2x{10**6}"])
def test_what_would_bring_the_machine_down_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="too many for this machine") as refused:
        spec.parse(text)
    assert "--chunksize" in str(refused.value.hint)
