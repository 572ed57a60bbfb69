"""What tasks say is in the log and the journal: warnings once by text, prints, and not more than so much."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wq_runner.engine.answer import Answer, TaskWarning
from wq_runner.journal import Journal
from wq_runner.model import Category, Ending, Outcome, Task
from wq_runner.monitor import words
from wq_runner.monitor.incidents import PRINT_KEPT, PRINTS_KEPT, SaidTally
from wq_runner.monitor.view import RunView
from wq_runner.run_events import Event, Printed, Warned
from wq_runner.scheduler import sayings
from wq_runner.scheduler.sayings import Sayings

TASK = Task(id=3, category=Category.PROCESSING, function=Path("f"), items="", result=Path("r"))


class Said:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.sayings = Sayings(Journal(listeners=[lambda _, event: self.events.append(event)]))

    def take(self, *warned: TaskWarning, output: str = "") -> None:
        outcome = Outcome(task_id=3, ending=Ending.RETURNED, output=output)
        answer = Answer(
            host="h", wall=1, startup=0, done=(), skipped={}, failures=(), measured=(), warned=warned
        )
        self.sayings.take(TASK, "d", outcome, answer)


def warning(text: str, count: int = 1) -> TaskWarning:
    return TaskWarning(kind="UserWarning", text=text, place="a.py:1", count=count)


def seen(events: list[Event]) -> RunView:
    tally = SaidTally()
    for event in events:
        assert isinstance(event, Warned | Printed)
        tally.add(event)
    return RunView(warnings=tuple(tally.warnings.values()), prints=tuple(tally.prints), printed=tally.printed)


def test_warnings_come_once_by_text_with_their_number_however_many_there_are() -> None:
    said = Said()
    for number in range(1000):
        said.take(warning(f"event {number} is odd"))
    said.sayings.flush()
    assert len(said.events) < 20  # not each is written down
    (one,) = seen(said.events).warnings
    assert (one.text, one.count, one.datasets) == ("event 0 is odd", 1000, ("d",))
    said.sayings.flush()
    assert seen(said.events).warnings == (one,)


def test_warnings_of_countless_kinds_are_bounded() -> None:
    said = Said()
    for number in range(10 * sayings.KINDS):
        said.take(warning("x" * number, count=2))
    said.sayings.flush()
    found = seen(said.events).warnings
    assert len(found) == sayings.KINDS + 1
    assert sum(one.count for one in found) == 20 * sayings.KINDS
    assert found[-1].text == "warnings of more kinds"


def test_prints_are_in_the_log_and_the_journal_as_long_as_there_is_room(
    monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(sayings, "IN_JOURNAL", 10_000)
    monkeypatch.setattr(sayings, "IN_LOG", 20_000)
    caplog.set_level("INFO", logger="wq_runner")
    said = Said()
    for number in range(10):
        said.take(output=f"{number} " + "x" * 5000 + "\n")
    said.take(output="\n")  # nothing
    assert [len(event.text) > 0 for event in said.events if isinstance(event, Printed)] == [True] * 2 + [
        False
    ] * 8
    assert caplog.text.count("printed:") == 4
    assert "no more is kept" in caplog.text
    view = seen(said.events)
    assert view.printed == 10
    assert all(len(one.text) <= PRINT_KEPT + 1 for one in view.prints)
    assert len(view.prints) <= PRINTS_KEPT
    assert words.said(view) == "10 tasks printed something"
    said.take(warning("careful"), warning("now"))
    assert words.said(seen(said.events)).startswith("2 warnings (UserWarning: careful, and 1 more kind")
