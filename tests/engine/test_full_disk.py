"""Local workers whose disk is small, or becomes full while they work: file systems in memory, filled."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import running

from wq_runner.run_events import TaskSubmitted, Workers

MB = 1_000_000


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mount file systems of some MB; only root may, and not everywhere."""
    places: list[Path] = []

    def mount(size: int) -> Path:
        place = tmp_path / f"disk{len(places)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", str(place)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("no file system can be mounted here")
        places.append(place)
        return place

    yield mount
    for place in places:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def options(tmp_path: Path, gate: Path) -> tuple[object, ...]:
    gated = ("-p", f"{running.ANALYSIS}:Gated", "--processor-args", f"gate={gate}", "--schema", "BaseSchema")
    return (*gated, "-w", "local:1", "-c", 20, "--task-time", 0.01, "-o", tmp_path / "out")


def _promised(out: Path) -> bool:
    """Whether a task is on the worker that asked for what one takes, and others wait."""
    asked = False
    for event in running.events_of(out):
        asked |= isinstance(event, TaskSubmitted) and bool(event.memory)
        if asked and isinstance(event, Workers) and event.running and event.waiting:
            return True
    return False


def test_a_disk_that_is_too_small_is_named(
    tmp_path: Path, make_root: Callable[..., Path], mounted: Callable[[int], Path]
) -> None:
    data, disk = make_root("data.root", entries=60), mounted(1)
    ended = running.run(*options(tmp_path, tmp_path / "gate"), data, cwd=tmp_path, TMPDIR=str(disk))
    assert ended.code == 5
    assert f"no room for local workers in {disk}" in ended.error
    assert "TMPDIR" in ended.error


def test_a_disk_that_others_fill_while_it_goes(
    tmp_path: Path, make_root: Callable[..., Path], mounted: Callable[[int], Path]
) -> None:
    data, gate, disk = make_root("data.root", entries=100), tmp_path / "gate", mounted(400)
    out, mark = tmp_path / "out", uuid.uuid4().hex
    command = (*options(tmp_path, gate), data)
    with running.running(*command, cwd=tmp_path, TMPDIR=str(disk), **{running.MARK: mark}) as run:
        running.until(lambda: running.accepted(out) >= 1)
        # the first asked for nothing but a core, and its process may still be there
        running.until(lambda: _promised(out), "a task that was promised a share of the disk")
        (disk / "of-others").write_bytes(bytes(280 * MB))
        # the worker has promised more than there is now, and ends when it looks, or has ended
        for worker in running.workers(mark):
            running.kill(worker)
        gate.touch()
        ended = running.finish(run)
    assert ended.code == 0, ended.err
    assert running.output(out)["entries"] == 100
    log = (out / "wq-run.log").read_text()
    assert "replaced" in log
    assert "MB of disk now, and tasks ask for no more" in log  # else what waited would wait for ever
