"""Batches: what is cut, what is joined, what goes first. All pure, on items that are only numbers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wq_runner.execution.items import Item
from wq_runner.execution.shaping import Backlog, Fits, ShapeSettings, cut, target_seconds

SETTINGS = ShapeSettings(task_time=60, least_time=2)


@dataclass(frozen=True)
class Chunk:
    entrystart: int
    entrystop: int


def chunk(start: int, stop: int, dataset: str = "A") -> Item:
    return Item(value=Chunk(start, stop), dataset=dataset, path="f.root", start=start, stop=stop)


def chunks(count: int, events: int = 1000, dataset: str = "A") -> list[Item]:
    return [chunk(number * events, (number + 1) * events, dataset) for number in range(count)]


def batches(backlog: Backlog, slots: int = 4) -> Iterator[tuple[Item, ...]]:
    while batch := backlog.next_batch(slots):
        yield batch


def known(backlog: Backlog, seconds: float, dataset: str = "A") -> Backlog:
    """Tell a backlog that 1000 events take so many seconds."""
    backlog.learn(dataset, 1000, seconds)
    return backlog


# -- how long a task takes


@given(left=st.floats(0, 1e6), slots=st.integers(0, 1000))
def test_tasks_shrink_as_work_runs_out(left: float, slots: int) -> None:
    seconds = target_seconds(SETTINGS, seconds_left=left, slots=slots)
    assert SETTINGS.least_time <= seconds <= SETTINGS.task_time
    assert seconds <= max(SETTINGS.least_time, left / max(slots, 1))


def test_the_first_batch_of_a_dataset_is_one_chunk() -> None:
    backlog = Backlog([*chunks(9), *chunks(9, dataset="B")], SETTINGS)
    first, second = backlog.next_batch(4), backlog.next_batch(4)
    assert [(batch[0].dataset, len(batch)) for batch in (first, second)] == [("A", 1), ("B", 1)]


def test_nobody_waits_long_for_the_last() -> None:
    """Simulated: every slot takes the next batch when it is free, and all end at about the same time."""
    backlog = known(Backlog(chunks(2000), SETTINGS), 0.5)
    free = [0.0] * 8
    longest = 0.0
    for batch in batches(backlog, slots=8):
        seconds = 0.5 * len(batch)
        longest = max(longest, seconds)
        free.sort()
        free[0] += seconds
    assert longest <= SETTINGS.task_time
    assert max(free) - min(free) <= SETTINGS.least_time


def test_speed_differs_by_dataset() -> None:
    backlog = Backlog([*chunks(500), *chunks(500, dataset="B")], ShapeSettings(task_time=10))
    known(backlog, 1.0), known(backlog, 0.1, "B")
    sizes = {batch[0].dataset: len(batch) for batch, _ in zip(batches(backlog), range(90), strict=False)}
    assert sizes["A"] <= 10 < sizes["B"]


# -- cutting


@given(size=st.integers(2, 500), best=st.integers(1, 600))
def test_parts_are_the_whole_and_fit(size: int, best: int) -> None:
    parts = [chunk(0, size)]
    while len(found := cut(parts[-1], Fits(most=best, best=best))) > 1:
        parts[-1:] = found
    assert parts[0].start == 0
    assert parts[-1].stop == size
    assert all(one.stop == two.start for one, two in itertools.pairwise(parts))
    sizes = [part.events for part in parts]
    assert max(sizes) <= best
    assert max(sizes) - min(sizes) <= 1, "of equal size"


def test_what_fits_the_worker_is_left_whole() -> None:
    fits = Fits(most=1000, best=300)
    assert len(cut(chunk(0, 1000), fits)) == 1
    assert [part.events for part in cut(chunk(0, 1001), fits)] == [251, 750]
    assert len(cut(chunk(0, 10**6), Fits())) == 1


def test_once_a_chunk_was_too_large_all_are_cut_to_what_is_best() -> None:
    settings = ShapeSettings(least_time=0.1, task_time=0.1)
    items = [*chunks(1, events=4000), chunk(4000, 4900)]
    backlog = known(Backlog(items, settings, lambda _: Fits(most=1000, best=500)), 1.0)
    assert {item.events for batch in batches(backlog) for item in batch} == {500, 450}


# -- again


def test_what_must_be_tried_again_goes_first_and_parts_before_it() -> None:
    backlog = known(Backlog(chunks(3), SETTINGS), 1.0)
    one, two, three = chunk(0, 1), chunk(1, 2), chunk(2, 3)
    backlog.put_back((one,))
    backlog.put_back((two,), (three,), first=True)
    assert [batch[0] for batch in (backlog.next_batch(4) for _ in range(3))] == [two, three, one]


def test_what_is_put_back_with_a_delay_waits() -> None:
    now = [0.0]
    backlog = Backlog(chunks(1), SETTINGS, clock=lambda: now[0])
    backlog.put_back(backlog.next_batch(4), delay=5)
    assert backlog.next_batch(4) == ()
    assert backlog
    assert len(backlog.waiting()) == 1
    now[0] = 5.0
    assert len(backlog.next_batch(4)) == 1
    assert not backlog


def test_a_chunk_that_is_tried_again_is_cut_if_it_is_known_to_be_too_large() -> None:
    fits = [Fits()]
    backlog = known(Backlog(chunks(1), SETTINGS, lambda _: fits[0]), 1.0)
    backlog.put_back((chunk(0, 1000),), first=True)
    fits[0] = Fits(most=400, best=250)
    assert [item.events for item in backlog.next_batch(4)] == [250]
    assert sum(item.events for item in backlog.waiting()) == 1750


def test_what_is_not_allowed_waits() -> None:
    backlog = known(Backlog([*chunks(1), *chunks(1, dataset="B")], SETTINGS), 1.0)
    backlog.put_back((chunk(0, 1),))
    assert backlog.next_batch(4, lambda dataset: dataset == "B")[0].dataset == "B"
    assert backlog.next_batch(4, lambda dataset: dataset == "B") == ()


# -- learning the chunk


@pytest.mark.parametrize(
    ("speed", "best", "expected"),
    [(1.0, 700, 700), (10.0, 700, 200), (0.001, None, 400_000)],
    ids=["as memory allows", "as time allows", "nothing is known of memory"],
)
def test_a_chunk_is_learned(speed: float, best: int | None, expected: int) -> None:
    fits: Callable[[str], Fits] = lambda _: Fits(most=best, best=best)  # noqa: E731
    settings = ShapeSettings(task_time=2, least_time=2, adaptive=True)
    backlog = known(Backlog(chunks(1, events=400_000), settings, fits), speed)
    batch = backlog.next_batch(4)
    assert 0.9 * expected <= max(item.events for item in batch) <= expected


def test_the_first_chunk_that_is_learned_from_is_small() -> None:
    backlog = Backlog(chunks(1, events=1_000_000), ShapeSettings(adaptive=True, first_events=20_000))
    assert [item.events for item in backlog.next_batch(4)] == [20_000]
