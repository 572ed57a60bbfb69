"""Results that tasks add up, on workers, where the manager would only be in the way."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import nanoaod
import numpy as np
import running

from wq_runner.run_events import Accepted, Merged, TaskEnded

CHUNKS = 20
MEGABYTES = 8


def options(samples: Path, *more: object) -> Sequence[object]:
    return (
        *("-p", f"{running.ANALYSIS}:Large", "--processor-args", f"megabytes={MEGABYTES}"),
        *("--schema", "BaseSchema", "--chunksize", 100, "--task-time", 0.001, "-o", "out"),
        *("--workers", "local:2x1x1500MB", *more, samples),
    )


def write(directory: Path) -> Path:
    nanoaod.write_simple(directory / "data" / "a.root", CHUNKS * 100, basket=100)
    return directory / "data"


def check(directory: Path) -> None:
    """The result is that of all chunks, each once."""
    found = running.output(directory / "out")
    assert (found["entries"], found["chunks"]) == (CHUNKS * 100, CHUNKS)
    blocks = (
        np.random.default_rng(start).random(int(MEGABYTES * 1e6 / 8)) for start in range(0, CHUNKS * 100, 100)
    )
    np.testing.assert_allclose(found["block"], sum(blocks), rtol=1e-12)


def attempts(directory: Path) -> list[TaskEnded]:
    return [
        event
        for event in running.events_of(directory / "out")
        if isinstance(event, TaskEnded) and event.category == "accumulating"
    ]


def test_tasks_add_up_in_as_much_memory_as_they_need(tmp_path: Path) -> None:
    ended = running.run_well(*options(write(tmp_path), "--treereduction", 4), cwd=tmp_path)
    check(tmp_path)
    found = attempts(tmp_path)
    assert len(found) >= CHUNKS // 4
    assert all(task.ending == "returned" for task in found)
    merged = [event for event in running.events_of(tmp_path / "out") if isinstance(event, Merged)]
    assert len(merged) == len(found)
    assert max(len(event.of) for event in merged) == 4
    # the first measures with all that a worker has; what is learned is enough for those that follow
    assert found[-1].allocated < found[0].allocated
    assert all(task.memory <= task.allocated for task in found)
    assert "accumulating" not in ended.err


def test_by_size(tmp_path: Path) -> None:
    running.run_well(*options(write(tmp_path), "--treereduction", f"{3.5 * MEGABYTES}MB"), cwd=tmp_path)
    check(tmp_path)
    merged = [event for event in running.events_of(tmp_path / "out") if isinstance(event, Merged)]
    assert max(len(event.of) for event in merged) == 3


def test_a_run_that_was_killed_while_tasks_added_up(tmp_path: Path) -> None:
    samples = write(tmp_path)
    with running.running(*options(samples, "--treereduction", 4), cwd=tmp_path) as process:
        running.until(lambda: attempts(tmp_path), "an accumulating task")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    before = running.accepted(tmp_path / "out")
    running.run_well(*options(samples, "--treereduction", 4), cwd=tmp_path)
    check(tmp_path)
    events = running.events_of(tmp_path / "out")
    items = [item for event in events if isinstance(event, Accepted) for item in event.items]
    assert before > 0
    assert len(items) == len(set(items)), "a chunk ran twice"
