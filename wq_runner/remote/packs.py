"""Columns in a file: the values of branches, each piece those of one basket, with a checksum for every part.

A pack is a line that says what it is, the length and the hash of its index, the index (JSON), then the
values. The index has the checksum of each array, so that all that is read hangs on what was just checked. It
is read, never mapped: where a disk fails, a mapping ends the process without a word.
"""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

xxhash: Any = importlib.import_module("xxhash") if importlib.util.find_spec("xxhash") else None
"""It comes with uproot 5; with uproot 4 it may be missing."""

VERSION = 2
"""Raise it when a pack, its key, or what the values of a piece mean is another."""

HASHES = "xxh3" if xxhash is not None else "blake2b"
"""Names what baskets and values are known by here. All bytes are hashed, and XXH3 is 20 times as fast."""

_MAGIC = b"wq-runner columns %d\n" % VERSION
_HEAD = struct.Struct(">Q16s")
_LONGEST = 64 << 20  # bytes of an index: a larger one is damaged
_DIGEST = 16


class DamagedPackError(Exception):
    """A pack is not what was written."""


class Key(NamedTuple):
    """Which basket a piece is of: branch, interpretation, entries, and where it lies in its file."""

    branch: str
    interpretation: str
    start: int
    stop: int
    begin: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Piece:
    """The values of a basket: one array, or offsets from 0 and the content.

    `raw` is the hash of the basket as it is in its file, empty where that is not compared; `seconds` is what
    it took to read it there. `checksums` are those of the arrays as they were read: a processor may have
    changed them since.
    """

    key: Key
    raw: str
    seconds: float
    arrays: tuple[Any, ...]
    checksums: tuple[int, ...]

    def is_as_read(self) -> bool:
        """Whether the arrays are what they were."""
        return all(checksum(one) == was for one, was in zip(self.arrays, self.checksums, strict=True))

    @property
    def size(self) -> int:
        return sum(int(one.nbytes) for one in self.arrays)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Where a piece lies: the file, and of each array the type, place, length in bytes, and checksum."""

    path: str
    key: Key
    raw: str
    seconds: float
    arrays: tuple[tuple[str, int, int, int], ...]


def digest(content: Any) -> str:
    """Return the hash of bytes, of 128 bits: no two that differ have the same."""
    if xxhash is not None:
        return str(xxhash.xxh3_128_hexdigest(content))
    return hashlib.blake2b(content, digest_size=_DIGEST).hexdigest()


def checksum(array: Any) -> int:
    """Return the checksum of what is in an array."""
    content = bytes_of(array)
    return int(xxhash.xxh3_64_intdigest(content)) if xxhash is not None else zlib.crc32(content)


def bytes_of(array: Any) -> Any:
    """Return what is in an array, without a copy."""
    return memoryview(array).cast("B") if array.nbytes else b""


def parts(of: Mapping[str, Any], pieces: Sequence[Piece]) -> list[Any]:
    """Return the contents of a pack of these pieces, buffer by buffer. `of` says of which file and tree."""
    place = 0
    entries = []
    for piece in pieces:
        arrays = []
        for one, known in zip(piece.arrays, piece.checksums, strict=True):
            arrays.append([one.dtype.str, place, int(one.nbytes), known])
            place += int(one.nbytes)
        entries.append([*piece.key, piece.raw, piece.seconds, arrays])
    index = json.dumps({"of": dict(of), "size": place, "pieces": entries}).encode()
    head = _HEAD.pack(len(index), hashlib.blake2b(_MAGIC + index, digest_size=_DIGEST).digest())
    buffers = [bytes_of(one) for piece in pieces for one in piece.arrays if one.nbytes]
    return [_MAGIC, head, index, *buffers]


def read_index(path: str, key: str) -> list[Entry]:
    """Return what is in a pack of a file and tree that are known by a key.

    Raises
    ------
    DamagedPackError
        If it is not as it was written.
    OSError
        If it cannot be read.
    """
    first, index = _index(path)
    if index["of"]["key"] != key:
        raise DamagedPackError("it is of another file")
    return [_entry(path, first, *one) for one in index["pieces"]]


def read_about(path: str) -> dict[str, str]:
    """Return what a pack is of; raises as `read_index`."""
    of: dict[str, str] = _index(path)[1]["of"]
    return of


def _index(path: str) -> tuple[int, dict[str, Any]]:
    """Return where the values begin, and the index."""
    with open_pack(path) as stream:
        head = stream.read(len(_MAGIC) + _HEAD.size)
        if len(head) != len(_MAGIC) + _HEAD.size or not head.startswith(_MAGIC):
            raise DamagedPackError("its beginning is not that of a pack")
        length, wanted = _HEAD.unpack(head[len(_MAGIC) :])
        text = stream.read(length) if length <= _LONGEST else b""
        if len(text) != length or hashlib.blake2b(_MAGIC + text, digest_size=_DIGEST).digest() != wanted:
            raise DamagedPackError("its index is not what was written")
        index: dict[str, Any] = json.loads(text)
        first = len(head) + length
        if os.fstat(stream.fileno()).st_size != first + index["size"]:
            raise DamagedPackError("it is not as long as it was written")
    return first, index


def _entry(path: str, first: int, *found: Any) -> Entry:
    """Return an entry of an index, where values begin at the byte `first`."""
    *key, raw, seconds, arrays = found
    placed = tuple((kind, first + place, size, known) for kind, place, size, known in arrays)
    return Entry(path=path, key=Key(*key), raw=raw, seconds=seconds, arrays=placed)


def read_pieces(path: str, entries: Sequence[Entry]) -> list[Piece]:
    """Return pieces of a branch, whose values have been compared with their checksums.

    What belongs together follows each other in memory, so that nothing is copied to put it together.

    Raises
    ------
    DamagedPackError
        If they are not what was written.
    OSError
        If they cannot be read.
    """
    found = []
    with open_pack(path) as stream:
        for entry, arrays in zip(entries, _places(entries), strict=True):
            for (_, place, size, known), values in zip(entry.arrays, arrays, strict=True):
                if size and os.preadv(stream.fileno(), [bytes_of(values)], place) != size:
                    raise DamagedPackError("it ends before its values do")
                if checksum(values) != known:
                    raise DamagedPackError(f"the values of {entry.key.branch} are not what was written")
            found.append(
                Piece(
                    key=entry.key,
                    raw=entry.raw,
                    seconds=entry.seconds,
                    arrays=arrays,
                    checksums=tuple(known for *_, known in entry.arrays),
                )
            )
    return found


def _places(entries: Sequence[Entry]) -> Iterator[tuple[Any, ...]]:
    """Yield the empty arrays for each piece, each in front of the same one of the next piece."""
    import numpy as np

    if len({tuple(kind for kind, *_ in one.arrays) for one in entries}) != 1:
        raise DamagedPackError("the values of a branch are of several kinds")
    rows = []
    for row in zip(*(one.arrays for one in entries), strict=True):
        dtype = np.dtype(row[0][0])
        ends = list(itertools.accumulate(size // dtype.itemsize for _, _, size, _ in row))
        whole = np.empty(ends[-1], dtype)
        rows.append([whole[first:last] for first, last in zip([0, *ends], ends, strict=False)])
    yield from zip(*rows, strict=True)


def open_pack(path: str) -> Any:
    """Open a file of this user's, which is no link.

    Raises
    ------
    DamagedPackError
        If it is somebody else's, or others can write to it.
    """
    stream = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")
    facts = os.fstat(stream.fileno())
    if facts.st_uid != os.getuid() or facts.st_mode & 0o022:
        stream.close()
        raise DamagedPackError("others than its owner could have written it")
    return stream
