"""What every engine promises, whoever runs the tasks: a new one is tested by a line in ENGINES."""

from __future__ import annotations

import concurrent.futures
import contextlib
import importlib
import itertools
import multiprocessing.resource_tracker
import pkgutil
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import loky.backend.resource_tracker
import psutil
import pytest
import running
from scripted import Clock, ScriptedEngine

import wq_runner.engine
from wq_runner.code.task_function import write_function
from wq_runner.engine import answer
from wq_runner.engine.borrowed import BorrowedPool, CoffeaExecutor
from wq_runner.engine.dask import DaskEngine, local_cluster
from wq_runner.engine.futures import FuturesEngine
from wq_runner.engine.inline import InlineEngine
from wq_runner.engine.messages import QueueSettings
from wq_runner.engine.parsl import ParslEngine, local_config
from wq_runner.engine.pool import PoolEngine
from wq_runner.engine.protocol import Engine, EngineStatus
from wq_runner.engine.work_queue import WorkQueueEngine
from wq_runner.model import Category, Ending, Outcome, Resources, Task
from wq_runner.remote import work
from wq_runner.remote.bundle import write_bundle
from wq_runner.remote.pinned import Code
from wq_runner.workers.local import LEAST_DISK, LocalSpec, LocalWorkers


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How an engine is made, and what cannot be asked of it.

    `here` is whether its tasks run in this process, `shared` whether a crash costs others an attempt as well,
    `revives` whether it goes on after a crash and can be started again: another's pool is not ours to start.
    """

    make: Callable[[Path, contextlib.ExitStack], Engine]
    here: bool = False
    shared: bool = False
    revives: bool = True


class WithWorkers(WorkQueueEngine):
    """A queue with two workers of this machine, as a session has it."""

    def __init__(self, place: Path) -> None:
        self._began = False
        spec = LocalSpec(count=2, memory=1_000_000_000, disk=LEAST_DISK)
        self._workers = LocalWorkers(spec, logs=place)
        settings = QueueSettings(
            payload=write_bundle(place),
            ports=(0, 0),
            here=True,
            password_file=self._workers.password_file,
            command=shlex.quote(sys.executable),
        )
        super().__init__(settings, child_log=place / "queue.log")

    def start(self) -> None:
        began, self._began = self._began, True
        if not began:
            self._workers.prepare()
        super().start()
        if not began:
            self._workers.start(self.port)

    def close(self, *, release_workers: bool = False) -> None:
        super().close(release_workers=release_workers)
        self._workers.stop()
        self._began = False


def borrowed(_: Path, stack: contextlib.ExitStack) -> Engine:
    return BorrowedPool(stack.enter_context(concurrent.futures.ProcessPoolExecutor(2)))


def coffeas(_: Path, __: contextlib.ExitStack) -> Engine:
    from coffea.processor import FuturesExecutor

    return CoffeaExecutor(FuturesExecutor(workers=2))


TRACKERS = (loky.backend.resource_tracker, multiprocessing.resource_tracker)

ENGINES = {
    "work_queue": Kind(make=lambda place, _: WithWorkers(place)),
    "pool": Kind(make=lambda *_: PoolEngine(2)),
    "dask": Kind(make=lambda place, _: DaskEngine(lambda: local_cluster(2, None, place)), shared=True),
    "parsl": Kind(make=lambda place, _: ParslEngine(lambda: local_config(2, place))),
    "borrowed": Kind(make=borrowed, shared=True, revives=False),
    "coffeas": Kind(make=coffeas, shared=True, revives=False),
    "inline": Kind(make=lambda *_: InlineEngine(), here=True),
    "scripted": Kind(make=lambda *_: ScriptedEngine(clock=Clock()), here=True),
}


@dataclass
class Bench:
    """An engine that has started, and the tasks that are given to it."""

    engine: Engine
    kind: Kind
    place: Path
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def give(self, *expressions: str) -> list[Task]:
        """Submit tasks that compute expressions: Python's `eval` is a function that every worker has."""
        function = write_function(eval, self.place, Code())
        tasks = []
        for expression in expressions:
            number = next(self.numbers)
            task = Task(
                id=number,
                category=Category.PROCESSING,
                function=function,
                items=work.pack([expression]),
                result=self.place / f"{number}.result",
                resources=Resources(cores=1),
            )
            self.engine.submit(task)
            tasks.append(task)
        return tasks

    def ended(self, count: int) -> dict[int, Outcome]:
        """Wait until so many tasks have ended; each ends once."""
        found: dict[int, Outcome] = {}

        def all_of_them() -> bool:
            for outcome in self.engine.wait(0.5):
                assert outcome.task_id not in found, "it has ended before"
                found[outcome.task_id] = outcome
            return len(found) >= count

        running.until(all_of_them, f"{count} tasks to end", 120)
        return found


