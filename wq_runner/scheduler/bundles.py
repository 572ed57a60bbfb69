"""What travels together: a chunk for all its processors, and how it is cut if it is too large."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass

from wq_runner.ledger.items import Item, Sum


@dataclass(frozen=True, kw_only=True)
class Fits:
    """How many events of a dataset fit into a worker at the `most`; and `best`, with all its cores at work.

    None where that is not known.
    """

    most: int | None = None
    best: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A chunk as an item for each of its processors: one task does them all, and reads it once."""

    items: tuple[Item, ...]

    @property
    def group(self) -> str:
        return self.items[0].group

    @property
    def length(self) -> int:
        """The size of the chunk, as one of its processors sees it."""
        return self.items[0].size

    @property
    def size(self) -> int:
        return self.length * len(self.items)

    def cut(self, fits: Fits) -> tuple[Bundle, ...]:
        """Cut it for all of them, in two at the most, if it is too large: see `cut`."""
        parts = zip(*(cut(item, fits) for item in self.items), strict=True)
        return tuple(map(Bundle, parts))


def bundles(items: Iterable[Item]) -> Iterator[Bundle]:
    """Bundle the items of each chunk, where there are several processors."""
    chunks: dict[Hashable, list[Item]] = {}
    for item in items:
        chunk = (item.group, *item.key) if item.processor else item
        chunks.setdefault(chunk, []).append(item)
    return (Bundle(tuple(one)) for one in chunks.values())


def loose(batch: Iterable[Bundle]) -> tuple[Item, ...]:
    """Return the items of a task: those that are added up together after each other."""
    items = [item for bundle in batch for item in bundle.items]
    first: dict[Sum, int] = {}
    for item in items:
        first.setdefault(item.sum, len(first))
    several = any(item.processor for item in items)
    return tuple(sorted(items, key=lambda item: first[item.sum]) if several else items)


def cut(item: Item, fits: Fits) -> tuple[Item, ...]:
    """Cut what is too large in two: the first of equal parts, and the rest."""
    if fits.most is None or item.size <= fits.most or not item.divisible:
        return (item,)
    pieces = -(-item.events // (fits.best or fits.most))
    return item.cut(-(-item.events // pieces))
