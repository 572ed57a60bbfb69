"""Which datasets are complete while others are not."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from wq_runner.ledger.completeness import Completion
from wq_runner.ledger.items import Item


@dataclass(frozen=True)
class Chunk:
    entrystart: int
    entrystop: int


def chunk(dataset: str, start: int = 0, stop: int = 10) -> Item:
    return Item(value=Chunk(start, stop), dataset=dataset, path="f.root", start=start, stop=stop)


def test_a_dataset_is_complete_with_its_last_chunk() -> None:
    one, other, second = chunk("A"), chunk("B"), chunk("A", 10, 20)
    completion = Completion([one, other, second])
    assert completion.done([one]) == []
    assert completion.done([other, second]) == ["B", "A"]


def test_parts_of_what_was_cut_count_as_the_whole() -> None:
    whole, empty = chunk("A", 0, 11), chunk("A", 5, 5)
    completion = Completion([whole, empty])
    first, rest = whole.cut(4)
    second, third = rest.cut(1)
    assert completion.done([first, third]) == []
    assert completion.done([empty]) == []
    assert completion.done([second]) == ["A"]


def test_one_of_which_something_was_skipped_is_never_complete() -> None:
    items = [chunk("A", start, start + 10) for start in (0, 10, 20)]
    completion = Completion(items)
    assert completion.done(items[:2]) == []


def test_what_was_done_before_is_complete_at_once() -> None:
    completion = Completion([chunk("A"), dataclasses.replace(chunk("C"), portion="C-0001")])
    assert completion.among(["B", "A", "B", "C", "D"]) == ["B", "D"]
