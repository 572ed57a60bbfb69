"""Clocks that are set while a run goes: durations are what has passed, or what is known to be possible."""

from __future__ import annotations

import itertools

import journals
import pytest

from wq_runner.clock import Clock
from wq_runner.monitor.usage import attempt_seconds
from wq_runner.run_events import PhaseStarted, Plan, RunEnded, RunStarted, TaskEnded, TaskSubmitted

DAY = 86400.0
START = journals.START


def ended(started: float, finished: float, *, wall: float = 10.0, transfer: float = 0.0) -> TaskEnded:
    return TaskEnded(
        task=1,
        category="processing",
        dataset="A",
        ending="returned",
        host="node",
        started=started,
        finished=finished,
        wall=wall,
        processing=wall,
        done=1,
        events=100,
        transfer=transfer,
    )


@pytest.mark.parametrize(
    ("finished", "wall", "seconds"),
    [
        (12, 10, 12),
        (12 - DAY, 10, 10),
        (12 + DAY, 10, 10),
        (5, 10, 10),
        (12, 0, 12),
        (12 - DAY, 0, 0),
        (12 + DAY, 0, 20),
    ],
    ids=["as it is", "back", "forward", "a bit back", "no payload", "back without", "forward without"],
)
def test_a_clock_of_a_worker(finished: float, wall: float, seconds: float) -> None:
    assert attempt_seconds(ended(START, START + finished, wall=wall), 20) == seconds


@pytest.mark.parametrize("jump", [-DAY, DAY, 0.0], ids=["back", "forward", "not set"])
def test_a_run_whose_worker_sets_its_clock(jump: float) -> None:
    view = journals.view_of(
        [
            (START, RunStarted(command=("wq-run",), version="1")),
            (START, PhaseStarted(category="processing", datasets={"A": Plan(items=1, events=100)})),
            (
                START + 1,
                TaskSubmitted(task=1, category="processing", dataset="A", items=1, events=100, cores=1),
            ),
            (START + 13, ended(START + 2, START + 12 + jump, transfer=abs(jump))),
            (START + 14, RunEnded(code=0)),
        ]
    )
    assert view.seconds == 14
    assert view.core_time.processing == pytest.approx(10, abs=1)
    assert 0 <= view.core_time.available < 120
    assert min(vars(view.core_time).values()) >= 0


@pytest.mark.parametrize("jump", [-DAY, DAY], ids=["back", "forward"])
def test_a_session_that_begins_by_another_clock(jump: float) -> None:
    """The times of each are its own: nothing lies between two sessions that anybody could measure."""
    later = START + 100 + jump
    view = journals.view_of(
        [
            *journals.simple(),
            (later, RunStarted(command=("wq-run",), version="1")),
            (later + 5, RunEnded(code=0)),
        ]
    )
    assert (view.started, view.seconds) == (later, 5)


def test_what_passes_is_not_what_the_clock_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", itertools.count(START, -DAY).__next__)
    clock = Clock()
    times = [clock() for _ in range(5)]
    assert times == sorted(times)
    assert times[-1] - START < 60
