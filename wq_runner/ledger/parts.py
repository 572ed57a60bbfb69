"""Files of the ledger that hold results of a sum, and which wait: to be written as one, or for tasks.

What is asked after each result takes no longer where there are hundreds of datasets.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wq_runner.ledger import ledger
from wq_runner.ledger.items import Sum
from wq_runner.ledger.totals import added

FEW = 3  # files that are worth a task at the end, when workers have nothing else to do


@dataclass(frozen=True, kw_only=True)
class TreeSettings:
    """When results are added up by tasks: so many, or so many bytes of them, in one.

    `always` is whether all are; otherwise those that would wait too long for the manager.
    """

    results: int = 20
    size: int = 2**30
    always: bool = False


@dataclass(frozen=True, kw_only=True)
class Part:
    """A file of the ledger; `last` and `count` are of the tasks whose results it holds."""

    path: Path
    size: int
    last: int
    count: int = 1

    @property
    def name(self) -> str:
        return self.path.name

    @classmethod
    def of_sum(cls, path: Path, parts: Sequence[Part]) -> Part:
        """Return the file that holds what all of these do."""
        last, count = max(part.last for part in parts), sum(part.count for part in parts)
        return cls(path=path, size=path.stat().st_size, last=last, count=count)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Files of one sum that a task may add up."""

    of: Sum
    parts: tuple[Part, ...]

    @property
    def dataset(self) -> str:
        return self.of[0]


@dataclass
class Summed:
    """Results that are added up: their sum, and which files on disk hold it.

    `parts` are newer than the `merged` file. What is `apart` is not in the sum; of this, `out` is with tasks.
    """

    total: Any = None
    parts: list[Part] = field(default_factory=list)
    merged: Part | None = None
    apart: dict[str, Part] = field(default_factory=dict)
    out: set[str] = field(default_factory=set)

    def add(self, result: Any) -> None:
        self.total = added(result, self.total)

    @property
    def free(self) -> list[Part]:
        """What tasks may take, the smallest sums first: so the tree is no deeper than it must be."""
        there = [part for name, part in self.apart.items() if name not in self.out]
        return sorted(there, key=lambda part: part.count)


class Loose:
    """The sums with parts beside their merged file, and how many files and bytes these are."""

    def __init__(self) -> None:
        self.sums: dict[Sum, Summed] = {}
        self.parts = 0
        self.size = 0

    def add(self, of: Sum, one: Summed, part: Part) -> None:
        self.sums[of] = one
        one.parts.append(part)
        self.parts += 1
        self.size += part.size

    def drop(self, of: Sum) -> None:
        """Forget the parts of a sum, if it has any."""
        one = self.sums.pop(of, None)
        if one is not None:
            self.parts -= len(one.parts)
            self.size -= sum(part.size for part in one.parts)
            one.parts = []

    def largest(self) -> Sum:
        """Return the sum with the most parts, of these the one with the most bytes."""
        return max(self.sums, key=lambda of: _number_and_size(self.sums[of].parts))


class Apart:
    """The sums with files that are left for tasks, and how many files wait for one."""

    def __init__(self) -> None:
        self.waiting = 0
        self._sums: dict[Sum, Summed] = {}
        self._may_give: dict[Sum, None] = {}  # those of which a batch may be possible

    def __bool__(self) -> bool:
        return bool(self._sums)

    def put(self, of: Sum, one: Summed, part: Part) -> None:
        one.apart[part.name] = part
        self._sums[of] = one
        self._may_give[of] = None
        self.waiting += 1

    def give(self, batch: Batch) -> None:
        """Note that a task has these files."""
        self._sums[batch.of].out.update(part.name for part in batch.parts)
        self.waiting -= len(batch.parts)

    def take_back(self, batch: Batch, one: Summed) -> None:
        """Note that a task is done with these files; they are no longer apart."""
        for part in batch.parts:
            one.out.remove(part.name)
            del one.apart[part.name]
        if not one.apart:
            self.leave(batch.of)
        elif batch.of in self._sums:
            self._may_give[batch.of] = None

    def leave(self, of: Sum) -> None:
        """Give no more of a sum to tasks."""
        one = self._sums.pop(of, None)
        if one is not None:
            self.waiting -= len(one.apart) - len(one.out)
            self._may_give.pop(of, None)

    def batches(self, tree: TreeSettings, *, most: int, is_last: Callable[[Sum], bool]) -> Iterator[Batch]:
        """Give out full batches; any, when more than `most` files wait, or of a sum that gets no more."""
        for of in tuple(self._may_give):
            one = self._sums[of]
            while batch := _next_batch(of, one, tree, rest=self.waiting > most, last=is_last(of)):
                self.give(batch)
                yield batch
            if len(one.apart) - len(one.out) < FEW:  # too few for any batch, until more come
                del self._may_give[of]


def name_of(parts: Sequence[Part]) -> str:
    """Return the name of the file that is to hold what all of these do."""
    return ledger.merged_name(max(part.last for part in parts), sum(part.count for part in parts))


def _number_and_size(parts: Sequence[Part]) -> tuple[int, int]:
    return len(parts), sum(part.size for part in parts)


def _next_batch(of: Sum, one: Summed, tree: TreeSettings, *, rest: bool, last: bool) -> Batch | None:
    """Return a batch that is full; with `rest`, or if it is the `last` of a sum, one with less."""
    free = one.free
    sizes = itertools.accumulate(part.size for part in free)
    most = max(2, sum(size <= tree.size for size in sizes))
    parts = free[: min(most, tree.results)]
    full = len(parts) == tree.results or len(parts) < len(free)
    less = rest or (last and not one.out)
    if not full and not (less and len(parts) >= FEW):
        return None
    return Batch(of=of, parts=tuple(parts))
