"""What becomes of chunks: each is in the result once, or it is said why not."""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import counting
import pytest
import scripted
from counting import Chunk, all_of, chunks, ranges
from phases import SETTINGS, Phase
from scripted import Act, Attempt, Cost, Worker

from wq_runner.errors import EngineError, InputError, NoWorkersError, ProcessorError
from wq_runner.ledger.parts import TreeSettings
from wq_runner.model import Category, Ending
from wq_runner.run_events import Accepted, HostBlocked, TaskEnded, TaskSubmitted
from wq_runner.scheduler import policy
from wq_runner.scheduler.allocation import AllocationSettings
from wq_runner.scheduler.batching import ShapeSettings
from wq_runner.scheduler.prior import Prior
from wq_runner.units import MB

Make = Callable[..., Phase]


@pytest.fixture
def phase(tmp_path: Path) -> Iterator[Make]:
    with contextlib.ExitStack() as stack:

        def make(**settings: Any) -> Phase:
            made = Phase(tmp_path, **settings)
            stack.callback(made.journal.close)
            return made

        yield make


def first_times(count: int, act: Act) -> scripted.Script:
    """Let the first attempts end otherwise than well."""
    return lambda attempt: act if attempt.number <= count else Act()


def test_every_event_is_in_the_result_once(phase: Make) -> None:
    values = [*chunks("A", 30, files=2), *chunks("B", 7), *chunks("C", 1)]
    run = phase()
    found = run.run(values)
    assert ranges(found.results) == all_of(values)
    assert set(found.results) == {("A", ""), ("B", ""), ("C", "")}
    assert (len(found.done), found.skipped, found.left, found.running) == (len(values), (), (), 0)
    assert sum(len(one.items) for one in run.events(Accepted)) == len(values)
    assert len(run.engine.submitted) < len(values) / 3  # as many in a task as its time allows


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("act", "cause"),
    [
        (Act(ending=Ending.LOST), "lost worker"),
        (Act(ending=Ending.TRANSFER), "failed transfer"),
        (Act(ending=Ending.EXHAUSTED), "out of resources"),
        (Act(ending=Ending.DIED, detail="killed by signal 11"), "interpreter died"),
        (Act(ending=Ending.DEADLY), "workers are lost with it"),
        (Act(ending=Ending.NO_RESULT, exit_code=-1), "broken environment"),
        (Act(ending=Ending.NO_RESULT, exit_code=137), "interpreter died"),
        (Act(spoil=truncate), "damaged result"),
        (Act(spoil=Path.unlink), "damaged result"),
    ],
)
def test_what_ends_badly_is_tried_again(phase: Make, act: Act, cause: str) -> None:
    values = [*chunks("A", 9), *chunks("B", 9)]
    run = phase(script=lambda attempt: act if attempt.number == 3 else Act())
    assert ranges(run.run(values).results) == all_of(values)
    assert {found for _, found in run.decided()} == {cause}


def test_what_comes_twice_counts_once(phase: Make) -> None:
    values = chunks("A", 20)
    run = phase(script=lambda _: Act(times=2))
    assert ranges(run.run(values).results) == all_of(values)
    assert sum(len(one.items) for one in run.events(Accepted)) == 20


def test_a_worker_that_goes_takes_nothing_with_it(phase: Make) -> None:
    values = chunks("A", 60)
    workers = (Worker(host="goes", leaves=7), Worker(host="stays", joins=3))
    run = phase(workers=workers)
    assert ranges(run.run(values).results) == all_of(values)
    assert ("retry", "lost worker") in run.decided()


# -- the function


def test_a_processor_that_raises_ends_the_phase_with_its_own_exception(phase: Make) -> None:
    run = phase()
    with pytest.raises(ProcessorError, match="no muons") as caught:
        run.run([*chunks("A", 4), *chunks("B", 4)], counting.fail_in_b)
    assert isinstance(caught.value.__cause__, ValueError)


def test_what_is_allowed_to_fail_is_left_out_and_named(phase: Make) -> None:
    values = chunks("A", 20)
    run = phase(settings=replace(SETTINGS, policy=policy.Settings(max_failed=0.1)))
    found = run.run(values, counting.fail_at_3000)
    assert ranges(found.results) == all_of([one for one in values if one.entrystart != 3000])
    assert [(one.item.start, one.item.stop) for one in found.skipped] == [(3000, 4000)]
    assert "event 3000" in found.skipped[0].reason


@pytest.mark.parametrize("skip", [False, True])
def test_a_file_that_cannot_be_read(phase: Make, *, skip: bool) -> None:
    values = chunks("A", 3, files=2)
    run = phase(settings=replace(SETTINGS, policy=policy.Settings(skip_bad_files=skip, max_failed=1.0)))
    if not skip:
        with pytest.raises(InputError, match=r"A-1\.root"):
            run.run(values, counting.cannot_read_1)
        return
    found = run.run(values, counting.cannot_read_1)
    assert ranges(found.results) == [("A-0.root", 0, 3000)]
    assert {one.item.path for one in found.skipped} == {"A-1.root"}


