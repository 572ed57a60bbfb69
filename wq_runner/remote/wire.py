"""The file in which a task answers: a magic number, a JSON header, blobs, files.

The length and the checksum of the header come before it. It holds sizes and checksums of the blobs.
Two are written: the merged result (lz4 of cloudpickle) and the exceptions (cloudpickle), a chain per
failure from the outermost to its cause. After them come more results if there are several sums. Then come
the files that the processor wrote: they may be large, and are never in memory as a whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

MAGIC = b"WQR2"
BLOCK = 1 << 20
VERSION = 2  # raised when a manager could not read what an older payload wrote
_SIZE = struct.Struct("<Q")
_CHECK = 16  # bytes of the checksum of the header
_START = len(MAGIC) + _SIZE.size + _CHECK


class DamagedError(Exception):
    """A file that is cut, altered, or not an answer at all."""


def write(
    path: Path,
    header: dict[str, Any],
    blobs: Sequence[bytes] = (),
    files: Sequence[tuple[int, str, Path]] = (),
) -> None:
    """Write the file under its name at once. `files` are the index of their item, their name and place."""
    parts = [{"size": len(blob), "checksum": checksum(blob)} for blob in blobs]
    listed = [
        {"index": index, "name": name, "size": place.stat().st_size, "checksum": checksum_of(place)}
        for index, name, place in files
    ]
    head = json.dumps({**header, "version": VERSION, "blobs": parts, "files": listed}).encode()
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as stream:
        stream.write(MAGIC + _SIZE.pack(len(head)) + _digest(head) + head)
        for blob in blobs:
            stream.write(blob)
        for _, _, place in files:
            for block in _blocks(place):
                stream.write(block)
            place.unlink()
    os.replace(temporary, path)  # noqa: PTH105 - as fast as it is


def read(path: Path) -> tuple[dict[str, Any], list[bytes]]:
    """Return header and blobs, checked. Of files only the header is read: `check_files` does the rest.

    Raises
    ------
    DamagedError
        If any part is missing or not what was written.
    OSError
        If the file cannot be read.
    """
    with path.open("rb") as stream:
        return _read(path, stream)


def _read(path: Path, stream: BinaryIO) -> tuple[dict[str, Any], list[bytes]]:
    start = stream.read(_START)
    if start[: len(MAGIC)] != MAGIC or len(start) < _START:
        raise DamagedError(f"{path.name} is not an answer")
    (length,) = _SIZE.unpack_from(start, len(MAGIC))
    if length > path.stat().st_size:
        raise DamagedError(f"{path.name} is cut or altered")
    head = stream.read(length)
    if _digest(head) != start[-_CHECK:]:
        raise DamagedError(f"{path.name} is cut or altered")
    try:
        header = json.loads(head)
        sizes = [(part["size"], part["checksum"]) for part in header["blobs"]]
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedError(f"{path.name} is cut or altered") from error
    blobs: list[bytes] = []
    for size, wanted in sizes:
        blob = stream.read(size)
        if checksum(blob) != wanted:
            raise DamagedError(f"{path.name} is cut or altered")
        blobs.append(blob)
    return header, blobs


def check_files(path: Path) -> None:
    """Read the files in an answer, block by block.

    Raises
    ------
    DamagedError
        If one of them is missing or not what was written.
    """
    for _ in each_file(path):
        pass


def each_file(path: Path) -> Iterator[tuple[dict[str, Any], Iterator[bytes]]]:
    """Yield what the header says of each file, and its blocks; checked when the next one is asked for.

    Raises
    ------
    DamagedError
        If one of them is missing or not what was written.
    """
    with path.open("rb") as stream:
        header, _ = _read(path, stream)
        for entry in header.get("files", ()):
            found = hashlib.blake2b(digest_size=16)
            blocks = _checked(stream, entry["size"], found)
            yield entry, blocks
            for _ in blocks:  # what nobody wanted
                pass
            if found.hexdigest() != entry["checksum"]:
                raise DamagedError(f"{entry['name']} in {path.name} is cut or altered")


def drop_files(path: Path) -> None:
    """Cut the files off an answer; what is left is whole without them."""
    with path.open("rb+") as stream:
        header, _ = _read(path, stream)
        if header.get("files"):
            stream.truncate(stream.tell())
            os.fsync(stream.fileno())


def checksum(data: bytes) -> str:
    return _digest(data).hex()


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_CHECK).digest()


def checksum_of(path: Path) -> str:
    found = hashlib.blake2b(digest_size=16)
    for block in _blocks(path):
        found.update(block)
    return found.hexdigest()


def _checked(stream: BinaryIO, size: int, found: Any) -> Iterator[bytes]:
    while size:
        block = stream.read(min(size, BLOCK))
        if not block:
            return
        found.update(block)
        size -= len(block)
        yield block


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            yield block
