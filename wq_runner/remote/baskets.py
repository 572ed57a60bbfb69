"""What uproot asks for arrays before it reads them: answered from the columns that were kept.

uproot asks a mapping (`array_cache`) for the array of a branch and a range of entries. Ours answers with what
was read of the same baskets before, and reads the others whole, as uproot does anyway: so what is kept does
not depend on how chunks are cut. Whatever is not as it should be is read from the file as ever.

A piece is known by what its file is (`identity`), and by branch, interpretation and basket. Of a file of a
file system the basket is compared as well, as it is in the file: what is decompressed is hashed, and so is
what lies there whenever a piece is asked for. So nothing written over it is taken for it, whatever its name,
size, times and uuid. Of a file of a server that would be the read that is to be saved: there the identity
counts, with place and size of the basket, and a large file that has no uuid is not kept.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import time
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

from . import arrays, packs, shelf
from .columns import ARRAYS, AUTO, OFF, Columns
from .identity import SMALL
from .opening import is_local
from .packs import Entry, Key, Piece
from .reads import recorder

_SLOW = ("LZMA",)  # codecs that take far longer than what a cache does: see docs/performance.md


def attach(columns: Columns, tree: Any, identity: str) -> None:
    """Have the arrays of a tree come from what is kept, if that is wanted; `identity` is its file's."""
    if columns.wish.mode == OFF or not identity or not _has_baskets(tree) or columns.open() is None:
        return
    local = is_local(tree.file.file_path)
    if not local and not any(tree.file.fUUID) and tree.file.fEND > SMALL:
        columns.note("files of a server that have no uuid are not kept: nothing tells them apart for sure")
        return
    tree.file.array_cache = KeptArrays(columns, tree, identity, local=local)


def _has_baskets(tree: Any) -> bool:
    """Whether this is a TTree, and no RNTuple."""
    from uproot.behaviors.TTree import TTree

    return isinstance(tree, TTree)


