"""Which chunks and workers are best next time, and what is said of memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wq_runner.monitor import words
from wq_runner.monitor.next_time import ChunkTally, NextTime, next_time, rounded
from wq_runner.monitor.view import ChunkMemory, Cost, RunView, Series, WorkersNow
from wq_runner.units import MB


def memory(name: str = "A", *, events: int = 1000, fixed: float = 150, slope: float = 0.5) -> ChunkMemory:
    """Return the memory of a dataset in MB, with chunks that are all alike."""
    peak = (fixed + slope * events) * MB
    return ChunkMemory(
        dataset=name,
        chunks=100,
        events=events,
        typical=peak,
        high=peak,
        most=peak,
        fixed=fixed * MB,
        per_event=slope * MB,
    )


VIEW = RunView(
    chunk_memory=(memory(),),
    workers=WorkersNow(largest_cores=4, largest_memory=8000 * MB),
    cost=Cost(chunks=100, events=1_000_000, seconds=100.0),
    series=Series(gauges={"cores": (4.0, 8.0, 4.0)}),
)


def test_as_large_as_a_core_can_hold() -> None:
    assert next_time(VIEW) == NextTime(chunksize=3100, memory=1800 * MB)


def test_the_hungriest_dataset_counts() -> None:
    view = replace(VIEW, chunk_memory=(memory("A"), memory("B", slope=2.0)))
    found = next_time(view)
    assert found is not None
    assert found.chunksize == 770


def test_a_chunk_is_not_to_last_long() -> None:
    found = next_time(replace(VIEW, cost=Cost(chunks=100, events=1_000_000, seconds=120_000.0)))
    assert found is not None
    assert found.chunksize == 1000


def test_enough_chunks_are_left_for_all_cores() -> None:
    found = next_time(replace(VIEW, cost=Cost(chunks=100, events=6400, seconds=1.0)))
    assert found is not None
    assert found.chunksize == 200


def test_what_is_about_right_is_kept() -> None:
    view = replace(VIEW, chunk_memory=(memory(events=2000),))
    assert next_time(view, 2500) == NextTime(chunksize=2500, memory=1500 * MB)


def test_what_is_far_off_is_said_with_what_it_would_take() -> None:
    found = next_time(VIEW, 8000)
    assert found == NextTime(chunksize=3100, memory=1800 * MB, kept=4500 * MB)
    assert found.text(8000) == (
        "--chunksize 3100, on workers with 1.8 GB for each core "
        "(or chunks of 8,000 with 4.4 GB for each core)"
    )


def test_workers_whose_cores_have_too_little_for_one_event() -> None:
    few = WorkersNow(largest_cores=64, largest_memory=8000 * MB)
    view = replace(VIEW, workers=few, chunk_memory=(memory(events=2000),))
    found = next_time(view)
    assert found is not None
    assert found.chunksize == 13_000, "one task on each worker"


def test_nothing_was_measured() -> None:
    assert next_time(RunView()) is None
    assert next_time(replace(VIEW, cost=Cost(chunks=1, events=100, seconds=1.0)), 100) is None


def test_files_have_no_more_events() -> None:
    """Larger chunks there are none, whatever a core would hold."""
    found = next_time(replace(VIEW, chunk_memory=(memory(events=10, slope=0),)), 100_000)
    assert found == NextTime(chunksize=100_000, memory=160 * MB)


def test_nothing_is_said_of_what_is_far_from_what_was_measured() -> None:
    view = replace(VIEW, chunk_memory=(memory(events=1000, slope=0.001),))
    found = next_time(view, 1000)
    assert found is not None
    assert found.chunksize == 10_000
    unknown = next_time(replace(VIEW, chunk_memory=(memory(events=1000, slope=0),)), 1000)
    assert unknown is not None
    assert unknown.chunksize == 1000
    small = next_time(replace(VIEW, chunk_memory=(memory(events=1000, slope=100),)), 20_000)
    assert small is not None
    assert small.kept is None


def test_what_is_not_more_than_the_interpreter_tells_nothing_of_events() -> None:
    tally = ChunkTally()
    for _ in range(20):
        tally.add(10, 166_000_000)
    assert tally.summary("A").per_event == 0
    assert words.chunk_memory(tally.summary("A")).endswith("MB)")


@pytest.mark.parametrize(
    ("value", "expected"), [(0.3, 1), (7, 7), (99, 99), (3159, 3100), (128_000, 120_000)]
)
def test_rounded(value: float, expected: int) -> None:
    assert rounded(value) == expected


def test_memory_is_a_line_where_sizes_differ() -> None:
    tally = ChunkTally()
    for events in range(500, 5000, 250):
        tally.add(events, int((200 + 0.1 * events) * MB))
    found = tally.summary("A")
    assert found.fixed == pytest.approx(200 * MB, rel=0.01)
    assert found.per_event == pytest.approx(0.1 * MB, rel=0.01)


def test_where_sizes_are_alike_the_interpreter_is_taken_off() -> None:
    tally = ChunkTally()
    for _ in range(20):
        tally.add(1000, 660 * MB)
    found = tally.summary("A")
    assert (found.fixed, found.per_event) == (160 * MB, 0.5 * MB)
    assert words.chunk_memory(found).endswith("500 MB per 1,000 events)")


def test_the_datasets_with_most_memory_are_named() -> None:
    view = replace(VIEW, chunk_memory=tuple(memory(f"D{number}", slope=number) for number in range(1, 7)))
    rows = words.afterwards(view)
    assert [label for label, _ in rows] == ["memory", "", "", "", ""]
    assert rows[0][1].startswith(
        "D6 6.0 GB a chunk (95% below 6.0 GB, max 6.0 GB, 6,000 MB per 1,000 events)"
    )
    assert rows[-1][1] == "and 2 more, which took less"
