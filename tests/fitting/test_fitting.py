"""Tasks of the right size, found by themselves, on the real engine with workers of 2 GB and 4 cores."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nanoaod
import pytest
import running

from wq_runner.run_events import Accepted, Decided, TaskEnded

TROUBLES = Path(__file__).parents[1] / "troubles.py"
WORKER = "local:1x4x2GB"


def run(
    directory: Path, samples: Path, *options: object, what: str = "Hungry", **arguments: object
) -> running.Ended:
    """Run a processor in `out` of a directory."""
    process = running.start(
        *("-p", f"{TROUBLES}:{what}", "--schema", "BaseSchema", "-o", "out"),
        *(part for name, value in arguments.items() for part in ("--processor-args", f"{name}={value}")),
        *("--workers", WORKER, *options, samples),
        cwd=directory,
    )
    return running.finish(process, timeout=240)  # to fill gigabytes takes long on a busy machine


def tasks(directory: Path, dataset: str = "") -> list[TaskEnded]:
    """Return the attempts of processing, in the order in which they ended."""
    return [
        event
        for event in running.events_of(directory / "out")
        if isinstance(event, TaskEnded) and event.category == "processing" and dataset in ("", event.dataset)
    ]


def exhausted(directory: Path) -> set[int]:
    """Return the attempts that had too little."""
    return {
        event.task
        for event in running.events_of(directory / "out")
        if isinstance(event, Decided) and event.cause == "out of resources"
    }


def core_seconds(found: Sequence[TaskEnded]) -> float:
    return sum((task.finished - task.started) * task.cores for task in found)


def most_at_once(found: Sequence[TaskEnded]) -> int:
    """Return how many of these tasks ran at the same time."""
    changes = sorted((when, step) for one in found for when, step in ((one.started, 1), (one.finished, -1)))
    running_now = most = 0
    for _, step in changes:
        running_now += step
        most = max(most, running_now)
    return most


def write_trees(directory: Path, name: str, chunks: int, entries: int = 1000) -> None:
    nanoaod.write_simple(directory / f"{name}.root", chunks * entries, basket=entries)


@pytest.mark.timeout(600)
def test_small_and_large_chunks_share_workers(tmp_path: Path) -> None:
    """150 MB and 1.5 GB a chunk, and no option that says so; one chunk a task, so that there are enough."""
    fileset = {}
    for name, chunks in (("small", 26), ("large", 24)):
        write_trees(tmp_path, name, chunks)
        fileset[name] = [str(tmp_path / f"{name}.root")]
    samples = tmp_path / "both.json"
    samples.write_text(str(fileset).replace("'", '"'))
    ended = run(tmp_path, samples, "--chunksize", 1000, "--task-time", 1, small=150, large=1500, seconds=1)
    assert ended.code == 0, ended.out + ended.err
    assert running.output(tmp_path / "out")["entries"] == 50_000

    for name in fileset:
        found = [task for task in tasks(tmp_path, name) if task.done]
        assert len(found) > 20
        ratios = [task.allocated / task.memory for task in found[20:]]
        assert statistics.median(ratios) <= 1.3, ratios
    wasted = core_seconds([task for task in tasks(tmp_path) if task.task in exhausted(tmp_path)])
    # 3 % where nothing else runs; beside other tests what starts takes as long as what it is to do
    assert wasted <= 0.08 * core_seconds(tasks(tmp_path))
    assert most_at_once(tasks(tmp_path, "small")) > 1


def test_what_is_learned_of_some_datasets_is_used_for_others(tmp_path: Path) -> None:
    """Of 16 datasets with 2 chunks each, one takes ten times as much as the others."""
    names = [f"d{number}" for number in range(16)]
    for name in names:
        write_trees(tmp_path, name, 2)
    samples = tmp_path / "many.json"
    samples.write_text(json.dumps({name: [str(tmp_path / f"{name}.root")] for name in names}))
    used: dict[str, Any] = dict.fromkeys(names, 120) | {"d9": 1200}
    options = ("--chunksize", 1000, "--task-time", 0.01)
    ended = run(tmp_path, samples, *options, seconds=1, **used)
    assert ended.code == 0, ended.out + ended.err
    assert running.output(tmp_path / "out")["entries"] == 32_000
    assert 1 <= len(exhausted(tmp_path)) <= 3
    first = [min(tasks(tmp_path, name), key=lambda task: task.started) for name in names]
    assert sum(task.allocated == 2048 * 2**20 for task in first) <= 2, (
        "the whole worker, when nothing is known"
    )
    light = [task for task in tasks(tmp_path) if task.dataset != "d9"]
    assert most_at_once(light) == 4


def test_chunks_that_are_ten_times_too_large(tmp_path: Path) -> None:
    """A worker of 2 GB holds less than 2000 events; with all four cores at work, they have 500 MB each."""
    write_trees(tmp_path / "data", "a", 10)
    ended = run(
        tmp_path, tmp_path / "data", "--chunksize", 10_000, "--min-chunk", 100, data=1000, seconds=0.5
    )
    assert ended.code == 0, ended.out + ended.err
    assert running.output(tmp_path / "out")["entries"] == 10_000
    assert 1 <= len(exhausted(tmp_path)) <= 10
    advised = re.search(r"next time +--chunksize (\d+), on workers with", ended.out)
    assert advised, ended.out
    assert 200 <= int(advised[1]) <= 500


def test_chunk_sizes_are_learned(tmp_path: Path) -> None:
    """From memory: a thousand events take 100 MB, so that 500 MB for each core hold about 3000."""
    write_trees(tmp_path / "data", "a", 120, entries=500)
    ended = run(tmp_path, tmp_path / "data", "--chunksize", "auto", "--min-chunk", 100, data=100, seconds=2)
    assert ended.code == 0, ended.out + ended.err
    assert running.output(tmp_path / "out")["entries"] == 60_000
    chunks = [
        stop - start
        for event in running.events_of(tmp_path / "out")
        if isinstance(event, Accepted)
        for _, _, start, stop, _ in event.items
    ]
    assert len(exhausted(tmp_path)) <= 6
    assert 1000 <= statistics.median(chunks) <= 4000, chunks
    # no more than a core's share of the worker, so that others fit beside it
    assert tasks(tmp_path)[-1].allocated <= 500 * 2**20
    advised = re.search(r"next time +--chunksize (\d+), on workers with", ended.out)
    assert advised, ended.out
    assert 1500 <= int(advised[1]) <= 4000


def test_chunk_sizes_are_learned_from_time(tmp_path: Path) -> None:
    """A chunk lasts no longer than a task should."""
    write_trees(tmp_path / "data", "a", 40, entries=1000)
    ended = run(
        *(tmp_path, tmp_path / "data", "--chunksize", "auto", "--task-time", 2, "--min-chunk", 100),
        what="Slow",
        seconds=0.2,
    )
    assert ended.code == 0, ended.out + ended.err
    found = tasks(tmp_path)
    late = [task.processing for task in found[len(found) // 2 :]]
    assert max(late) <= 4


def test_the_end_says_what_memory_was_used(tmp_path: Path) -> None:
    write_trees(tmp_path / "data", "a", 12)
    # a run of less than a core minute has no lines of what it cost
    ended = run(tmp_path, tmp_path / "data", "--chunksize", 1000, "--task-time", 1, data=200, seconds=7)
    (line,) = [line for line in ended.out.splitlines() if line.startswith("memory")]
    found = re.fullmatch(
        r"memory +data ([\d.]+) MB a chunk "
        r"\(95% below ([\d.]+) MB, max ([\d.]+) MB, ([\d.]+) MB per 1,000 events\)",
        line,
    )
    assert found, line
    median, high, most, slope = map(float, found.groups())
    assert 210 < median <= high <= most < 500
    assert 100 < slope < 400
    assert "next time" in ended.out


# -- what tasks ask for


@pytest.mark.parametrize(
    ("mode", "monitor"),
    [
        ("auto", "watchdog"),
        ("fixed", "measure"),
        ("max", "watchdog"),
        ("min-waste", "measure"),
        ("max-throughput", "watchdog"),
    ],
)
def test_every_way_to_allocate(tmp_path: Path, mode: str, monitor: str) -> None:
    write_trees(tmp_path / "data", "a", 6)
    options = ["--resources-mode", mode, "--resource-monitor", monitor, "--task-time", 1]
    ended = run(tmp_path, tmp_path / "data", "--chunksize", 1000, *options, data=100)
    assert ended.code == 0, ended.out + ended.err
    assert running.output(tmp_path / "out")["entries"] == 6000
    assert not exhausted(tmp_path)


def test_the_watchdog_is_one_more_reason_to_ask_for_more(tmp_path: Path) -> None:
    """What the engine's monitor stops is tried again with more, as what our own watch stops."""
    write_trees(tmp_path / "data", "a", 4)
    options = ["--resource-monitor", "watchdog", "--memory", 300, "--resources-mode", "fixed"]
    ended = run(tmp_path, tmp_path / "data", "--chunksize", 4000, "--min-chunk", 100, *options, data=100)
    assert ended.code == 0, ended.out + ended.err
    assert exhausted(tmp_path)
    assert running.output(tmp_path / "out")["entries"] == 4000