class KeptArrays(MutableMapping[str, Any]):
    """What uproot asks for the arrays of a tree, before it reads them."""

    def __init__(self, columns: Columns, tree: Any, identity: str, *, local: bool) -> None:
        import uproot

        self._columns = columns
        self._tree = tree
        self._local = local
        # what is read of a file system is read again: it is decompression that is saved
        self._clock = time.thread_time if local else time.perf_counter
        self._others = uproot.cache.LRUArrayCache(ARRAYS)  # what is not kept, as uproot keeps it
        self._of = {"identity": identity, "tree": str(tree.object_path), "file": str(tree.file.file_path)}
        self._key = shelf.key_of(
            identity, tree.object_path, tree.num_entries, uproot.__version__, packs.HASHES
        )
        self._of["key"] = self._key
        self._branches: dict[str, Any] | None = None
        self._answered = ""  # what was asked for last: uproot gives it back at once

    def __reduce__(self) -> Any:
        return dict, ()  # what is read lazily may hold it, and travel in a result

    def __getitem__(self, key: str) -> Any:
        asked = self._asked(key)
        if asked is None:
            return self._others[key]
        branch, start, stop = asked
        with self._or_as_ever(key), recorder.quiet():
            baskets = self._baskets(branch, start, stop)
            pieces = self._found(baskets)
        if not baskets:
            raise KeyError(key)
        self._answered = key
        for first, last in _gaps(pieces):
            read, pieces[first:last] = self._read(key, branch, baskets[first:last])
            if (first, last) == (0, len(baskets)) and _extent(baskets) == (start, stop):
                return read
        with self._or_as_ever(key):
            parts = [(one.key.start, one.key.stop, one.arrays) for one in pieces if one is not None]
            return arrays.joined(parts, start, stop)

    @contextlib.contextmanager
    def _or_as_ever(self, key: str) -> Iterator[None]:
        """Have uproot read an array by itself if anything of ours fails."""
        try:
            yield
        except Exception as error:
            if not isinstance(error, KeyError):
                self._columns.note(f"some arrays are not kept: {type(error).__name__}: {error}")
            raise KeyError(key) from None

    def __setitem__(self, key: str, value: Any) -> None:
        if key != self._answered and self._asked(key) is None:
            self._others[key] = value

    def __delitem__(self, key: str) -> None:
        del self._others[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._others)

    def __len__(self) -> int:
        return len(self._others)

    # -- what is asked for

    def _asked(self, key: str) -> tuple[Any, int, int] | None:
        """Return branch and range of entries that a key of uproot's is about, if these can be kept."""
        front, _, library = key.rpartition(":")
        front, _, entries = front.rpartition(":")
        front, _, interpretation = front.rpartition(":")
        start, _, stop = entries.partition("-")
        if library != "ak" or not (start.isdigit() and stop.isdigit()):
            return None
        branch = self._branch(front)
        if branch is None or branch.interpretation.cache_key != interpretation:
            return None
        if not arrays.is_plain(branch.interpretation) or not self._pays(branch):
            return None
        return branch, int(start), int(stop)

    def _branch(self, front: str) -> Any:
        name = front.rpartition(":")[2]
        found = self._tree.get(name) if name else None
        if found is not None and front in _fronts(self._tree, found):
            return found
        if self._branches is None:
            self._branches = {f"{one.cache_key}:{one.name}": one for one in self._tree.itervalues()}
        return self._branches.get(front)

    def _pays(self, branch: Any) -> bool:
        if self._columns.wish.mode != AUTO or not self._local:
            return True
        # uproot writes what it compresses with to the file, and nothing to branches
        codec = branch.compression or self._tree.file.compression
        return type(codec).__name__ in _SLOW

    def _baskets(self, branch: Any, start: int, stop: int) -> list[Key]:
        """Return the baskets that hold these entries; none if some are elsewhere, as in the tree itself."""
        offsets = branch.entry_offsets
        found = []
        for number, place in branch.entries_to_ranges_or_baskets(start, stop):
            if not isinstance(place, tuple):
                return []
            found.append(
                Key(
                    branch.cache_key.removeprefix(self._tree.cache_key),
                    branch.interpretation.cache_key,
                    *(int(offsets[number]), int(offsets[number + 1])),
                    *(int(place[0]), int(place[1])),
                )
            )
        return found

    # -- what is kept

    def _found(self, baskets: Sequence[Key]) -> list[Piece | None]:
        """Return the pieces that are there for baskets, if they are the same."""
        began = self._clock()
        known = self._columns.known(self._key)
        entries = [known.get(one) for one in baskets]
        raw = self._hashes([one.key for one in entries if one is not None])
        sound = [one for one in entries if one is not None and (not self._local or _is_same(one, raw))]
        read = self._columns.pieces(sound)
        kept = {one.key: one for one in read if one is not None and arrays.is_sound(one)}
        pieces = [kept.get(one) for one in baskets]
        counts = self._columns.counts
        for one in pieces:
            if one is not None:
                counts.hits += 1
                counts.bytes_hit += one.size
                counts.saved += one.seconds
        if any(pieces):
            counts.saved -= self._clock() - began
        return pieces

    def _hashes(self, baskets: Sequence[Key]) -> dict[Key, str]:
        """Return the hashes of baskets as they are in a file of a file system."""
        if not self._local or not baskets:
            return {}
        return {one: packs.digest(chunk.raw_data) for one, chunk in self._raw(baskets).items()}

    def _raw(self, baskets: Sequence[Key]) -> dict[Key, Any]:
        """Return baskets as they are in their file."""
        keys = {(one.begin, one.end): one for one in baskets}
        chunks = self._tree.file.source.chunks(list(keys), queue.Queue())
        for chunk in chunks:
            chunk.wait()
        return {keys[chunk.start, chunk.stop]: chunk for chunk in chunks}

    def _read(self, key: str, branch: Any, baskets: Sequence[Key]) -> tuple[Any, list[Piece]]:
        """Read neighbouring baskets from the file, and have them kept."""
        import uproot

        began = self._clock()
        raw = self._raw(baskets)
        with self._or_as_ever(key):
            hashes = {one: packs.digest(chunk.raw_data) for one, chunk in raw.items()} if self._local else {}
            reader = _reading_from(branch, raw.values())
        if self._local:
            began = self._clock()
        one_by_one = uproot.source.futures.TrivialExecutor()
        read = reader.array(
            entry_start=baskets[0].start,
            entry_stop=baskets[-1].stop,
            decompression_executor=one_by_one,
            interpretation_executor=one_by_one,
            array_cache=None,
            library="ak",
        )
        seconds = self._clock() - began
        with self._or_as_ever(key):
            pieces = self._cut(read, baskets, hashes, seconds)
            self._columns.keep(self._key, self._of, pieces)
        return read, pieces

    def _cut(self, read: Any, baskets: Sequence[Key], raw: dict[Key, str], seconds: float) -> list[Piece]:
        """Cut what was read in so many seconds into pieces, one for each basket."""
        values = arrays.taken(read)
        if values is None:
            raise KeyError  # it is another form than its interpretation says
        cut = arrays.cut(values, [(one.start, one.stop) for one in baskets])
        whole = sum(part.nbytes for one in cut for part in one) or 1
        pieces = [
            Piece(
                key=key,
                raw=raw.get(key, ""),
                seconds=seconds * sum(part.nbytes for part in one) / whole,
                arrays=one,
                checksums=tuple(map(packs.checksum, one)),
            )
            for key, one in zip(baskets, cut, strict=True)
        ]
        self._columns.counts.misses += len(pieces)
        self._columns.counts.bytes_missed += sum(one.size for one in pieces)
        return pieces


