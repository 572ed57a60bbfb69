"""What tells an input file from every other: it follows from what is in the file, wherever it lies.

ROOT keeps a file's uuid when the file is updated, and writes zeros where files are to be reproducible;
parquet has none. So an identity is a hash of what a reader sees anyway when it opens the file: for ROOT the
uuid, the size and the times in the file's header, and the record of the tree, which says where and how large
it is; for parquet the size and the footer, which has the place, size and statistics of every piece. Where no
uuid vouches for the data themselves, some of them are in the hash too: all of a small file.
"""

from __future__ import annotations

import hashlib
import queue
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

SMALL = 2**20  # bytes: of a larger file only samples are read
_SAMPLES = 64
_SAMPLE = SMALL // _SAMPLES

_MAGIC = b"PAR1"
_TAIL = 8  # bytes at the end of a parquet file: the length of the footer, and the magic


def of_root(tree: Any) -> bytes:
    """Return the identity of the file of a TTree or RNTuple, as uproot has opened it."""
    key = tree.parent
    directory = key.parent
    while directory.path:  # a subdirectory, whose parent is its key
        directory = directory.parent.parent
    file = tree.file
    values = [
        file.fEND,
        *(file.fSeekFree, file.fNbytesFree, file.fSeekInfo, file.fNbytesInfo),
        *(directory.fDatimeC, directory.fDatimeM, directory.fSeekKeys, directory.fNbytesKeys),
        *(key.fDatime, key.fCycle, key.fSeekKey, key.fNbytes, key.fObjlen),
        tree.num_entries,
    ]
    if hasattr(tree, "has_member") and tree.has_member("fTotBytes"):
        values += [tree.member("fTotBytes"), tree.member("fZipBytes")]
    digest = _started(b"root", bytes(file.fUUID), values)
    if not any(file.fUUID):
        # pieces of remote files come in one answer
        for chunk in file.source.chunks(list(_samples(file.fEND)), queue.Queue()):
            chunk.wait()
            digest.update(bytes(chunk.raw_data))
    return bytes(digest.digest())


def of_parquet(stream: BinaryIO) -> bytes:
    """Return the identity of an open parquet file.

    Raises
    ------
    ValueError
        If it is none.
    """
    size = stream.seek(0, 2)
    stream.seek(max(0, size - _TAIL))
    tail = stream.read(_TAIL)
    if size < _TAIL + len(_MAGIC) or tail[-len(_MAGIC) :] != _MAGIC:
        raise ValueError("not a parquet file")
    length = struct.unpack("<I", tail[: -len(_MAGIC)])[0]
    stream.seek(max(0, size - _TAIL - length))
    digest = _started(b"parquet", stream.read(length), [size])
    for start, stop in _samples(size):
        stream.seek(start)
        digest.update(stream.read(stop - start))
    return bytes(digest.digest())


def _started(kind: bytes, what: bytes, values: list[int]) -> Any:
    digest = hashlib.blake2b(kind, digest_size=8)
    digest.update(hashlib.blake2b(what).digest())
    digest.update(struct.pack(f">{len(values)}q", *map(int, values)))
    return digest


def _samples(size: int) -> Iterator[tuple[int, int]]:
    """Yield what to read of a file: all of a small one, else pieces from its beginning to its end."""
    if size <= SMALL:
        yield 0, size
        return
    for number in range(_SAMPLES):
        start = (size - _SAMPLE) * number // (_SAMPLES - 1)
        yield start, start + _SAMPLE
