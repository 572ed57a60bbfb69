"""What the journal says of a task."""

from __future__ import annotations

from pathlib import Path

from wq_runner.engine.answer import Answer, Elsewhere
from wq_runner.execution import events
from wq_runner.execution.items import Item
from wq_runner.model import Category, Resources, Task


def chunk(path: str, events: int) -> Item:
    return Item(value=None, dataset="a", path=path, treename="Events", start=0, stop=events, uuid="")


def test_what_was_read_elsewhere_is_told_once_for_each_pair_of_servers() -> None:
    batch = tuple(chunk(f"root://one.example//store/{number}.root", 10 + number) for number in range(4))
    task = Task(
        id=3,
        category=Category.PROCESSING,
        function=Path("function"),
        items="",
        result=Path("result"),
        resources=Resources(),
    )
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
    first, second = events.read_elsewhere(task, batch, found)
    assert (first.server, first.instead) == ("root://one.example", "root://two.example:1094")
    assert (first.items, first.events, first.reason) == (2, 23, "timed out")
    assert (first.task, first.category, first.dataset, first.host) == (3, "processing", "a", "node1")
    assert (second.instead, second.items, second.path) == ("local paths", 1, batch[1].path)
