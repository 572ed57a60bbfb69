"""`wq-run` killed, starved and changed in mid-run, and started again: nothing lost, nothing twice."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nanoaod
import pytest
import running

from wq_runner.ledger import sums
from wq_runner.planning import ranges
from wq_runner.run_events import Accepted, PhaseEnded

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
        if isinstance(event, Accepted) and event.category == "processing":
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


def after_files(count: int) -> Moment:
    """When so many datasets have their file."""
    return lambda out: len(list((out / "outputs").glob("*.coffea"))) >= count and running.accepted(out) > 0


def while_merging(out: Path) -> bool:
    """When the next part makes the ledger write its sums."""
    return len(list((out / "ledger").iterdir())) >= sums.MOST_PARTS


def while_writing(out: Path) -> bool:
    """When all tasks are done, and the output is about to be written."""
    ends = (event for event in running.events_of(out) if isinstance(event, PhaseEnded))
    return any(event.category == "processing" for event in ends)


def moments(seed: int) -> list[tuple[Moment, float]]:
    """Return when to kill, and how many seconds later still."""
    dice = random.Random(seed)
    found: list[tuple[Moment, float]] = [
        (after_tasks(12 * number + dice.randint(0, 8)), dice.uniform(0, 0.03)) for number in range(0, 15, 2)
    ]
    for place in (3, 6):  # about when these are due
        found.insert(place, (while_merging, dice.uniform(0, 0.02)))
    return [*found, (while_writing, 0.0), (while_writing, 0.01)]


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


def test_killed_at_12_moments(data: Path, tmp_path: Path) -> None:
    out, run = tmp_path / "out", command(data, "iterative")
    kills = sum(kill_at(moment, later, out, run) for moment, later in moments(seed=5))
    running.run_well(*run, cwd=tmp_path)
    check_output(out)
    check_each_event_ran_once(out)
    assert kills >= 10
    again = running.run_well(*run, cwd=tmp_path)
    assert "is there already" in again.out
    assert again.seconds < 15  # the processor is built, to be compared, and nothing runs


def check_whole_or_absent(out: Path) -> int:
    """Look at the datasets' own files that a killed run has left, and return how many there are."""
    from coffea.util import load

    written = list((out / "outputs").glob("*.coffea"))
    for path in written:
        found = load(path)
        assert found["entries"] == CHUNKS * EVENTS, path
        assert found["sum"] == sum(range(CHUNKS * EVENTS)), path
    return len(written)