def test_what_the_function_leaves_out_is_said_to_be_so(phase: Make) -> None:
    found = phase().run([*chunks("A", 2), *chunks("B", 2)], counting.nothing_of_a)
    assert ranges(found.results) == [("B-0.root", 0, 2000)]
    assert [(one.item.dataset, one.by_function) for one in found.skipped] == [("A", True)] * 2


def test_a_result_that_cannot_be_sent(phase: Make) -> None:
    with pytest.raises(ProcessorError, match="cannot"):
        phase().run([*chunks("A", 4), *chunks("B", 4)], counting.a_lock)


def test_a_function_that_cannot_be_sent(phase: Make) -> None:
    with pytest.raises(ProcessorError, match="cannot be sent"):
        phase().run(chunks("A", 4), functools.partial(next, (one for one in chunks("A", 4))))


# -- memory


def by_events(each: float) -> Callable[[Chunk], Cost]:
    """Return the cost of chunks that take so many MB for 1,000 events, beside 200."""
    return lambda chunk: Cost(memory=(200 + each * chunk.events / 1000) * MB)


def test_a_chunk_that_fits_no_worker_is_cut(phase: Make) -> None:
    values = chunks("A", 4, events=64_000)
    run = phase(workers=(Worker(cores=2, memory=2000),), cost=by_events(50))
    found = run.run(values)
    assert ranges(found.results) == all_of(values)
    assert ("split", "out of resources") in run.decided()
    assert max(item.events for item in found.done) <= 36_000


def test_chunks_are_cut_so_that_all_cores_are_at_work(phase: Make) -> None:
    values = chunks("A", 20, events=32_000)
    run = phase(workers=(Worker(cores=4, memory=4000),), cost=by_events(40))
    found = run.run(values)
    assert ranges(found.results) == all_of(values)
    assert not [one for one in run.decided() if one[1] == "out of resources"]
    busiest = max(
        sum(other.cores for other in run.engine.busy if other.start <= one.start < other.stop)
        for one in run.engine.busy
    )
    assert busiest >= 2


def test_memory_that_is_said_is_asked_for(phase: Make) -> None:
    run = phase(settings=replace(SETTINGS, allocation=AllocationSettings(memory=700)))
    run.run(chunks("A", 5))
    assert {task.resources.memory for task in run.engine.submitted} == {700}


def test_one_heavy_dataset_of_three_hundred(phase: Make) -> None:
    """What is wrong about its memory costs its own attempts alone."""
    values = [one for number in range(299) for one in chunks(f"D{number}", 1)]
    values += chunks("heavy", 1)
    run = phase(
        workers=tuple(Worker(host=f"n{number}", cores=2, memory=4000) for number in range(4)),
        cost=lambda chunk: Cost(memory=(3000 if chunk.dataset == "heavy" else 300) * MB),
    )
    found = run.run(values)
    assert ranges(found.results) == all_of(values)
    exhausted = [one for one in run.events(TaskEnded) if one.ending == Ending.EXHAUSTED.value]
    assert len({(one.started, one.host) for one in exhausted}) <= 3


LIKE_EACH_OTHER = tuple(Worker(host=f"n{number}", cores=16, memory=32_000) for number in range(4))
OF_ALL_KINDS = (
    Worker(host="large", cores=16, memory=64_000),
    *(Worker(host=f"n{number}", cores=4, memory=8000) for number in range(12)),
)


@pytest.mark.parametrize("workers", [LIKE_EACH_OTHER, OF_ALL_KINDS], ids=["of 16 cores", "of all kinds"])
def test_all_cores_are_at_work_on_hundreds_of_datasets(phase: Make, workers: tuple[Worker, ...]) -> None:
    """None of them waits for what one more dataset uses, and no worker for the largest one."""
    dice = random.Random(1)
    costs = {
        f"D{number}": Cost(seconds=20 * dice.lognormvariate(0, 0.5), memory=dice.uniform(400, 1500) * MB)
        for number in range(250)
    }
    values = [one for name in costs for one in chunks(name, dice.randrange(1, 6))]
    run = phase(
        workers=workers,
        settings=replace(SETTINGS, shape=ShapeSettings()),
        cost=lambda chunk: costs[chunk.dataset],
        kept=False,
    )
    began = run.clock.now
    assert ranges(run.run(values).results) == all_of(values)
    cores = sum(worker.cores for worker in workers)
    assert scripted.busy_share(run.engine, began + 60, run.clock.now - 60, cores) >= 0.95
    assert len([one for one in run.decided() if one[1] == "out of resources"]) <= 10


