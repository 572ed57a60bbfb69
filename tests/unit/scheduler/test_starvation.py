"""What is said of tasks that no worker can hold."""

from __future__ import annotations

import pytest

from wq_runner.engine.protocol import EngineStatus
from wq_runner.model import Resources
from wq_runner.scheduler.starvation import PATIENCE, Placing, too_large

WORKER = Resources(cores=4, memory=2000, disk=8000, gpus=0)
WAITING = EngineStatus(workers=2, largest=WORKER, tasks_waiting=3)
BIG = Resources(cores=8, memory=4000)


def said(
    placing: Placing, status: EngineStatus, *tasks: Resources, until: float = 60
) -> list[tuple[float, str]]:
    """Look every second, and return what was said and when."""
    looks = [(float(now), placing.look(now, status, tasks)) for now in range(int(until))]
    return [(now, text) for now, text in looks if text]


def test_said_once_in_time_and_with_the_numbers() -> None:
    ((now, text),) = said(Placing(), WAITING, BIG)
    assert now <= 30
    assert text == (
        "no connected worker can hold a task: it asks for 8 cores, 3.9 GB memory; "
        "the largest of 2 connected has 4 cores, 2.0 GB memory, 7.8 GB disk, 0 gpus. "
        "Start larger workers, or ask for less (--cores, --memory)"
    )


def test_said_also_while_others_run() -> None:
    status = EngineStatus(workers=2, largest=WORKER, tasks_waiting=3, tasks_running=5)
    assert said(Placing(), status, Resources(cores=1), BIG)


def test_nothing_can_run_where_no_larger_workers_come() -> None:
    placing = Placing()
    said(placing, WAITING, BIG, until=PATIENCE - 1)
    assert not placing.hopeless(PATIENCE - 1)
    said(placing, WAITING, BIG)
    assert "no connected worker can hold a task" in placing.hopeless(60)
    running = EngineStatus(workers=2, largest=WORKER, tasks_waiting=3, tasks_running=1)
    placing.look(61, running, [BIG])
    assert not placing.hopeless(61)  # what runs now will be looked at when it has ended


def test_said_if_all_fit_and_none_runs() -> None:
    ((_, text),) = said(Placing(), WAITING, Resources(cores=1))
    assert "3 tasks wait and none runs" in text


@pytest.mark.parametrize(
    ("status", "task"),
    [
        (EngineStatus(tasks_waiting=3), BIG),
        (EngineStatus(workers=1, largest=WORKER, tasks_waiting=3, tasks_running=1), Resources(cores=4)),
        (EngineStatus(workers=1, largest=WORKER, tasks_running=1), Resources(memory=2000)),
    ],
    ids=["no worker is there", "another one runs", "it fits"],
)
def test_nothing_to_say(status: EngineStatus, task: Resources) -> None:
    assert said(Placing(), status, task) == []


def test_what_passes_is_not_said() -> None:
    placing = Placing()
    for round_ in range(5):
        start = round_ * 100.0
        assert not placing.look(start, WAITING, [BIG])
        assert not placing.look(start + PATIENCE - 1, WAITING, [BIG])
        assert not placing.look(start + PATIENCE, EngineStatus(workers=1, tasks_running=1), [])


def test_other_numbers_are_said_again() -> None:
    placing = Placing()
    assert said(placing, WAITING, BIG)
    assert said(placing, WAITING, Resources(gpus=1))


@pytest.mark.parametrize("name", ["cores", "memory", "disk", "gpus"])
def test_each_resource_counts(name: str) -> None:
    assert too_large(Resources(**{name: 10_000}), WORKER) == [name]
    assert too_large(Resources(**{name: 0}), WORKER) == []