def test_a_task_has_what_it_asks_for(tmp_path: Path) -> None:
    write_trees(tmp_path / "data", "a", 4)
    caps = ["--cores", 2, "--memory", "600MiB", "--disk", "700MiB"]
    ended = run(tmp_path, tmp_path / "data", "--chunksize", 1000, *caps, what="Limits")
    assert ended.code == 0, ended.out + ended.err
    assert running.output(tmp_path / "out")["limits"] == {("2", "600", "700", "2")}
    assert {task.cores for task in tasks(tmp_path)} == {2}


def test_what_no_worker_can_hold_is_said_and_ends_the_run_where_no_others_come(tmp_path: Path) -> None:
    write_trees(tmp_path / "data", "a", 1)
    caps = ["--gpus", 1]  # which are not known of workers before they are there
    ended = running.run(
        *("-p", f"{TROUBLES}:Limits", "--schema", "BaseSchema", "-o", "out", "--workers", WORKER),
        *(*caps, tmp_path / "data"),
        cwd=tmp_path,
    )
    assert ended.code == 5
    assert "no connected worker can hold a task" in ended.error
    for part in ("1 gpu;", "has 4 cores, 2.0 GB memory", "0 gpus"):
        assert part in ended.error
    assert "(--gpus)" in ended.error
