"""What the journal says of a task."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from wq_runner.engine.answer import Answer, Elsewhere, Failure, Kind, Measurement
from wq_runner.ledger.items import Item, shares
from wq_runner.model import Category, Ending, Outcome, Resources, Task
from wq_runner.scheduler import journal_events


def chunk(path: str, events: int, dataset: str = "a") -> Item:
    return Item(value=None, dataset=dataset, path=path, treename="Events", start=0, stop=events, uuid="")


def task_of(number: int) -> Task:
    return Task(
        id=number,
        category=Category.PROCESSING,
        function=Path("function"),
        items="",
        result=Path("result"),
        resources=Resources(cores=2, memory=500),
    )


def test_what_was_read_elsewhere_is_told_once_for_each_pair_of_servers() -> None:
    batch = tuple(chunk(f"root://one.example//store/{number}.root", 10 + number) for number in range(4))
    task = task_of(3)
    found = Answer(
        host="node1",
        wall=1.0,
        startup=0.0,
        done=(0, 1, 2, 3),
        skipped={},
        failures=(),
        measured=(),
        elsewhere=(
            Elsewhere(index=0, place="root://two.example:1094//store/0.root", reason=""),
            Elsewhere(index=1, place="/store/1.root", reason=""),
            Elsewhere(index=3, place="root://two.example:1094//store/3.root", reason="timed out"),
        ),
    )
    first, second = journal_events.read_elsewhere(task, batch, found)
    assert (first.server, first.instead) == ("root://one.example", "root://two.example:1094")
    assert (first.items, first.events, first.reason) == (2, 23, "timed out")
    assert (first.task, first.category, first.dataset, first.host) == (3, "processing", "a", "node1")
    assert (second.instead, second.items, second.path) == ("local paths", 1, batch[1].path)


# -- a task of several datasets is on record as one task for each of them, one after the other

BATCH = (chunk("f", 10), chunk("g", 30), chunk("f", 20, "b"), chunk("h", 40, "c"))
ENDED = Outcome(
    task_id=7,
    ending=Ending.RETURNED,
    host="node1",
    started=100.0,
    finished=112.0,
    bytes_sent=1000,
    bytes_received=302,
    transfer_seconds=0.5,
)


def measured(*seconds: float) -> tuple[Measurement, ...]:
    return tuple(
        Measurement(index=index, wall=wall, cpu=wall / 2, memory=100 + index, bytes_read=10 * (index + 1))
        for index, wall in enumerate(seconds)
    )


def answered(*seconds: float, **more: object) -> Answer:
    values = {"done": tuple(range(len(seconds))), "skipped": {}, "failures": (), **more}
    return Answer(host="node1", wall=10.0, startup=2.0, measured=measured(*seconds), **values)  # type: ignore[arg-type]


def test_each_share_has_its_own_number_and_items() -> None:
    parts = shares(7, BATCH)
    assert [(one.number, one.items[0].dataset, len(one.items), one.first) for one in parts] == [
        (7, "a", 2, 0),
        (8, "b", 1, 2),
        (9, "c", 1, 3),
    ]
    submitted = journal_events.submitted(task_of(7), BATCH)
    assert [(one.task, one.dataset, one.items, one.events) for one in submitted] == [
        (7, "a", 2, 40),
        (8, "b", 1, 20),
        (9, "c", 1, 40),
    ]


@pytest.mark.parametrize(
    "found",
    [answered(1.0, 2.0, 1.0, 4.0), answered(1.0, 2.0), answered(), None],
    ids=["all were done", "some were done", "none was done", "no answer"],
)
def test_the_shares_of_a_task_make_the_whole_again(found: Answer | None) -> None:
    ended = journal_events.ended(task_of(7), ENDED, BATCH, found)
    assert [one.task for one in ended] == [7, 8, 9]
    assert ended[0].started == 100.0
    assert ended[-1].finished == pytest.approx(112.0)
    for one, following in itertools.pairwise(ended):
        assert one.finished == pytest.approx(following.started)
    total = {name: sum(getattr(one, name) for one in ended) for name in ("wall", "startup", "done", "events")}
    number = len(found.done) if found else 0
    assert total == {
        "wall": pytest.approx(10.0 if found else 0.0),
        "startup": 2.0 if found else 0.0,
        "done": number,
        "events": sum(item.events for item in BATCH[:number]),
    }
    assert sum(one.bytes_received for one in ended) == 302
    assert (sum(one.bytes_sent for one in ended), sum(one.transfer for one in ended)) == (1000, 0.5)
    assert sum(one.processing for one in ended) == sum(one.wall for one in (found.measured if found else ()))


def test_a_share_has_the_time_that_its_chunks_took() -> None:
    first, second, third = journal_events.ended(task_of(7), ENDED, BATCH, answered(1.0, 2.0, 1.0, 4.0))
    assert [one.finished - one.started for one in (second, third)] == pytest.approx([1.0, 4.0])
    assert first.finished - first.started == pytest.approx(12.0 - 5.0), "and what they have in common"
    assert (first.memory, second.memory, third.memory) == (101, 102, 103)


def test_a_failure_is_of_its_share() -> None:
    failure = Failure(
        index=2, kind=Kind.MEMORY, type="MemoryError", message="", traceback="", signature="", memory=999
    )
    found = answered(1.0, 1.0, failures=(failure,))
    assert [one.memory for one in journal_events.ended(task_of(7), ENDED, BATCH, found)] == [101, 999, 0]


def test_each_sum_is_accepted_for_itself() -> None:
    found = answered(1.0, 2.0, 1.0, 4.0, done=(0, 2, 3), sums=((0,), (2,), (3,)))
    accepted = journal_events.accepted(task_of(7), BATCH, found)
    assert [(one.task, one.dataset, one.events, one.seconds) for one in accepted] == [
        (7, "a", 10, (1.0,)),
        (8, "b", 20, (1.0,)),
        (9, "c", 40, (4.0,)),
    ]
