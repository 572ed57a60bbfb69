"""What the loop knows of the things it is given to work on, without knowing coffea."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from wq_runner.remote import several
from wq_runner.run_events import Plan

Key = tuple[str, str, int, int, str]
"""``(path, treename, start, stop, file)``, as in the journal; `file` as `file_id` makes it."""

Place = tuple[str, str]
"""``(path, treename)``: what is known of files is known for these."""

Sum = tuple[str, str]
"""``(dataset, portion)``: what is added up together."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Item:
    """One argument of the function: a chunk of events, a file to be opened, or anything else.

    Items are told apart by identity. `events` is 0 for all but chunks; `uuid` is hexadecimal, as is the
    `identity` of a file, which has so many `entries`, as far as that is known. Results of one `portion` of a
    dataset are never added to those of another. Of several processors it is for one, whose name its `dataset`
    begins with.
    """

    value: Any
    dataset: str = ""
    path: str = ""
    treename: str = ""
    start: int = 0
    stop: int = 0
    uuid: str = ""
    identity: str = ""
    entries: int | None = None
    portion: str = ""
    processor: str = ""

    @property
    def group(self) -> str:
        """The dataset as the samples call it: what is scheduled together, whichever processor it is for."""
        return self.dataset.removeprefix(f"{self.processor}.") if self.processor else self.dataset

    @property
    def events(self) -> int:
        return self.stop - self.start

    @property
    def size(self) -> int:
        """What the time it takes is proportional to."""
        return max(self.events, 1)

    @property
    def key(self) -> Key:
        return (self.path, self.treename, self.start, self.stop, file_id(self.uuid, self.identity))

    @property
    def sum(self) -> Sum:
        return self.dataset, self.portion

    @property
    def file(self) -> Place:
        return self.path, self.treename

    @property
    def place(self) -> str:
        """Where this is, for people."""
        name = self.path.rsplit("/", 1)[-1] or str(self.value)
        return f"{self.dataset}, {name}, events {self.start}-{self.stop}" if self.events else name

    @property
    def divisible(self) -> bool:
        """Whether it is a chunk that can be cut, as coffea's WorkItem is."""
        return self.events > 1 and dataclasses.is_dataclass(self.value)

    def cut(self, events: int) -> tuple[Item, Item]:
        """Cut a chunk after so many events."""
        middle = self.start + events
        return self.part(self.start, middle), self.part(middle, self.stop)

    def part(self, start: int, stop: int) -> Item:
        """Return the chunk with fewer events."""
        if (start, stop) == (self.start, self.stop):
            return self
        value = dataclasses.replace(self.value, entrystart=start, entrystop=stop)
        return dataclasses.replace(self, value=value, start=start, stop=stop)


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """What a task has of one sum: consecutive items of its batch, which are on record as a task of their own.

    So whatever reads a journal finds each task in one dataset, and never has to divide anything.
    """

    number: int
    items: tuple[Item, ...]
    first: int
    """The place of its first item in the batch."""

    @property
    def size(self) -> int:
        return sum(item.size for item in self.items)


def shares(number: int, batch: Sequence[Item]) -> list[Share]:
    """Divide a task's batch by sums; their numbers are the task's and those that follow it."""
    found: list[Share] = []
    first = 0
    for _, group in itertools.groupby(batch, key=lambda item: item.sum):
        items = tuple(group)
        found.append(Share(number=number + len(found), items=items, first=first))
        first += len(items)
    return found


def datasets_of(items: Iterable[Item]) -> list[str]:
    """Return the names of the datasets of items, each once, as they come."""
    return list(dict.fromkeys(item.dataset for item in items))


def named(items: Iterable[Item]) -> str:
    """Name the datasets of items for people: what is said of all of them may be due to any."""
    first, *others = datasets_of(items)
    if not others:
        return first
    return f"{first} or {others[0]}" if len(others) == 1 else f"{first} or {len(others)} others"


def file_id(uuid: str, identity: str) -> str:
    """Return what tells a file from others of its path: coffea's uuid, and what follows from its content."""
    return f"{uuid}.{identity}" if identity else uuid


def uuid_of(file: str) -> str:
    """Return coffea's uuid from what `file_id` made."""
    return file.partition(".")[0]


def content_of(file: str) -> str:
    """Return what copies of a file have in common, from what `file_id` made; empty if it is not known."""
    return file.partition(".")[2]


def describe(value: Any) -> Item:
    """Describe a coffea WorkItem or FileMeta, one of our files, or anything at all."""
    uuid = getattr(value, "fileuuid", None) or getattr(value, "uuid", b"")
    return Item(
        value=value,
        processor=several.meant_for(value)[0],
        dataset=str(getattr(value, "dataset", "")),
        path=str(getattr(value, "filename", None) or getattr(value, "path", "")),
        treename=str(getattr(value, "treename", "")),
        start=int(getattr(value, "entrystart", 0)),
        stop=int(getattr(value, "entrystop", 0)),
        uuid=uuid.hex() if isinstance(uuid, bytes) else str(uuid),
    )


def plans(items: Iterable[Item]) -> dict[str, Plan]:
    """Sum the items of each dataset, in the order in which the datasets appear."""
    counts: dict[str, tuple[int, int, int]] = {}
    for item in items:
        number, events, empty = counts.get(item.dataset, (0, 0, 0))
        counts[item.dataset] = (number + 1, events + item.events, empty + (not item.events))
    return {
        name: Plan(items=number, events=events, empty=empty)
        for name, (number, events, empty) in counts.items()
    }
