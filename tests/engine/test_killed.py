"""`wq-run` killed, starved and changed in mid-run, and started again: nothing lost, nothing twice."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import nanoaod
import pytest
import running

from wq_runner import journal
from wq_runner.execution import reduce
from wq_runner.pipeline import ranges

FILES, CHUNKS = 20, 10
EVENTS = 100
"""Of a chunk."""

COMMON = ("--schema", "BaseSchema", "--chunksize", EVENTS, "--task-time", 0, "-o", "out")


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory of 20 files of 1000 entries."""
    directory = tmp_path_factory.mktemp("killed") / "data"
    for number in range(FILES):
        nanoaod.write_simple(directory / f"f{number:02}.root", CHUNKS * EVENTS)
    return directory


def command(data: Path, executor: str, *more: object, processor: str = "Sums") -> tuple[object, ...]:
    workers = () if executor == "iterative" else ("-w", "local:2" if executor == "work_queue" else 2)
    return ("-p", f"{running.ANALYSIS}:{processor}", *COMMON, "-e", executor, *workers, *more, data)


def check_output(directory: Path, files: int = FILES) -> None:
    """Compare with what an uninterrupted run gives, which can be calculated."""
    found = running.output(directory)
    assert found["entries"] == files * CHUNKS * EVENTS
    assert found["chunks"] == files * CHUNKS
    assert found["sum"] == files * sum(range(CHUNKS * EVENTS))
    assert {entries for _, entries in found["files"]} == {EVENTS}
    assert len(found["files"]) == files
    assert found["postprocessed"] is True
    account = running.summary(directory)["datasets"]["data"]
    assert account["events_processed"] == account["events_planned"] == found["entries"]


def check_each_event_ran_once(directory: Path, files: int = FILES) -> None:
    """Count from the journal: what is accepted never overlaps, and is all of it."""
    seen: dict[str, list[tuple[int, int]]] = {}
    tasks = set()
    for event in running.events_of(directory):
        if isinstance(event, journal.Accepted) and event.category == "processing":
            assert event.task not in tasks
            tasks.add(event.task)
            for path, _, start, stop, _ in event.items:
                seen.setdefault(path, []).append((start, stop))
    assert len(seen) == files
    for parts in seen.values():
        assert sum(stop - start for start, stop in parts) == CHUNKS * EVENTS
        assert ranges.merged(parts) == [(0, CHUNKS * EVENTS)]


Moment = Callable[[Path], bool]


def after_tasks(count: int) -> Moment:
    return lambda out: running.accepted(out) >= count


def while_merging(out: Path) -> bool:
    """When the next part makes the ledger write its sums."""
    return len(list((out / "ledger").glob("part-*"))) >= reduce.MOST_PARTS


def while_writing(out: Path) -> bool:
    """When all tasks are done, and the output is about to be written."""
    ends = (event for event in running.events_of(out) if isinstance(event, journal.PhaseEnded))
    return any(event.category == "processing" for event in ends)


def moments(seed: int) -> list[tuple[Moment, float]]:
    """Return when to kill, and how many seconds later still."""
    dice = random.Random(seed)
    found: list[tuple[Moment, float]] = [
        (after_tasks(12 * number + dice.randint(0, 8)), dice.uniform(0, 0.03)) for number in range(15)
    ]
    for place in (5, 10):  # about when these are due
        found.insert(place, (while_merging, dice.uniform(0, 0.02)))
    return [*found, (while_writing, 0.0), (while_writing, 0.0), (while_writing, 0.01)]


def kill_at(moment: Moment, later: float, out: Path, run: tuple[object, ...]) -> bool:
    """Start a run, kill it at a moment, and return whether it still lived."""
    with running.running(*run, cwd=out.parent) as process:
        while process.poll() is None and not moment(out):
            time.sleep(0.002)
        time.sleep(later)
        lived = process.poll() is None
        process.kill()
        process.communicate()
    return lived


def test_killed_at_20_moments(data: Path, tmp_path: Path) -> None:
    out, run = tmp_path / "out", command(data, "iterative")
    kills = sum(kill_at(moment, later, out, run) for moment, later in moments(seed=5))
    running.run_well(*run, cwd=tmp_path)
    check_output(out)
    check_each_event_ran_once(out)
    assert kills >= 18
    again = running.run_well(*run, cwd=tmp_path)
    assert "is there already" in again.out
    assert again.seconds < 5


@pytest.mark.parametrize("executor", ["futures", "work_queue"])
def test_killed_with_its_workers(data: Path, tmp_path: Path, executor: str) -> None:
    out, run = tmp_path / "out", command(data, executor, "--limit-files", 4)
    kills = [kill_at(after_tasks(count), 0.0, out, run) for count in (1, 12, 25)]
    running.run_well(*run, cwd=tmp_path)
    check_output(out, files=4)
    check_each_event_ran_once(out, files=4)
    assert all(kills)
