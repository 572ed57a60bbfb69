"""The columns of a chunk, read from their server in one request: as soon as the first of them is wanted.

Which columns these are is known from the chunks before, by what was asked of their servers. What is already
at hand, in a cache for example, is never asked for; what was not foreseen is read as ever, and foreseen
for the next chunk.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Collection, Iterable, Iterator
from typing import Any

Range = tuple[int, int]
"""First byte, and the one after the last."""


class Ahead:
    """What is to be read of a tree for the entries of a chunk, and what was asked for."""

    def __init__(self, tree: Any, names: Collection[str], start: int, stop: int) -> None:
        self._tree = tree
        self._names = names
        self._entries = start, stop
        self._lock = threading.Lock()
        self._planned: set[Range] | None = None
        self._coming: dict[Range, Any] = {}
        self._surprises: set[int] = set()

    def chunks(self, source: Any, ranges: Iterable[Range], notifications: queue.Queue[Any]) -> list[Any]:
        """Do what `chunks` of uproot's sources does, with more than the ranges where one is foreseen."""
        wanted = [(int(start), int(stop)) for start, stop in ranges]
        self._ask(source, wanted)
        found = {one: chunk for one in wanted if (chunk := self._take(one)) is not None}
        others = [one for one in wanted if one not in found]
        for chunk in found.values():
            notifications.put(chunk)
        if others:
            found |= zip(others, source.chunks(others, notifications), strict=True)
        return [found[one] for one in wanted]

    def _ask(self, source: Any, wanted: list[Range]) -> None:
        with self._lock:
            if self._planned is None:
                self._planned = set(ranges_of(self._tree, self._names, *self._entries))
                if not self._planned.isdisjoint(wanted):
                    together = sorted(self._planned)
                    with contextlib.suppress(Exception):  # who asks for it by itself is told what is wrong
                        answers = source.chunks(together, queue.Queue())
                        self._coming = dict(zip(together, answers, strict=True))
            self._surprises.update(one[0] for one in wanted if one not in self._planned)

    def _take(self, wanted: Range) -> Any:
        """Return what came, None if it has to be asked for."""
        chunk = self._coming.pop(wanted, None)
        if chunk is None:
            return None
        try:
            chunk.wait()
        except Exception:
            self._coming.clear()  # what was in the same request did not come either
            return None
        return chunk

    def unforeseen(self) -> set[str]:
        """Return the columns that were asked for and not foreseen, and forget what was read."""
        self._coming.clear()
        starts, self._surprises = self._surprises, set()
        if not starts:
            return set()
        with contextlib.suppress(Exception):  # as an RNTuple, which has no baskets
            return set(_columns_at(self._tree, starts))
        return set()


def ranges_of(tree: Any, names: Iterable[str], start: int, stop: int) -> Iterator[Range]:
    """Yield where in its file the baskets of columns are; there are trees without some of them."""
    for name in names:
        with contextlib.suppress(Exception):
            for _, place in tree[name].entries_to_ranges_or_baskets(start, stop):
                if isinstance(place, tuple):  # else it came with the tree
                    yield int(place[0]), int(place[1])


def _columns_at(tree: Any, starts: set[int]) -> Iterator[str]:
    """Yield the columns that have a basket which begins there."""
    for name, branch in tree.iteritems(recursive=True, full_paths=True):
        if not starts.isdisjoint(branch.member("fBasketSeek").tolist()):
            yield name
