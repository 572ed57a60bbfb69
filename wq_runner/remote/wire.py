"""The file in which a task answers: a magic number, the length of a JSON header, the header, blobs.

The header holds sizes and checksums of the blobs. Two are written: the merged result (lz4 of
cloudpickle) and the exceptions (cloudpickle), a chain per failure from the outermost to its cause.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

MAGIC = b"WQR1"
VERSION = 1  # raised when a manager could not read what an older payload wrote


class DamagedError(Exception):
    """A file that is cut, altered, or not an answer at all."""


def write(path: Path, header: dict[str, Any], blobs: Sequence[bytes] = ()) -> None:
    """Write the file under its name at once."""
    parts = [{"size": len(blob), "checksum": checksum(blob)} for blob in blobs]
    head = json.dumps({**header, "version": VERSION, "blobs": parts}).encode()
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as stream:
        stream.write(MAGIC + struct.pack("<Q", len(head)) + head)
        for blob in blobs:
            stream.write(blob)
    os.replace(temporary, path)  # noqa: PTH105 - as fast as it is


def read(path: Path) -> tuple[dict[str, Any], list[bytes]]:
    """Return header and blobs, checked.

    Raises
    ------
    DamagedError
        If any part is missing or not what was written.
    OSError
        If the file cannot be read.
    """
    data = path.read_bytes()
    start = len(MAGIC) + 8
    if data[: len(MAGIC)] != MAGIC or len(data) < start:
        raise DamagedError(f"{path.name} is not an answer")
    (length,) = struct.unpack("<Q", data[len(MAGIC) : start])
    try:
        header = json.loads(data[start : start + length])
    except ValueError as error:
        raise DamagedError(f"{path.name} is cut or altered") from error
    blobs: list[bytes] = []
    offset = start + length
    for part in header["blobs"]:
        blob = data[offset : offset + part["size"]]
        if checksum(blob) != part["checksum"]:
            raise DamagedError(f"{path.name} is cut or altered")
        blobs.append(blob)
        offset += part["size"]
    return header, blobs


def checksum(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
