"""What the report advises, as a table of runs."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from wq_runner.monitor import words
from wq_runner.monitor.advice import advice, larger_chunks
from wq_runner.monitor.next_time import next_time
from wq_runner.monitor.view import (
    ChunkMemory,
    CoreTime,
    Cost,
    Distribution,
    FileTime,
    HostTime,
    Memory,
    Problem,
    RunView,
    Series,
    Tasks,
    WorkersNow,
)
from wq_runner.units import GB, MB

GOOD = RunView(
    core_time=CoreTime(available=36_000, processing=35_000, startup=500, idle=500),
    tasks=Tasks(ended=1000, useful=1000),
    chunks_per_task=5,
    task_seconds=Distribution(count=1000, mean=36),
    task_memory=Distribution(count=1000, most=900 * MB),
    memory=(Memory(category="processing", dataset="", tasks=1000, most=900 * MB, most_allocated=1200 * MB),),
    cost=Cost(chunks=5000, events=250_000_000, seconds=35_000),
    workers=WorkersNow(largest_cores=1, largest_memory=4000 * MB),
    series=Series(gauges={"cores": (100.0, 100.0)}),
)


def with_time(**uses: float) -> dict[str, Any]:
    used = sum(uses.values())
    return {"core_time": CoreTime(available=36_000, processing=36_000 - used, **uses)}


def problem(count: int) -> Problem:
    return Problem(
        cause="lost worker", reason="", count=count, events=0, actions={}, datasets=(), hosts=(), place="",
        first=0, last=0,
    )  # fmt: skip


def host(name: str, **values: float) -> HostTime:
    settings = {"tasks": 10, "failed": 0, "events": 10, "core_seconds": 3600.0, "speed": 1.0, **values}
    return HostTime(host=name, **settings)  # type: ignore[arg-type]


CASES = {
    "start-up of single chunks": (
        {**with_time(startup=9000), "chunks_per_task": 1.0},
        "--chunksize 50000 -> 200000 would save 75% of start-up: start-up took 25% of the core time",
    ),
    "start-up of short tasks": (with_time(startup=9000), "larger tasks would save part of the start-up"),
    "chunks with fixed costs": (
        {"cost": Cost(chunks=5000, events=250_000_000, seconds=35_000, fixed=3.0, per_event=8e-5)},
        "would save 32% of processing: each chunk takes 3.00 s whatever its size",
    ),
    "memory that nobody uses": (
        {"memory": (Memory(category="processing", dataset="", most_allocated=8 * GB),)},
        "tasks used at most 900.0 MB of the 8.0 GB they held: workers with 1,300 MB per core would do",
    ),
    "exhaustion": (
        {"memory": (Memory(category="processing", dataset="", exhausted=12, lost=7200, most=4e9),)},
        "12 attempts ran out of resources, which cost 2.00 core hours",
    ),
    "retries": (
        {**with_time(retries=3600), "problems": (problem(40),)},
        "failed attempts took 10% of the core time; most often: lost worker (40 times)",
    ),
    "transfer": (
        with_time(transfer=7200),
        "moving files between manager and workers took 20% of the core",
    ),
    "idle at the end": (with_time(idle=9000), "cores were idle for 25% of their time (2.50 core hours)"),
    "too few chunks": (
        {**with_time(idle=9000), "cost": Cost(chunks=120, events=6_000_000, seconds=30_000)},
        "120 chunks are few for 100 cores",
    ),
    "a slow host": (
        {"hosts": (host("slow", speed=0.4), host("good")), "host_count": 2},
        "1 host slower than the others: slow (0.40)",
    ),
    "a host that breaks things": (
        {"hosts": (host("bad", failed=9), host("good")), "host_count": 2},
        "hosts on which most attempts failed: bad (9 of 10)",
    ),
    "slow files": (
        {"slow_files": (FileTime(path="/far/away.root", dataset="A", events=1, seconds=5000, excess=4900),)},
        "1 file took 14% more than files like them; the slowest is /far/away.root",
    ),
}


@pytest.mark.parametrize(("changes", "text"), CASES.values(), ids=CASES.keys())
def test_advice(changes: dict[str, Any], text: str) -> None:
    found = advice(dataclasses.replace(GOOD, **changes), chunksize=50_000)
    assert any(text in one.text for one in found), [one.text for one in found]


def test_a_good_run_needs_none() -> None:
    assert advice(GOOD, chunksize=50_000) == []


def test_neither_does_a_short_one() -> None:
    short = dataclasses.replace(GOOD, core_time=CoreTime(available=10, startup=9, idle=1))
    assert advice(short, chunksize=50_000) == []


def test_there_is_one_answer_to_how_large_chunks_should_be() -> None:
    memory = ChunkMemory(
        dataset="A", chunks=9, events=50_000, typical=1e9, high=1e9, most=1e9, fixed=2e8, per_event=16_000
    )
    view = dataclasses.replace(GOOD, **with_time(startup=9000), chunks_per_task=1.0, chunk_memory=(memory,))
    best = next_time(view, 50_000)
    assert best is not None
    assert larger_chunks(view, 50_000) == best.chunksize == 210_000
    [one] = [one for one in advice(view, chunksize=50_000) if "--chunksize" in one.text]
    assert (one.of_chunks, "-> 210000 would save" in one.text) == (True, True)


def test_a_run_of_seconds_has_no_lines_of_its_cost() -> None:
    memory = ChunkMemory(
        dataset="A", chunks=1, events=300, typical=2e8, high=2e8, most=2e8, fixed=2e8, per_event=0
    )
    short = dataclasses.replace(GOOD, core_time=CoreTime(available=10, startup=9), chunk_memory=(memory,))
    assert words.afterwards(short) == []
    assert words.core_hours(short.core_time).startswith("10.0 core seconds: ")
    long = dataclasses.replace(short, core_time=CoreTime(available=90, startup=9))
    assert [label for label, _ in words.afterwards(long)] == ["core time", "memory"]


def test_what_would_save_most_comes_first() -> None:
    view = dataclasses.replace(GOOD, **with_time(idle=9000, transfer=8000), problems=(problem(1),))
    first, second = advice(view)
    assert first.saves > second.saves
    assert "moving files" in first.text


@pytest.mark.parametrize(
    ("changes", "limit"),
    [
        ({}, 200_000),  # memory: (3.2 GB - what Python takes) for 50,000 events in 740 MB
        ({"cost": Cost(chunks=5000, events=250_000_000, seconds=200_000)}, 150_000),  # two minutes a chunk
        ({"cost": Cost(chunks=1000, events=50_000_000, seconds=7000)}, 120_000),  # four chunks for each core
        (
            {"workers": WorkersNow()},
            500_000,
        ),  # nothing known of memory: not more than ten times what was seen
        ({"series": Series()}, None),
    ],
    ids=["memory", "time", "cores", "memory unknown", "no workers"],
)
def test_how_large_chunks_may_be(changes: dict[str, Any], limit: int | None) -> None:
    assert larger_chunks(dataclasses.replace(GOOD, **changes), 50_000) == limit


def test_there_is_one_answer_to_how_much_memory_a_worker_needs() -> None:
    memory = ChunkMemory(
        dataset="A", chunks=9, events=50_000, typical=1e8, high=1e8, most=1e8, fixed=9e7, per_event=200
    )
    whole = Memory(
        category="processing", dataset="", typical=1e8, high=1e8, most=1e8, allocated=8e9, most_allocated=8e9
    )
    view = dataclasses.replace(GOOD, memory=(whole,), task_memory=Distribution(count=9, most=1e8))
    assert [one for one in advice(view, chunksize=50_000) if "per core would do" in one.text]
    view = dataclasses.replace(view, chunk_memory=(memory,))
    assert next_time(view, 50_000) is not None
    assert not [one for one in advice(view, chunksize=50_000) if "per core would do" in one.text]


def test_a_run_of_seconds_says_nothing_of_the_next_time() -> None:
    memory = ChunkMemory(
        dataset="A", chunks=4, events=2000, typical=2e8, high=2e8, most=2e8, fixed=1e8, per_event=50_000
    )
    view = dataclasses.replace(GOOD, chunk_memory=(memory,))
    assert next_time(view, 2000) is not None
    short = dataclasses.replace(view, core_time=CoreTime(available=10, startup=9))
    assert next_time(short, 2000) is None
    assert next_time(short) is not None  # what was learned
    exhausted = Memory(category="processing", dataset="", exhausted=1)
    assert next_time(dataclasses.replace(short, memory=(exhausted,)), 2000) is not None
