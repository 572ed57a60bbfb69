"""The input file of an item: compared with the one that was planned as soon as it is open.

What was seen of it goes into the answer, as do the events that the processor was given: so the account
of a run rests on what was read, and not on what was to be read.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import identity, returned
from .failure import ChangedFileError

Known = tuple[str, "int | None"]
"""Identity (hexadecimal, empty if not known) and number of entries of the file that was planned."""

UNKNOWN: Known = ("", None)

_State = tuple[int, int, int, int]


class Inputs:
    """What is known of the file of an item, and what was seen of it. `events` were given to the processor.

    `begun` is called when the processor gets them.
    """

    def __init__(self) -> None:
        self._known = UNKNOWN
        self._item: Any = None
        self._parquet: dict[str, tuple[_State | None, Known]] = {}
        self.seen = UNKNOWN
        self.events: int | None = None
        self.begun: Callable[[], None] = lambda: None

    def plan(self, known: Known) -> None:
        """Get ready for an item of a file of which so much is known."""
        self._known = known
        self.begin(None)

    def begin(self, item: Any) -> None:
        """Get ready to open the file of an item, where it is to be read now."""
        self._item = item
        self.seen = UNKNOWN
        self.events = None

    def look(self, tree: Any) -> Known:
        """Say what a tree's file is, and compare it if the tree is the item's.

        Raises
        ------
        ChangedFileError
            If it is not the file that was planned.
        """
        found: Known = (identity.of_root(tree).hex(), int(tree.num_entries))
        if self.is_of_item(tree):
            self.compare(found)
        return found

    def is_of_item(self, tree: Any) -> bool:
        wanted = str(getattr(self._item, "treename", ""))
        return _plain(tree.object_path) == _plain(wanted)

    def look_at_parquet(self, path: str) -> None:
        """Do the same for a parquet file, which coffea reads by itself."""
        state = state_of(path)
        if state is None:
            return  # not of this machine's file systems, or not there, which coffea says
        before = self._parquet.get(path)
        if before is None or before[0] != state:
            try:
                found = self._of_parquet(path)
            except (OSError, ValueError):
                return
            self._parquet[path] = before = (state, found)
        self.compare(before[1])

    @staticmethod
    def _of_parquet(path: str) -> Known:
        from pyarrow import parquet

        with Path(path).open("rb") as stream:
            return identity.of_parquet(stream).hex(), int(parquet.read_metadata(stream).num_rows)

    def compare(self, found: Known) -> None:
        self.seen = found
        entries, planned = found[1], self._known[1]
        if planned is not None and entries is not None and entries != planned:
            raise ChangedFileError(f"it has {entries:,} entries, but was planned with {planned:,}")
        if self._known[0] and found[0] != self._known[0]:
            raise ChangedFileError("it was written anew, or changed, since it was planned")
        stop = getattr(self._item, "entrystop", 0)
        if entries is not None and stop > entries:
            raise ChangedFileError(f"it has {entries:,} entries, but was planned with {stop:,} or more")

    def counted(self, processor: Any) -> Any:
        """Return a processor that counts the events that it is given."""
        from coffea.processor import ProcessorABC

        ProcessorABC.register(_Counting)
        return _Counting(processor, self)


class _Counting:
    """Made a processor of coffea's when there is one, as not every coffea calls anything else."""

    def __init__(self, processor: Any, inputs: Inputs) -> None:
        self._processor = processor
        self._inputs = inputs

    def process(self, events: Any) -> Any:
        from coffea.processor import ProcessorABC

        self._inputs.events = len(events)
        self._inputs.begun()
        processor = self._processor
        process = processor.process if isinstance(processor, ProcessorABC) else processor
        return returned.something(process(events), process)

    __call__ = process
    """Some coffeas take for packed what is not both: see `abilities.unpacks_processors`."""


def state_of(path: Any) -> _State | None:
    """Return what tells a local file from another of its name; None of others."""
    if not isinstance(path, str) or "://" in path:
        return None
    try:
        stat = os.stat(path)  # noqa: PTH116 - once a chunk
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _plain(treename: str) -> str:
    return treename.partition(";")[0].strip("/")
