"""Batches: what is cut, what is joined, what goes first. All pure, on items that are only numbers."""

from __future__ import annotations

import heapq
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wq_runner.ledger.items import Item
from wq_runner.model import Order
from wq_runner.scheduler.batching import Backlog, ShapeSettings, target_seconds
from wq_runner.scheduler.bundles import Fits, cut

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
    assert min(left, SETTINGS.least_time) / 2 <= seconds <= SETTINGS.task_time
    assert seconds <= max(SETTINGS.least_time, left / max(slots, 1))


@pytest.mark.parametrize("left", [2.3, 5.0, 6.5])
def test_the_last_tasks_are_of_one_length(left: float) -> None:
    """Not of two seconds and the rest; and no more of them."""
    backlog = known(Backlog(chunks(int(left * 100)), SETTINGS), 0.01)
    sizes = [len(batch) for batch in batches(backlog, slots=2)]
    assert len(sizes) == math.ceil(left / SETTINGS.least_time)
    assert max(sizes) - min(sizes) <= 1


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


# -- several datasets in one task


def small(count: int, events: int = 1000, each: int = 1) -> list[Item]:
    """Return the chunks of so many datasets, of which each has few."""
    return [one for number in range(count) for one in chunks(each, events, f"D{number}")]


def anything(_: str) -> str:
    return "any"


def datasets(batch: tuple[Item, ...]) -> list[str]:
    return [name for name, _ in itertools.groupby(item.dataset for item in batch)]


def test_small_datasets_share_a_task_as_soon_as_one_has_told_what_chunks_take() -> None:
    backlog = Backlog(small(300), SETTINGS, together=anything)
    assert len(backlog.next_batch(2)) == 1, "nothing is known"
    known(backlog, 0.01, "D0")
    found = list(batches(backlog, slots=2))
    assert sum(map(len, found)) == 299
    assert len(found) <= 12, "each has half of what is left for its slot"
    assert all(len(datasets(batch)) == len(batch) for batch in found)


def try_all(backlog: Backlog, count: int, slots: int) -> list[list[str]]:
    """Return the datasets of the tasks that try so many of them, each once, as the loop allows it."""
    found: list[list[str]] = []
    tried: set[str] = set()

    def untried(name: str) -> bool:
        return name not in tried

    while len(tried) < count:
        batch = backlog.next_batch(slots, untried)
        found.append([item.dataset for item in batch])
        tried.update(found[-1])
    assert sum(map(len, found)) == len(tried) == count
    return found


def test_of_a_dataset_whose_speed_is_a_guess_only_one_chunk_is_tried() -> None:
    backlog = known(Backlog([*chunks(3), *small(9, each=5)], SETTINGS, together=anything), 0.001)
    assert len(try_all(backlog, 9, slots=2)) < 9
    for number in range(9):
        known(backlog, 0.001, f"D{number}")
    assert len(backlog.next_batch(2)) > 9


@pytest.mark.parametrize(("slots", "most"), [(32, 1), (10, 3), (2, 6)])
def test_no_slot_is_idle_while_datasets_are_tried(slots: int, most: int) -> None:
    """Forty large datasets: what they take must not be found out by one task for all of them."""
    items = [one for number in range(40) for one in chunks(100, dataset=f"D{number}")]
    backlog = known(Backlog(items, SETTINGS, together=anything), 0.5, "D0")
    assert max(map(len, try_all(backlog, 39, slots))) <= most


def test_only_what_is_left_of_a_large_dataset_shares_its_task() -> None:
    backlog = Backlog([*chunks(5), *chunks(1, dataset="B")], SETTINGS, together=anything)
    known(backlog, 1.0), known(backlog, 1.0, "B")
    assert [datasets(batch) for batch in batches(backlog, slots=1)] == [["A"], ["A"], ["A", "B"]]


def test_what_a_batch_costs_does_not_grow_with_datasets_that_are_not_begun_or_done() -> None:
    asked: list[str] = []

    def allowed(name: str) -> bool:
        asked.append(name)
        return True

    backlog = Backlog(small(2000), SETTINGS, together=lambda _: None)
    for count in range(2000):
        asked.clear()
        (item,) = backlog.next_batch(2, allowed)
        known(backlog, 10.0, item.dataset)
        assert len(asked) <= 2, count
    assert not backlog