class _AtHand:
    """What uproot reads baskets from: those that are at hand."""

    def __init__(self, chunks: Iterable[Any]) -> None:
        self._chunks = {(chunk.start, chunk.stop): chunk for chunk in chunks}

    def chunks(self, ranges: Iterable[tuple[int, int]], notifications: queue.Queue[Any]) -> list[Any]:
        found = [self._chunks[int(start), int(stop)] for start, stop in ranges]
        for chunk in found:
            notifications.put(chunk)
        return found


def _reading_from(branch: Any, chunks: Iterable[Any]) -> Any:
    """Return a branch whose baskets are those in chunks: so what is hashed is what is decompressed."""
    file = _copy(branch.file)
    file._source = _AtHand(chunks)
    own = _copy(branch)
    own._file = file
    return own


def _copy(of: Any) -> Any:
    """Return what `copy.copy` does for a plain object, in a fifth of the time."""
    own = object.__new__(type(of))
    own.__dict__.update(of.__dict__)
    return own


def _is_same(entry: Entry, raw: Mapping[Key, str]) -> bool:
    """Whether the basket in the file is the one that was kept."""
    return bool(entry.raw) and raw.get(entry.key) == entry.raw


def _extent(baskets: Sequence[Key]) -> tuple[int, int]:
    """Return the first entry of baskets, and the one after the last."""
    return baskets[0].start, baskets[-1].stop


def _fronts(tree: Any, branch: Any) -> tuple[str, str]:
    """Return how uproot's keys of a branch begin: where it is read alone, and with others of its tree."""
    return f"{branch.cache_key}:{branch.name}", f"{tree.cache_key}:{branch.name}"


def _gaps(pieces: Sequence[Piece | None]) -> list[tuple[int, int]]:
    """Return the runs of what is not there, the last one first, as first and last place."""
    found = []
    for is_gap, run in itertools.groupby(range(len(pieces)), lambda place: pieces[place] is None):
        if is_gap:
            places = list(run)
            found.append((places[0], places[-1] + 1))
    return found[::-1]
