"""When datasets are expected to be done, of which one is finished after the other, and which of them are."""

from __future__ import annotations

import io

import journals
import pytest
from rich.console import Console

from wq_runner.monitor import terminal, words
from wq_runner.monitor.view import RunView
from wq_runner.run_events import Accepted, PhaseStarted, Plan, Resumed, RunStarted, TaskSubmitted, Written


def view() -> RunView:
    """Return a run of which B is done, A runs at 100 events/s, and C and D wait."""
    at = journals.START
    plan = {name: Plan(items=10, events=1000) for name in ("A", "C", "D")}
    chunk = journals.item("a.root", 0, 100)
    return journals.view_of(
        [
            (at, RunStarted(command=("wq-run",), version="1")),
            (at, Resumed(datasets={"C": Plan(items=2, events=200), "B": Plan(items=1, events=50)})),
            (at, PhaseStarted(category="processing", datasets=plan)),
            (at, journals.workers(1, running=1)),
            (at, TaskSubmitted(task=1, category="processing", dataset="A", items=10, events=1000)),
            (at + 1, journals.ended(1, at=at + 1, seconds=1.0, processing=1.0, done=1, events=100)),
            (at + 1, Accepted(task=1, category="processing", dataset="A", events=100, items=(chunk,))),
            (
                at + 1,
                Written(path="outputs/B.coffea", datasets=("B",), events=50, bytes=1, sha256=""),
            ),
        ]
    )


def test_each_is_expected_after_those_before_it() -> None:
    found = {one.name: one for one in view().datasets}
    assert list(found) == ["B", "A", "C", "D"]
    assert found["B"].left is None
    assert found["A"].left == pytest.approx(9)
    assert found["C"].left == pytest.approx(9 + 10)
    assert found["D"].left == pytest.approx(9 + 10 + 10)
    assert words.left(found["D"]) == "done in 0:29"
    assert view().total.left == pytest.approx(29)


def test_what_is_written_is_named() -> None:
    one = view().datasets[0]
    assert one.output == "outputs/B.coffea"
    assert words.left(one) == "written"
    assert words.left(one, written=True) == "B.coffea"


def test_all_are_listed_by_what_becomes_of_them() -> None:
    stream = io.StringIO()
    Console(file=stream, width=80).print(terminal.listing(view()))
    lines = [line.split() for line in stream.getvalue().splitlines() if line]
    assert lines == [
        ["running,", "1"],
        ["A", "100/1,000", "0:09", "left"],
        ["waiting,", "2"],
        ["C", "200/1,200", "done", "in", "0:19"],
        ["D", "0/1,000", "done", "in", "0:29"],
        ["done,", "1"],
        ["B"],
    ]