def test_after_an_earlier_run_no_chunk_takes_a_whole_worker(phase: Make) -> None:
    """Chunks of another version of the processor took half as much, or so they say."""
    values = [one for number in range(100) for one in chunks(f"D{number}", 3)]
    took = Prior(memory=tuple((1000, size * MB) for size in (450, 500, 550)), pace=0.01)
    run = phase(
        workers=LIKE_EACH_OTHER,
        settings=replace(SETTINGS, prior=took),
        cost=lambda _: Cost(seconds=20, memory=1000 * MB),
    )
    found = run.run(values)
    assert ranges(found.results) == all_of(values)
    assert max(task.resources.memory or math.inf for task in run.engine.submitted) <= 2100
    events, memory = found.took.memory[-1]
    assert events == 1000
    assert memory == 1000 * MB
    assert found.took.pace == 20 / 1000


# -- hosts and workers


def test_a_host_on_which_nothing_works_is_left_alone(phase: Make) -> None:
    def script(attempt: Attempt) -> Act:
        return Act(ending=Ending.NO_RESULT, exit_code=1) if attempt.host == "bad" else Act()

    values = chunks("A", 200)
    run = phase(workers=(Worker(host="bad"), Worker(host="good")), script=script)
    assert ranges(run.run(values).results) == all_of(values)
    assert {one.host for one in run.events(HostBlocked)} == {"bad"}


def test_an_environment_that_nobody_can_use_ends_the_phase(phase: Make) -> None:
    run = phase(script=lambda _: Act(ending=Ending.NO_RESULT, exit_code=1, output="no module named x"))
    with pytest.raises(EngineError, match="no module named x"):
        run.run(chunks("A", 10))


def test_tasks_that_fit_no_local_worker_end_the_phase(phase: Make) -> None:
    settings = replace(SETTINGS, allocation=AllocationSettings(memory=9000))
    run = phase(local=1, settings=settings)
    with pytest.raises(NoWorkersError, match="memory"):
        run.run(chunks("A", 4))


def test_tasks_that_fit_no_worker_are_said_and_wait_for_another(
    phase: Make, caplog: pytest.LogCaptureFixture
) -> None:
    settings = replace(SETTINGS, allocation=AllocationSettings(memory=9000))
    run = phase(workers=(Worker(), Worker(host="large", memory=10_000, joins=100)), settings=settings)
    values = chunks("A", 4)
    with caplog.at_level(logging.WARNING):
        assert ranges(run.run(values).results) == all_of(values)
    assert "memory" in caplog.text


# -- stopping


def test_a_stop_lets_what_runs_end_and_names_what_is_left(phase: Make) -> None:
    values = chunks("A", 100)
    run: Phase = phase(on_tick=lambda: run.stop.make() if run.clock.now > 1020 else None)
    found = run.run(values)
    assert 0 < len(found.done) < len(values)
    assert len(found.done) + len(found.left) == len(values)
    assert ranges(found.results) == all_of([item.value for item in found.done])
    assert found.running == 0


def test_a_stop_waits_no_longer_than_it_may(phase: Make) -> None:
    settings = replace(SETTINGS, drain_time=30)
    run: Phase = phase(
        settings=settings,
        cost=lambda _: Cost(seconds=1000),
        on_tick=lambda: run.stop.make() if run.clock.now > 1020 else None,
    )
    found = run.run(chunks("A", 10))
    assert found.running
    assert len(found.left) == 10
    assert run.clock.now < 1060


def test_a_stop_does_not_wait_for_workers_that_may_never_come(phase: Make) -> None:
    run: Phase = phase(workers=(), on_tick=lambda: run.stop.make() if run.clock.now > 1020 else None)
    found = run.run(chunks("A", 10))
    assert (len(found.left), found.done) == (10, ())
    assert run.clock.now < 1030


# -- files that are opened, and results that tasks add up


def test_files_are_opened_many_in_a_task(phase: Make) -> None:
    names = [f"{number}.root" for number in range(300)]
    run = phase(category=Category.PREPROCESSING, cost=lambda _: Cost(seconds=0.05))
    results: Mapping[Any, Any] = run.run(names, counting.name_of).results
    assert results["", ""] == {"files": set(names)}
    assert len(run.engine.submitted) < 60


@pytest.mark.parametrize("failing", [0, 1, 2, 4])
def test_tasks_add_results_up_and_what_fails_is_added_up_here(phase: Make, failing: int) -> None:
    failures = iter(range(failing))

    def script(attempt: Attempt) -> Act:
        adding = attempt.task.category is Category.ACCUMULATING
        return Act(ending=Ending.LOST) if adding and next(failures, None) is not None else Act()

    values = [*chunks("A", 120), *chunks("B", 40)]
    run = phase(
        settings=replace(SETTINGS, tree=TreeSettings(results=4, always=True)),
        script=script,
    )
    assert ranges(run.run(values).results) == all_of(values)
    kinds = {one.category for one in run.events(TaskSubmitted)}
    assert Category.ACCUMULATING.value in kinds