@pytest.fixture(scope="module", params=ENGINES)
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    kind, place = ENGINES[request.param], tmp_path_factory.mktemp(request.param)
    before = children()
    with contextlib.ExitStack() as stack:
        engine = kind.make(place, stack)
        engine.start()
        yield Bench(engine, kind, place)
        engine.close()
        engine.close()
    with contextlib.suppress(AssertionError):
        running.until(lambda: children() <= before, "its processes to end", 30)
    assert {pid: running.command_of(pid) for pid in children() - before} == {}


def children() -> set[int]:
    return {one.pid for one in psutil.Process().children(recursive=True)} - standing()


def standing() -> set[int]:
    """Return processes that serve this one for as long as it lives: they watch what others leave behind."""
    trackers = (module._resource_tracker._pid for module in TRACKERS)
    return {pid for pid in trackers if pid is not None}


def result(task: Task) -> object:
    return answer.read_result(task.result)


def test_all_engines_are_here() -> None:
    """An engine is what has tasks submitted to it; what several have in common is none by itself."""
    names = [f"wq_runner.engine.{one.name}" for one in pkgutil.iter_modules(wq_runner.engine.__path__)]
    found = {
        value
        for name in names
        for value in vars(importlib.import_module(name)).values()
        if isinstance(value, type) and value.__module__ == name and hasattr(value, "submit")
    }
    made = {WorkQueueEngine, PoolEngine, DaskEngine, ParslEngine, BorrowedPool, CoffeaExecutor, InlineEngine}
    assert found - made == {Engine, FuturesEngine}
    assert len(ENGINES) == len(made) + 1


def test_each_task_ends_once_with_its_own_answer(bench: Bench) -> None:
    tasks = bench.give(*(f"{{'n': {number}}}" for number in range(12)))
    status = bench.engine.status
    assert status.tasks_waiting + status.tasks_running <= 12
    ended = bench.ended(12)
    assert set(ended) == {task.id for task in tasks}
    for number, task in enumerate(tasks):
        outcome = ended[task.id]
        assert outcome.ending is Ending.RETURNED, outcome
        assert outcome.host
        assert outcome.started <= outcome.finished
        assert result(task) == {"n": number}
    assert bench.engine.wait(0.1) == []


def test_its_status_is_that_of_now(bench: Bench) -> None:
    """The loop asks it each time how much to submit: it must not be far off, nor wait."""
    bench.give("{'n': 1}")
    bench.ended(1)
    status = running.until(lambda: waited(bench), "the task to be gone from the status")
    assert status.cores >= status.cores_used
    assert status.workers >= 1
    assert status.workers_joined >= status.workers


def waited(bench: Bench) -> EngineStatus | None:
    bench.engine.wait(0.1)
    status = bench.engine.status
    return None if status.tasks_waiting or status.tasks_running else status


def test_what_raises_is_an_answer(bench: Bench) -> None:
    (task,) = bench.give("1 / 0")
    assert bench.ended(1)[task.id].ending is Ending.RETURNED
    (failure,) = answer.read_answer(task.result).failures
    assert failure.type == "ZeroDivisionError"


def test_a_function_that_cannot_be_loaded_is_an_answer(bench: Bench) -> None:
    broken = bench.place / "broken"
    broken.write_bytes(b"no pickle")
    number = next(bench.numbers)
    task = Task(
        id=number,
        category=Category.PROCESSING,
        function=broken,
        items=work.pack(["1"]),
        result=bench.place / f"{number}.result",
        resources=Resources(cores=1),
    )
    bench.engine.submit(task)
    assert bench.ended(1)[number].ending is Ending.RETURNED
    (failure,) = answer.read_answer(task.result).failures
    assert failure.kind is answer.Kind.ENVIRONMENT


def test_a_crash_costs_its_own_task(bench: Bench) -> None:
    """Where an engine cannot tell whose fault it was, it costs those beside it an attempt, and no more."""
    if bench.kind.here:
        pytest.skip("its tasks run in this process")
    crash, *others = bench.give("__import__('os')._exit(7)", *(f"{{'n': {one}}}" for one in range(4)))
    ended = bench.ended(5)
    assert not is_answered(crash, ended)
    if not bench.kind.shared:
        assert all(is_answered(task, ended) for task in others)
    if bench.kind.revives:
        (again,) = bench.give("{'n': 5}")
        assert is_answered(again, bench.ended(1))


def is_answered(task: Task, ended: dict[int, Outcome]) -> bool:
    """Whether a task did what it was asked for: who watches a task answers for it as well."""
    return ended[task.id].ending is Ending.RETURNED and bool(answer.read_answer(task.result).done)


def test_it_can_be_closed_with_tasks_and_started_again(bench: Bench) -> None:
    """As a notebook does after an interrupt."""
    if bench.kind.here or not bench.kind.revives:
        pytest.skip("nothing of it runs by itself, or it is not ours to start")
    tasks = bench.give(*["__import__('time').sleep(300)"] * 4)
    bench.engine.wait(1.0)
    bench.engine.close()
    bench.engine.start()
    (again,) = bench.give("{'n': 5}")
    ended = bench.ended(1)
    assert set(ended) == {again.id}, "nothing is heard of what was given up"
    assert not any(task.result.exists() for task in tasks)
