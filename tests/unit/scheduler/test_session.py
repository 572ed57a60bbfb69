"""What a session starts is its own from the first moment on, and ends whatever fails."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from counting import chunks, fail_in_b, look, ranges
from scripted import Clock, Cost, ScriptedEngine, Worker

from wq_runner.errors import NoWorkersError, ProcessorError
from wq_runner.model import Category
from wq_runner.remote.pinned import Code
from wq_runner.scheduler import session as sessions
from wq_runner.scheduler.phase import LoopSettings, StopRequest
from wq_runner.scheduler.session import Numbers, Session


@dataclass
class Parts:
    """An engine, workers and a catalog that say what is done with them, and fail where they are told to."""

    failing: str = ""
    said: list[str] = field(default_factory=list)

    def session(self) -> Session:
        parts: dict[str, Any] = {name: _Part(name, self) for name in ("engine", "workers", "catalog")}
        return Session(**parts, afterwards=lambda: self.does("afterwards"))

    def does(self, what: str) -> None:
        self.said.append(what)
        if what == self.failing:
            raise OSError(f"{what} failed")


@dataclass
class _Part:
    name: str
    parts: Parts

    def __getattr__(self, method: str) -> Any:
        if method.startswith("_"):
            raise AttributeError(method)
        return lambda *_, **__: self.parts.does(f"{self.name}.{method}")


ENDS = ["engine.close", "workers.stop", "catalog.stop", "afterwards"]


@pytest.mark.parametrize("failing", ["", *ENDS])
def test_all_is_cleaned_up_whatever_fails(failing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parts, warned = Parts(failing), []
    monkeypatch.setattr(sessions.log, "warning", lambda text, *words, **_: warned.append(text % words))
    session = parts.session()
    session.start()
    begun = len(parts.said)
    session.close()
    assert parts.said[begun:] == ENDS
    assert len(warned) == bool(failing)
    assert all(f"{failing} failed" in text for text in warned)
    session.close()
    assert parts.said[begun:] == ENDS


@pytest.mark.parametrize("failing", ["catalog.start", "workers.prepare", "engine.start"])
def test_what_a_failed_start_began_is_ended(failing: str) -> None:
    parts = Parts(failing)
    session = parts.session()
    with pytest.raises(OSError, match=failing):
        session.start()
    assert parts.said[-4:] == ENDS
    parts.failing = ""
    session.start()
    assert parts.said[-1] == "engine.start"
    session.close()


# -- on a scripted engine


@dataclass
class Helpers:
    """Workers, or a catalog, that count how often they are looked after."""

    looked_after: int = 0
    started: int = 0
    spec: Any = None

    def prepare(self) -> None:
        pass

    def start(self, *_: int) -> None:
        self.started += 1

    def keep_alive(self, *_: int) -> None:
        self.looked_after += 1

    def stop(self) -> None:
        self.started -= 1


def scripted_session(
    tmp_path: Path, *workers: Worker, cost: Callable[[Any], Cost] = lambda _: Cost(), **rest: Any
) -> Session:
    clock = Clock()
    engine = ScriptedEngine(workers, clock=clock, cost=cost)
    settings = LoopSettings(code=Code(), drain_time=30)
    stop = StopRequest(clock=clock)
    return Session(engine=engine, settings=settings, staging=tmp_path, clock=clock, stop=stop, **rest)


def test_it_waits_for_workers_as_long_as_was_said(tmp_path: Path) -> None:
    late = scripted_session(tmp_path, Worker(joins=50), wait_time=60)
    assert ranges(late.run(chunks("A", 3), look, Category.PROCESSING).results) == [("A-0.root", 0, 3000)]
    late.close()
    never = scripted_session(tmp_path, Worker(joins=70), wait_time=60)
    with pytest.raises(NoWorkersError, match="60 s"):
        never.run(chunks("A", 3), look, Category.PROCESSING)
    assert not never.started


def test_workers_and_catalog_are_looked_after_while_it_runs(tmp_path: Path) -> None:
    workers, catalog = Helpers(), Helpers()
    parts: dict[str, Any] = {"workers": workers, "catalog": catalog}
    session = scripted_session(tmp_path, Worker(joins=10), **parts)
    session.run(chunks("A", 3), look, Category.PROCESSING)
    assert catalog.started == 1
    assert workers.looked_after == catalog.looked_after >= 10 / 0.5, "at each tick"
    session.close()
    assert catalog.started == 0


def test_an_error_closes_it_and_the_next_call_starts_it_again(tmp_path: Path) -> None:
    failed: list[BaseException] = []
    session = scripted_session(tmp_path, Worker(), failed=failed.append)
    with pytest.raises(ProcessorError) as caught:
        session.run([*chunks("A", 2), *chunks("B", 2)], fail_in_b, Category.PROCESSING)
    assert failed == [caught.value]
    closed = not session.started
    assert closed
    found = session.run(chunks("A", 2), look, Category.PROCESSING)
    assert session.started
    assert session.last is found
    assert ranges(found.results) == [("A-0.root", 0, 2000)]
    session.close()


def test_tasks_that_are_not_waited_for_are_not_left_running(tmp_path: Path) -> None:
    session = scripted_session(tmp_path, Worker(), cost=lambda _: Cost(seconds=1000))
    session = dataclasses.replace(session, on_tick=session.stop.make)
    found = session.run(chunks("A", 2), look, Category.PROCESSING)
    assert found.running
    assert not session.started


def test_a_file_that_is_not_the_one_that_was_planned(tmp_path: Path) -> None:
    """What a plan knows of a file is told to its chunks."""
    session = scripted_session(tmp_path, Worker(), known={("A-0.root", "Events"): ("content", 2000)})
    found = session.run(chunks("A", 2), look, Category.PROCESSING)
    session.close()
    assert {(item.identity, item.entries) for item in found.done} == {("content", 2000)}


def test_what_belongs_to_one_run_is_gone_with_its_session(tmp_path: Path) -> None:
    kept = scripted_session(tmp_path, Worker())
    ticks: list[str] = []
    of_a_run = dataclasses.replace(kept, on_tick=lambda: ticks.append("of a run"))
    first = of_a_run.run(chunks("A", 2), look, Category.PROCESSING)
    assert ticks
    assert kept.started
    assert kept.last is first
    ticks.clear()
    kept.run(chunks("A", 2), look, Category.PROCESSING)
    assert not ticks
    kept.close()
    assert not of_a_run.started


def test_numbers_of_tasks_are_given_once() -> None:
    numbers = Numbers()
    numbers.pass_over(0)
    assert [next(numbers), next(numbers)] == [1, 2]
    numbers.pass_over(7)
    assert next(numbers) == 8
    numbers.pass_over(3)
    assert next(numbers) == 9
