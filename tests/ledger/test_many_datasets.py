"""Many small datasets: they share tasks, and each of them is what it would be by itself."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import nanoaod
import pytest
import running

from wq_runner.run_events import Accepted, TaskEnded

COUNT, CHUNKS, EVENTS = 40, 3, 100
TROUBLES = Path(__file__).parents[1] / "troubles.py"
COMMON = ("--schema", "BaseSchema", "--chunksize", EVENTS, "--task-time", 0.4, "-o", "out")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a fileset of 40 datasets, each of one file of three chunks."""
    directory = tmp_path_factory.mktemp("many")
    found = {}
    for number in range(COUNT):
        file = nanoaod.write_simple(directory / "data" / f"f{number}.root", events_of(number))
        found[f"d{number}"] = {"files": [str(file)], "metadata": {"number": number}}
    (directory / "samples.json").write_text(json.dumps(found))
    return directory / "samples.json"


def events_of(number: int) -> int:
    """Return the events of a dataset, of which each has others."""
    return CHUNKS * EVENTS - number


def parts(directory: Path) -> dict[str, Any]:
    """Return the outputs of the datasets of a run."""
    from coffea.util import load

    return {path.stem: load(path) for path in (directory / "outputs").glob("*.coffea")}


def check(directory: Path, failed: int = -1) -> None:
    """Compare each dataset with what it is by itself, which can be calculated; and with the journal.

    Of the one that `failed`, the first chunk is missing.
    """
    found = parts(directory)
    assert len(found) == COUNT
    for number in range(COUNT):
        first = events_of(number) // CHUNKS if number == failed else 0
        entries, one = events_of(number) - first, found[f"d{number}"]
        assert (one["entries"], one["sum"]) == (entries, sum(range(first, events_of(number))))
        assert one["by dataset"] == {f"d{number}": entries}
        assert running.summary(directory)["datasets"][f"d{number}"]["events_processed"] == entries
    seen = [
        (event.dataset, start)
        for event in running.events_of(directory)
        if isinstance(event, Accepted) and event.category == "processing"
        for _, _, start, _, _ in event.items
    ]
    assert len(seen) == len(set(seen)) == CHUNKS * COUNT - (failed >= 0)


def check_written(directory: Path) -> int:
    """Compare the files that a killed run has left with what they are in the end; return how many."""
    found = parts(directory)
    for name, one in found.items():
        entries = events_of(int(name[1:]))
        assert (one["entries"], one["sum"]) == (entries, sum(range(entries)))
    return len(found)


def shared(directory: Path) -> bool:
    """Whether datasets shared a task: then fewer were transferred than are on record."""
    first = [
        event.bytes_sent or event.transfer
        for event in running.events_of(directory)
        if isinstance(event, TaskEnded) and event.category == "processing"
    ]
    return sum(map(bool, first)) < 0.5 * len(first)


def test_killed_at_any_moment(samples: Path, tmp_path: Path) -> None:
    run = ("-p", f"{running.ANALYSIS}:Sums", *COMMON, "-e", "iterative", "--outputs", "per-dataset", samples)
    dice = random.Random(7)
    kills = written = 0
    for number in range(7):
        wanted = number * 16 + dice.randint(1, 12)
        with running.running(*run, cwd=tmp_path) as process:
            while process.poll() is None and running.accepted(tmp_path / "out") < wanted:
                time.sleep(0.002)
            time.sleep(dice.uniform(0, 0.02))
            kills += process.poll() is None
            process.kill()
            process.communicate()
        written += check_written(tmp_path / "out")
    running.run_well(*run, cwd=tmp_path)
    check(tmp_path / "out")
    assert kills, "how many depends on the machine: one that is held up may end a run first"
    assert written, "of seven moments, some come after a dataset was complete"


@pytest.mark.parametrize("what", ["exit", "error", "lock"])
def test_one_of_them_fails(samples: Path, tmp_path: Path, what: str) -> None:
    """Whatever it does to its task, only that chunk is missing."""
    arguments = {"what": what, "file": "f7.root", "entry": 30}
    ended = running.run(
        *("-p", f"{TROUBLES}:Troubled", *COMMON, "-w", "local:2", "--max-failed", 0.1),
        *(part for name, value in arguments.items() for part in ("--processor-args", f"{name}={value}")),
        *("--outputs", "per-dataset", samples),
        cwd=tmp_path,
    )
    assert ended.code == 3, ended.out
    check(tmp_path / "out", failed=7)
    assert shared(tmp_path / "out")
    (lacking,) = running.summary(tmp_path / "out")["missing"]
    assert (lacking["dataset"], lacking["start"]) == ("d7", 0)
