"""How much memory tasks ask for: what a model of a dataset learns, and what is made of it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wq_runner.model import PerDataset, Resources
from wq_runner.scheduler.allocation import AllocationSettings, Allocator, MemoryModel
from wq_runner.units import MB

WORKER = Resources(cores=4, memory=2000, disk=8000)
bases = st.floats(50, 300).map(lambda value: value * MB)
slopes = st.floats(0.01, 1).map(lambda value: value * MB)


@given(base=bases, slope=slopes, sizes=st.lists(st.integers(500, 5000), min_size=5, max_size=60))
def test_a_line_is_found_and_little_is_wasted(base: float, slope: float, sizes: list[int]) -> None:
    model = MemoryModel()
    for size in sizes:
        model.observe(size, base + slope * size)
    for size in sizes:
        need = base + slope * size
        assert need <= model.predict(size)
        if max(sizes) > 1.3 * min(sizes):
            assert model.predict(size) <= 1.06 * need + 17 * MB


@given(seed=st.integers(0, 1000), spread=st.floats(0, 0.1))
def test_what_varies_rarely_needs_more(seed: int, spread: float) -> None:
    dice = random.Random(seed)
    model = MemoryModel()
    peaks = [400 * MB * (1 + spread * dice.random()) for _ in range(200)]
    for peak in peaks[:100]:
        model.observe(1000, peak)
    short = sum(peak > model.predict(1000) for peak in peaks[100:])
    assert short == 0
    assert model.predict(1000) <= 1.3 * min(peaks)


@given(used=st.floats(100, 1000), events=st.integers(100, 10_000))
def test_too_little_is_doubled_until_it_is_known(used: float, events: int) -> None:
    model = MemoryModel()
    model.observe(events, used * MB / 2)
    model.exhausted(events, used * MB)
    assert model.predict(events) >= 2 * used * MB
    model.observe(events, 1.3 * used * MB)
    assert 1.3 * used * MB <= model.predict(events) < 2.2 * used * MB + 150 * MB


@given(base=bases, slope=slopes, memory=st.floats(800, 8000))
def test_the_largest_chunk_is_predicted_to_fit(base: float, slope: float, memory: float) -> None:
    model = MemoryModel()
    for size in (500, 1000, 1500, 2000, 2500, 3000):
        model.observe(size, base + slope * size)
    largest = model.largest(memory * MB)
    assert largest is not None
    assert largest == 1 or model.predict(largest) <= 1.01 * memory * MB


def test_what_was_too_large_for_all_memory_is_halved() -> None:
    model = MemoryModel()
    assert model.largest(2000 * MB) is None
    model.exhausted(20_000, 500 * MB)
    assert model.largest(2000 * MB) is None, "more was to be had"
    model.exhausted(20_000, 2010 * MB)
    model.exhausted(10_000, 2001 * MB)
    assert model.largest(2000 * MB) == 5000
    assert not model.known


def test_requests_of_what_is_unknown_and_known() -> None:
    allocator = Allocator(AllocationSettings())
    asked = allocator.request([("A", 1000)], WORKER)
    assert (asked.cores, asked.memory, asked.disk) == (1, 2000, 2000)
    for _ in range(5):
        allocator.observe("A", 1000, 400 * MB)
    asked = allocator.request([("A", 1000), ("A", 500)], WORKER)
    assert asked.memory is not None
    assert 400 < asked.memory < 460


@pytest.mark.parametrize(
    ("seen", "sizes", "takes"),
    [
        pytest.param([(1000, 400)] * 5, [1000], 400, id="as the others"),
        pytest.param([(1000, 400)] * 5, [100], 170, id="small"),
        pytest.param([(1000, 400), (2000, 650), (3000, 900)] * 2, [2000], 650, id="chunks of all sizes"),
        pytest.param([(1000, 300), (1000, 600)] * 3, [1000], 600, id="data beside simulation"),
        pytest.param([(1000, 400)], [1000], 400, id="one chunk was done"),
    ],
)
def test_a_dataset_of_which_nothing_is_known_asks_for_what_others_took(
    seen: list[tuple[int, int]], sizes: list[int], takes: int
) -> None:
    allocator = Allocator(AllocationSettings())
    for number, (events, used) in enumerate(seen):
        allocator.observe(f"A{number % 2}", events, used * MB)
    assert allocator.guessed("B")
    assert not allocator.known("B")
    asked = allocator.request([("B", size) for size in sizes], WORKER).memory
    assert asked is not None
    assert takes < asked < 2 * takes + 160


def test_a_guess_leaves_room_for_as_many_tasks_as_cores() -> None:
    """Less than the share of a core would let no other task run there."""
    allocator = Allocator(AllocationSettings())
    assert allocator.request([("A", 1000)], WORKER, 300).memory == 2000, "nothing at all is known"
    allocator.observe("A", 1000, 200 * MB)
    assert allocator.request([("B", 1000)], WORKER, 900).memory == 900
    assert (allocator.request([("A", 1000)], WORKER, 900).memory or 0) < 900, "it is no guess"
    assert (allocator.request([("A", 1000), ("B", 10)], WORKER, 900).memory or 0) == 900
    assert allocator.request([("B", 1000)], WORKER, 5000).memory == 2000, "more than there is"


def test_a_guess_that_was_too_little_is_doubled() -> None:
    allocator = Allocator(AllocationSettings())
    allocator.observe("A", 1000, 200 * MB)
    allocator.exhausted("B", 1000, 450 * MB)
    assert allocator.request([("B", 1000)], WORKER).memory == 900
    allocator.exhausted("B", 1000, 1300 * MB)
    assert allocator.request([("B", 1000)], WORKER).memory == 2000, "all there is"
    of_another = allocator.request([("C", 1000)], WORKER).memory
    assert of_another is not None
    assert of_another < 450, "of the others it is not known"
    allocator.observe("B", 1000, 1500 * MB)
    asked = allocator.request([("B", 500)], WORKER).memory
    assert asked is not None
    assert 800 < asked < 1400, "what it took itself"


def test_datasets_share_a_task_if_the_same_is_said_of_them_and_something_is_known() -> None:
    said = PerDataset[float | None](default=None, patterns=(("S", 700.0),))
    allocator = Allocator(AllocationSettings(memory=said))
    assert allocator.together("A") is None, "it has a whole worker to itself"
    allocator.observe("A", 1000, 400 * MB)
    assert allocator.together("A") == allocator.together("B") is not None
    assert allocator.together("S") not in (None, allocator.together("A"))
    allocator.exhausted("B", 1000, 500 * MB)
    assert allocator.together("B") is None


def test_a_task_asks_for_what_the_one_with_most_takes() -> None:
    allocator = Allocator(AllocationSettings())
    allocator.observe("A", 1000, 300 * MB)
    allocator.observe("B", 1000, 900 * MB)
    alone = [allocator.request([(name, 1000)], WORKER).memory for name in "AB"]
    assert allocator.request([("A", 1000), ("B", 1000)], WORKER).memory == max(one or 0 for one in alone)


def test_nobody_asks_for_more_than_there_is() -> None:
    allocator = Allocator(AllocationSettings())
    allocator.observe("A", 1000, 3000 * MB)
    assert allocator.request([("A", 1000)], WORKER).memory == 2000


def test_without_a_worker_nothing_is_known() -> None:
    assert Allocator(AllocationSettings()).request([("A", 1)], Resources()) == Resources(cores=1)


@pytest.mark.parametrize(
    "settings",
    [
        AllocationSettings(cores=2, memory=600, disk=700, gpus=1),
        AllocationSettings(mode="fixed", cores=2),
        AllocationSettings(mode="max"),
    ],
)
def test_what_is_said_is_asked_for(settings: AllocationSettings) -> None:
    allocator = Allocator(settings)
    assert not allocator.learns("A")
    asked = allocator.request([("A", 1000)], WORKER)
    assert (asked.cores, asked.memory) == (settings.cores, settings.memory)
    assert (asked.disk, asked.gpus) == (settings.disk, settings.gpus)
    assert allocator.largest_chunk("A", WORKER) is None


def test_what_is_said_of_one_dataset_is_learned_of_another() -> None:
    memory = PerDataset[float | None](default=None, patterns=(("A*", 600.0),))
    allocator = Allocator(AllocationSettings(memory=memory))
    assert [allocator.learns(name) for name in ("A1", "B")] == [False, True]
    assert allocator.request([("A1", 1000)], WORKER).memory == 600
    assert allocator.request([("B", 1000)], WORKER).memory == WORKER.memory


# -- what an earlier run tells


ALIKE = ((1000, 400.0 * MB),) * 8


@pytest.mark.parametrize(
    ("takes", "asked"),
    [
        pytest.param(400, (400, 900), id="as before"),
        pytest.param(4000, (2000, 2000), id="ten times as much: all there is"),
        pytest.param(40, (40, 250), id="a tenth"),
    ],
)
def test_an_earlier_run_is_a_guess_until_this_one_has_measured(
    takes: int, asked: tuple[float, float]
) -> None:
    """Of another version of the processor it may be wrong."""
    allocator = Allocator(AllocationSettings(), ALIKE)
    first = allocator.request([("A", 1000)], WORKER).memory or 0
    assert 400 < first < 1000, "not all the memory of a worker"
    assert allocator.guessed("A")
    allocator.observe("A", 1000, takes * MB)
    low, high = asked
    assert low <= (allocator.request([("B", 1000)], WORKER).memory or 0) <= high
    assert allocator.sample == ((1000, takes * MB),)


def test_an_earlier_run_that_told_too_little_is_forgotten() -> None:
    """It costs one attempt of those chunks that began with it."""
    allocator = Allocator(AllocationSettings(), ALIKE)
    allocator.exhausted("A", 1000, 700 * MB)
    assert not allocator.guessed("B")
    assert [allocator.request([(name, 1000)], WORKER).memory for name in "AB"] == [2000, 2000]


def test_a_few_chunks_stand_for_all() -> None:
    model = MemoryModel()
    for number in range(100):
        model.observe(1000, (100 + number) * MB)
    few = model.sample(10)
    assert len(few) == 10
    assert (few[0], few[-1]) == ((1000, 100 * MB), (1000, 199 * MB))
    assert MemoryModel().sample() == ()