@given(
    sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=40),
    speed=st.floats(1e-6, 0.01),
    slots=st.integers(1, 20),
    kinds=st.integers(1, 3),
)
def test_every_item_comes_once_and_only_kinds_that_may_share(
    sizes: list[int], speed: float, slots: int, kinds: int
) -> None:
    items = [chunk(0, size, f"D{number % 7}") for number, size in enumerate(sizes)]
    backlog = Backlog(items, SETTINGS, together=lambda name: int(name[1:]) % kinds or None)
    backlog.learn("D0", 1000, 1000 * speed)
    found = list(batches(backlog, slots))
    assert sorted(map(id, itertools.chain(*found))) == sorted(map(id, items))
    for batch in found:
        names = datasets(batch)
        assert len(names) == len(set(names)), "a dataset has one sum in a task"
        assert len(names) == 1 or len({int(name[1:]) % kinds for name in names} - {0}) == 1
        assert len(batch) == 1 or speed * sum(item.size for item in batch) <= SETTINGS.task_time


def test_adaptive_chunks_are_not_cut_to_fill_a_task() -> None:
    settings = ShapeSettings(task_time=10, adaptive=True)
    backlog = Backlog([chunk(0, 15_000), chunk(0, 9000, "B")], settings, together=anything)
    known(backlog, 1.0), known(backlog, 1.0, "B")
    assert sum(item.events for batch in batches(backlog, slots=1) for item in batch) == 24_000
    backlog = Backlog([chunk(0, 9000), chunk(0, 5000, "B")], settings, together=anything)
    known(backlog, 1.0), known(backlog, 1.0, "B")
    assert next(len(batch) for batch in batches(backlog, slots=1)) == 1


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


# -- in which order datasets are finished


def simulated(backlog: Backlog, slots: int, seconds: float = 0.01) -> tuple[list[str], dict[str, int], float]:
    """Work a backlog off on so many slots, at so many seconds an event.

    Return the datasets as they were finished, how many chunks of each were submitted before the first one
    was, and the share of the time in which slots had something to do.
    """
    left = Counter(item.dataset for item in backlog.waiting())
    running: list[tuple[float, int, tuple[Item, ...]]] = []
    now, busy, numbers = 0.0, 0.0, itertools.count()
    finished: list[str] = []
    begun: Counter[str] = Counter()
    before: dict[str, int] = {}
    while backlog or running:
        while len(running) < slots and (batch := backlog.next_batch(slots)):
            lasts = sum(item.size for item in batch) * seconds
            busy += lasts
            begun.update(item.dataset for item in batch)
            heapq.heappush(running, (now + lasts, next(numbers), batch))
        now, _, batch = heapq.heappop(running)
        for item in batch:
            backlog.learn(item.dataset, item.size, item.size * seconds)
            left[item.dataset] -= 1
            if not left[item.dataset]:
                finished.append(item.dataset)
                before = before or dict(begun)
    return finished, before, busy / (now * slots)


@pytest.mark.parametrize(
    ("order", "expected"),
    [("given", ["A", "B", "C"]), ("largest", ["B", "C", "A"]), ("smallest", ["A", "C", "B"])],
)
def test_datasets_are_finished_in_the_order_that_is_asked_for(order: Order, expected: list[str]) -> None:
    sizes = {"A": 100, "B": 300, "C": 200}
    items = [one for name, count in sizes.items() for one in chunks(count, dataset=name)]
    backlog = Backlog(items, ShapeSettings(order=order), together=anything)
    assert backlog.order == expected
    finished, before, share = simulated(backlog, 4)
    assert finished == expected
    assert before[expected[-1]] <= 1  # it was tried at the most
    assert share > 0.97  # and nobody waited


def test_hundreds_of_datasets_are_finished_one_after_the_other() -> None:
    names = [f"D{number}" for number in range(200)]
    items = [one for name in names for one in chunks(20, dataset=name)]
    finished, before, share = simulated(Backlog(items, ShapeSettings(), together=anything), 4, 0.001)
    places = [names.index(name) for name in finished]
    assert (
        max(abs(place - number) for number, place in enumerate(places)) <= 12
    )  # as many as have a part in the tasks that run
    assert sum(before.values()) < 0.2 * len(items)
    assert share > 0.97


# -- what an earlier run tells


def test_the_pace_of_an_earlier_run_fills_the_first_tasks() -> None:
    """But not far: the code may be another one, a hundred times as slow."""
    backlog = Backlog(small(200), SETTINGS, together=anything, pace=0.1 / 1000)
    first = backlog.next_batch(4)
    assert 1 < len(first) <= SETTINGS.least_time / 0.1
    backlog.learn(first[0].dataset, 1000, 10.0)
    assert len(backlog.next_batch(4)) < len(first), "what was measured counts"
    assert backlog.pace == 10.0 / 1000
