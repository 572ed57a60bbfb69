"""What tasks keep of the columns that their chunks read, on their host, for those that read them again.

What is read of files is in `baskets`, what a file of columns is made of in `packs`, where it lies in `shelf`.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from . import packs, shelf
from .packs import DamagedPackError, Entry, Key, Piece
from .reads import recorder
from .shelf import Shelf, ShelfError

OFF, AUTO = "off", "auto"
ARRAYS = "100 MB"  # what uproot itself keeps of the arrays of a file
MOST_WAITING = 256 << 20  # bytes that wait to be written: what a chunk reads beyond is not kept
_PATIENCE = 1.0  # seconds that an answer waits for what is still written
_LONG = 30.0  # and that the end of a task does
_MOST_NOTES = 5


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is wanted: `off`, `auto` or `on`; where, if not at the host's own place; bytes, if said."""

    mode: str = OFF
    directory: str = ""
    limit: int | None = None


NOTHING = Wish()


@dataclass
class Counts:
    """Baskets, bytes of their values, and seconds; `saved` is what reading took, less what this took."""

    hits: int = 0
    misses: int = 0
    bytes_hit: int = 0
    bytes_missed: int = 0
    bytes_kept: int = 0
    saved: float = 0.0


@dataclass
class Columns:
    """The columns that a task reads and keeps."""

    wish: Wish = field(default_factory=Wish)
    counts: Counts = field(default_factory=Counts)
    notes: list[str] = field(default_factory=list)
    shelf: Shelf | None = None
    _broken: bool = False
    _waiting: dict[str, tuple[dict[str, Any], list[Piece]]] = field(default_factory=dict)
    _bytes: int = 0
    _writer: threading.Thread | None = None
    _known: dict[str, dict[Key, Entry]] = field(default_factory=dict)
    _indexed: set[str] = field(default_factory=set)  # packs whose index is in `_known`

    def open(self) -> Shelf | None:
        """Return where columns are kept; None if nothing is wanted, or it cannot be used, which is noted."""
        if self.shelf is None and not self._broken and self.wish.mode != OFF:
            disk = os.environ.get("DISK", "")
            most = int(disk) * 10**6 if disk.isdigit() else None
            try:
                with recorder.quiet():
                    place = shelf.place_of(self.wish.directory)
                    self.shelf = Shelf(place, self.wish.limit, most=most)
            except (ShelfError, OSError) as error:
                self._broken = True
                self.note(f"not used: {error}")
        return self.shelf

    def note(self, text: str) -> None:
        """Say something once."""
        if text not in self.notes and len(self.notes) < _MOST_NOTES:
            self.notes.append(text)

    # -- reading

    def known(self, key: str) -> dict[Key, Entry]:
        """Return what is kept of a file's tree; looked up once in a task."""
        return self._known[key] if key in self._known else self._look(key)

    def _look(self, key: str) -> dict[Key, Entry]:
        """Return what is kept of a file's tree by now."""
        assert self.shelf is not None
        known = self._known.setdefault(key, {})
        for path in map(str, self.shelf.packs_of(key)):
            if path not in self._indexed:
                self._add(key, path)
        return known

    def _add(self, key: str, path: str) -> None:
        self._indexed.add(path)
        try:
            entries = packs.read_index(path, key)
        except (DamagedPackError, ValueError, TypeError, KeyError) as error:
            self.damaged(path, error)
        except OSError:
            pass  # somebody made room
        else:
            self._known[key].update((entry.key, entry) for entry in entries)

    def damaged(self, path: str, error: Exception) -> None:
        """Say that a pack is not what was written, and remove it."""
        self.note(f"{path} was damaged and is removed; what it held is read from its files: {error}")
        assert self.shelf is not None
        self.shelf.drop(path)
        for entries in self._known.values():
            for key in [key for key, entry in list(entries.items()) if entry.path == path]:
                entries.pop(key, None)

    def pieces(self, entries: Sequence[Entry]) -> list[Piece | None]:
        """Return the pieces of a branch that entries are about, None for what cannot be trusted."""
        assert self.shelf is not None
        pieces: list[Piece | None] = []
        for path, run in itertools.groupby(entries, lambda entry: entry.path):
            wanted = list(run)
            try:
                pieces += packs.read_pieces(path, wanted)
                self.shelf.used(path)
                continue
            except (DamagedPackError, ValueError, TypeError) as error:
                self.damaged(path, error)
            except OSError:
                pass  # somebody made room
            pieces += [None] * len(wanted)
        return pieces

    # -- writing, behind the chunk that comes next

    def keep(self, key: str, of: dict[str, Any], pieces: Sequence[Piece]) -> None:
        """Have pieces written when the chunk has ended."""
        size = sum(one.size for one in pieces)
        if self._bytes + size > MOST_WAITING:
            self.note(
                f"a chunk reads more than {MOST_WAITING >> 20} MB of columns: only so much of it is kept at "
                "once; smaller chunks (--chunksize) keep all"
            )
            return
        self._bytes += size
        self._waiting.setdefault(key, (of, []))[1].extend(pieces)

    def flush(self) -> None:
        """Write what the chunk has read while the next one is computed."""
        if not self._waiting:
            return
        if self._writer is not None and self._writer.is_alive():
            if self._bytes > MOST_WAITING // 2:
                self.note("the disk of the column cache is slower than the chunks: not all is kept")
                self.forget()
            return  # it goes with what comes next
        waiting = dict(self._waiting)
        self.forget()
        self._writer = threading.Thread(target=self._write, args=(waiting,), name="columns", daemon=True)
        self._writer.start()

    def forget(self) -> None:
        """Keep nothing of what waits to be written."""
        self._waiting, self._bytes = {}, 0

    def settle(self) -> None:
        """Write the last of it, and wait for a moment, so that the answer tells what became of it."""
        self._wait(_PATIENCE)
        self.flush()
        self._wait(_PATIENCE)
        if self._waiting or (self._writer is not None and self._writer.is_alive()):
            self.note("the disk of the column cache is slow: a task ends before all that it read is kept")

    def close(self) -> None:
        """Wait for what is still written."""
        self._wait(_LONG)
        self.flush()
        self._wait(_LONG)

    def _wait(self, seconds: float) -> None:
        if self._writer is not None:
            self._writer.join(seconds)

    def _write(self, waiting: dict[str, tuple[dict[str, Any], list[Piece]]]) -> None:
        with recorder.quiet():
            for key, (of, pieces) in waiting.items():
                try:
                    self._write_pack(key, of, pieces)
                except ShelfError as error:
                    self.note(f"nothing more is kept: {error}")
                except Exception as error:
                    self.note(f"nothing more is kept: {type(error).__name__}: {error}")

    def _write_pack(self, key: str, of: dict[str, Any], pieces: list[Piece]) -> None:
        assert self.shelf is not None
        there = self._look(key)  # other tasks read the same baskets meanwhile
        # what a processor has changed in place is not kept
        wanted = [one for one in pieces if one.key not in there and one.is_as_read()]
        if wanted:
            path = self.shelf.keep(key, of, wanted)
            self.counts.bytes_kept += sum(one.size for one in wanted)
            self._add(key, str(path))

    def told(self) -> dict[str, Any] | None:
        """Return what an answer says of it; None where there is nothing to say."""
        if not self.notes and self.counts == Counts():
            return None
        place = str(self.shelf.place) if self.shelf is not None else ""
        limit = self.shelf.limit if self.shelf is not None else 0
        return {**asdict(self.counts), "notes": list(self.notes), "place": place, "limit": limit}