@pytest.mark.parametrize("executor", ["iterative", "work_queue"])
def test_tasks_of_several_datasets_killed_at_random(data: Path, tmp_path: Path, executor: str) -> None:
    """Each file is a dataset, less than a task of these, with a file of its own when it is complete."""
    dice = random.Random(7)
    times, files = (10, FILES) if executor == "iterative" else (4, 8)
    samples = tmp_path / "samples.json"
    samples.write_text(json.dumps({path.stem: [str(path)] for path in sorted(data.iterdir())[:files]}))
    out, run = tmp_path / "out", command(samples, executor, "--outputs", "per-dataset", "--task-time", 0.1)
    kills, written = 0, set()
    for number in range(times):
        kills += kill_at(after_files(number * files // times), dice.uniform(0, 0.3), out, run)
        written.add(check_whole_or_absent(out))
    ended = running.run_well(*run, cwd=tmp_path)
    assert check_whole_or_absent(out) == files, ended.out
    check_each_event_ran_once(out, files)
    assert kills > times // 2
    assert len(written) > 2, "some were there while others were not"


@pytest.mark.parametrize("executor", ["futures", "work_queue"])
def test_killed_with_its_workers(data: Path, tmp_path: Path, executor: str) -> None:
    out, run = tmp_path / "out", command(data, executor, "--limit-files", 4)
    kills = [kill_at(after_tasks(count), 0.0, out, run) for count in (1, 12, 25)]
    running.run_well(*run, cwd=tmp_path)
    check_output(out, files=4)
    check_each_event_ran_once(out, files=4)
    assert all(kills)


# -- a full disk --


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a directory on a file system of 4 MB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(place)]
    mounted = subprocess.run(mount, check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a file system is not allowed here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.parametrize("executor", ["iterative", "work_queue"])
def test_a_disk_that_fills_up(data: Path, small_disk: Path, executor: str) -> None:
    out, run = small_disk / "out", command(data, executor, "--limit-files", 4)
    filler = small_disk / "filler"
    with running.running(*run, cwd=small_disk) as process:
        running.until(lambda: running.accepted(out) >= 3)
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as stream:
            while True:
                stream.write(bytes(1 << 12))
        ended = running.finish(process)
    assert ended.code == 2
    assert "No space left on device" in ended.error
    kept = running.accepted(out)
    assert 3 <= kept < 4 * CHUNKS
    filler.unlink()
    again = running.run_well(*run, cwd=small_disk)
    assert "resuming" in again.out
    check_output(out, files=4)
    check_each_event_ran_once(out, files=4)


# -- what changed since --


def test_a_changed_constant_changes_the_result_and_is_named(tmp_path: Path, data: Path) -> None:
    code = tmp_path / "mine.py"
    text = "FACTOR = 2\n\ndef mine(events):\n    return {'sum': FACTOR * int(events.x.to_numpy().sum())}\n"
    code.write_text(text)
    run = ("-p", "mine.py:mine", *COMMON, "-e", "iterative", "--limit-files", 2, data)
    running.run_well(*run, cwd=tmp_path)
    before = running.output(tmp_path / "out")["sum"]
    code.write_text(text.replace("= 2", "= 3"))
    ended = running.run_well(*run, cwd=tmp_path)
    assert running.output(tmp_path / "out")["sum"] * 2 == before * 3
    assert "starting over" in ended.out
    assert f"({tmp_path.name}/mine.py) changed" in ended.out
    assert f"{2 * CHUNKS} chunks cannot be reused" in ended.out
    code.write_text(text.replace("= 2", "= 4"))
    kept = running.run_well(*run, "--accept-stale", cwd=tmp_path)
    assert "--accept-stale keeps what was done" in kept.out
    assert running.output(tmp_path / "out")["sum"] * 2 == before * 3


def test_what_was_kept_although_something_changed_stays_known(tmp_path: Path, data: Path) -> None:
    """A sum of two codes is never taken for one of one, by whoever comes next."""
    code = tmp_path / "mine.py"
    text = "FACTOR = 2\n\ndef mine(events):\n    return {'sum': FACTOR * int(events.x.to_numpy().sum())}\n"
    code.write_text(text)
    run = ("-p", "mine.py:mine", *COMMON, "-e", "iterative", data)
    running.run_well(*run, "--limit-files", 1, cwd=tmp_path)
    code.write_text(text.replace("= 2", "= 3"))
    mixed = running.run_well(*run, "--limit-files", 2, "--accept-stale", cwd=tmp_path)
    assert "some of the result is of before the code" in mixed.out
    assert running.summary(tmp_path / "out")["stale"] == [f"the code ({tmp_path.name}/mine.py)"]
    kept = running.output(tmp_path / "out")["sum"]
    again = running.run_well(*run, "--limit-files", 2, "--accept-stale", cwd=tmp_path)
    assert "is there already" in again.out
    assert "as they were" not in again.out
    assert "some of the result is of before the code" in again.out
    running.run_well(*run, "--limit-files", 1, "-o", "other", cwd=tmp_path)
    refused = running.run("merge", "other", "out", "-o", "sum", cwd=tmp_path, name="wq-report")
    assert refused.code == 2
    assert "has results of before and after the code" in refused.error
    more = running.run_well(*run, "--limit-files", 3, "--accept-stale", cwd=tmp_path)
    assert "nothing has changed" not in more.out
    assert running.summary(tmp_path / "out")["stale"]
    anew = running.run_well(*run, "--limit-files", 2, cwd=tmp_path)
    assert "changed while --accept-stale kept what was done before" in anew.out
    assert running.summary(tmp_path / "out")["stale"] == []
    assert running.output(tmp_path / "out")["sum"] != kept


def test_changed_metadata_of_one_dataset(tmp_path: Path, data: Path) -> None:
    fileset: dict[str, Any] = {
        name: {"files": [str(data / f"f0{number}.root")], "metadata": {"xsec": 1.0}}
        for number, name in enumerate(("one", "two"))
    }
    samples = tmp_path / "samples.json"
    samples.write_text(json.dumps(fileset))
    run = ("-p", f"{running.ANALYSIS}:Sums", *COMMON, "-e", "iterative", samples)
    running.run_well(*run, cwd=tmp_path)
    fileset["two"]["metadata"]["xsec"] = 2.0
    samples.write_text(json.dumps(fileset))
    ended = running.run_well(*run, cwd=tmp_path)
    assert "the metadata of two changed" in ended.out


def test_a_plan_that_shrank_and_grew_again_counts_nothing_twice(tmp_path: Path, data: Path) -> None:
    run = ("-p", f"{running.ANALYSIS}:Sums", *COMMON, "-e", "iterative")
    running.run_well(*run, "--limit-files", 3, data, cwd=tmp_path)
    ended = running.run_well(*run, "--limit-files", 2, data, cwd=tmp_path)
    assert "the earlier result holds more events than this command asks for" in ended.out
    check_output(tmp_path / "out", files=2)
    running.run_well(*run, "--limit-files", 3, data, cwd=tmp_path)
    check_output(tmp_path / "out", files=3)


# -- one bad file --


def test_one_corrupt_file_of_fifty(tmp_path: Path) -> None:
    for number in range(50):
        nanoaod.write_simple(tmp_path / "data" / f"f{number:02}.root", 20)
    bad = nanoaod.cut_in_half(tmp_path / "data" / "f17.root")
    run = ("-p", f"{running.ANALYSIS}:Sums", *COMMON, "-e", "iterative", "--skip-bad-files")
    ended = running.run(*run, tmp_path / "data", cwd=tmp_path)
    assert ended.code == 3
    assert "f17.root" in ended.error
    out = tmp_path / "out"
    assert running.output(out)["entries"] == 49 * 20
    found = running.summary(out)
    assert found["complete"] is False
    assert [one["path"] for one in found["missing"]] == [str(bad)]
    missing = json.loads((out / "missing.json").read_text())
    assert list(missing["data"]["files"]) == [str(bad)]
    nanoaod.write_simple(bad, 20)
    running.run_well(
        "-p",
        f"{running.ANALYSIS}:Sums",
        "--schema",
        "BaseSchema",
        "-e",
        "iterative",
        "-o",
        "rest",
        out / "missing.json",
        cwd=tmp_path,
    )
    assert running.output(tmp_path / "rest")["entries"] == 20
