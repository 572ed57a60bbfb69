"""Local workers and their disk: real processes that end at once, on a disk that becomes full."""

from __future__ import annotations

import shutil
import time
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest
import running

from wq_runner.errors import EngineError
from wq_runner.units import GB, MB
from wq_runner.workers import local
from wq_runner.workers.local import LocalSpec, LocalWorkers

WORDS = "has less than the promised disk space (--disk > disk total) 100 < 99 MB"
WORKER = f"""#!/bin/sh
echo "$@" >>{{args}}
echo "work_queue_worker: {WORDS}" >&2
echo "work_queue_worker: creating workspace /tmp/x"
"""
Usage = namedtuple("Usage", "total used free")


class Disk:
    """A disk of which the test says how much is free."""

    free = 100_000_000_000

    def usage(self, _: object) -> Usage:
        return Usage(10**12, 10**12 - self.free, self.free)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()
    monkeypatch.setattr(shutil, "disk_usage", made.usage)
    return made


@pytest.fixture
def workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: Disk) -> Iterator[LocalWorkers]:
    """Make a local worker that ends as soon as it starts, and leaves its arguments in a file."""
    program = tmp_path / "bin" / "work_queue_worker"
    program.parent.mkdir()
    program.write_text(WORKER.format(args=tmp_path / "args"))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    made = LocalWorkers(LocalSpec(count=1), logs=tmp_path / "logs")
    yield made
    made.stop()


def promised(tmp_path: Path) -> list[int]:
    text = (tmp_path / "args").read_text() if (tmp_path / "args").exists() else ""
    return [int(word.partition("=")[2]) for word in text.split() if word.startswith("--disk=")]


def replace_until(workers: LocalWorkers, tmp_path: Path, count: int) -> None:
    def replaced() -> bool:
        workers.keep_alive()
        return len(promised(tmp_path)) >= count

    running.until(replaced)


def test_a_worker_that_is_replaced_promises_what_is_there_now(
    workers: LocalWorkers, tmp_path: Path, disk: Disk
) -> None:
    workers.prepare()
    workers.start(9123)
    running.until(lambda: promised(tmp_path))
    disk.free = 1000 * MB
    replace_until(workers, tmp_path, 2)
    assert promised(tmp_path)[:2] == [4000, 500]


def test_why_workers_end_is_in_the_message(workers: LocalWorkers, tmp_path: Path) -> None:
    workers.prepare()
    workers.start(9123)
    with pytest.raises(EngineError) as caught:
        replace_until(workers, tmp_path, 100)
    assert caught.value.message == f"local workers end as soon as they start (exit code 0): {WORDS}"
    assert str(tmp_path / "logs") in caught.value.hint
    assert f"they work in {tmp_path}" in caught.value.hint
    assert "workspace" in (tmp_path / "logs" / "local-0.log").read_text()


def test_without_room_none_is_started_and_the_place_is_named(
    workers: LocalWorkers, tmp_path: Path, disk: Disk
) -> None:
    disk.free = MB
    with pytest.raises(EngineError, match=r"no room for local workers in .*: 1.0 MB are free") as caught:
        workers.prepare()
    assert str(tmp_path) in caught.value.message
    assert "TMPDIR" in caught.value.hint
    assert not workers.password_file.exists()


def test_who_waits_for_room_does_so_for_a_while(
    workers: LocalWorkers, tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers.prepare()
    workers.start(9123)
    running.until(lambda: promised(tmp_path))
    disk.free, before = MB, len(promised(tmp_path))
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        workers.keep_alive()
    assert len(promised(tmp_path)) == before
    disk.free = 10 * GB
    replace_until(workers, tmp_path, before + 1)
    disk.free = MB
    monkeypatch.setattr(local, "NO_ROOM", 0.2)
    with pytest.raises(EngineError, match="no room for local workers"):
        replace_until(workers, tmp_path, 100)


def test_what_a_task_asks_for_is_needed(tmp_path: Path, disk: Disk) -> None:
    disk.free = 10 * GB
    workers = LocalWorkers(LocalSpec(count=1), logs=tmp_path, task_disk=20 * GB)
    try:
        with pytest.raises(EngineError, match=r"10.0 GB are free, and they need 22.2 GB"):
            workers.prepare()
    finally:
        workers.stop()
