"""What tells whether a record is as it was written: checksums of lines of JSON, and of JSON files.

They are for what a disk, a file system or a slip does to files, not against changes on purpose.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wq_runner import system

_SEAL = b',"crc":"%08x"}\n'
_SIZE = len(_SEAL % 0)
_LONG = 20  # entries
_FIELD = '"checksum": "'
_BETWEEN = "}, {"  # entries of a list, where json writes two objects


class DamagedRecordError(ValueError):
    """A record that is not as it was written."""


def of_file(path: Path) -> str:
    """Return the checksum of a small file."""
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


def seal(line: bytes, seed: int = 0) -> bytes:
    """Return a JSON object, of one line, with the checksum of all before it as its last member.

    The `seed` is a number that reader and writer both know: the line counts only where it does.
    """
    body = line[:-1]
    return body + _SEAL % zlib.crc32(body, seed)


def is_sealed(line: bytes) -> bool:
    """Whether a line claims to have a checksum."""
    return line[-_SIZE:].startswith(_SEAL[:8])


def is_whole(line: bytes, seed: int = 0) -> bool:
    """Whether a sealed line is as it was written, with this seed or none."""
    body, found = line[:-_SIZE], line[-_SIZE:]
    return found == _SEAL % zlib.crc32(body, seed) or found == _SEAL % zlib.crc32(body)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON object, indented, with a checksum of the rest as its last member.

    Of a long list, each entry is one line: Python indents nothing fast.
    """
    try:
        content = sealed_json(_indented(value, ensure_ascii=False)).encode()
    except UnicodeEncodeError:  # a name that is not UTF-8
        content = sealed_json(_indented(value, ensure_ascii=True)).encode()
    with system.replacing(path) as stream:
        stream.write(content)


def _indented(value: dict[str, Any], *, ensure_ascii: bool) -> str:
    line = json.JSONEncoder(ensure_ascii=ensure_ascii, default=str).encode
    indented = json.JSONEncoder(ensure_ascii=ensure_ascii, default=str, indent=2).encode
    members = []
    for name, one in value.items():
        if isinstance(one, list) and len(one) > _LONG:
            text = _by_lines(one, line)
        else:
            text = indented(one).replace("\n", "\n  ")
        members.append(f"  {line(name)}: {text}")
    return "{\n" + ",\n".join(members) + "\n}"


def _by_lines(entries: list[Any], encode: Callable[[Any], str]) -> str:
    """Return a list with one entry on each line; one call for all of them takes a tenth of the time."""
    text = encode(entries)
    objects = all(isinstance(entry, dict) for entry in entries)
    if objects and text.count(_BETWEEN) == len(entries) - 1:  # nothing within an entry looks so as well
        lines = text[1:-1].replace(_BETWEEN, "},\n    {")
    else:
        lines = ",\n    ".join(map(encode, entries))
    return f"[\n    {lines}\n  ]"


def sealed_json(text: str) -> str:
    """Return the text of a JSON object that is not empty, with the checksum of all before it at its end."""
    body = text[: text.rindex("}")].rstrip()
    gap = "\n  " if body.startswith("{\n") else ""
    return f'{body},{gap}{_FIELD}{_hash(body)}"{gap and chr(10)}}}\n'


def read_json(path: Path) -> dict[str, Any]:
    """Read what `write_json` wrote.

    Raises
    ------
    DamagedRecordError
        If it is not as it was written, or never had a checksum.
    OSError
        If it cannot be read.
    """
    return check_json(path.read_bytes(), path.name)


def check_json(content: bytes, name: str) -> dict[str, Any]:
    """Return what a sealed JSON object says.

    Raises
    ------
    DamagedRecordError
        If it is not as it was written.
    """
    body, found, _ = content.rpartition(_FIELD.encode())
    body = body.rstrip()[:-1]
    if not found:
        raise DamagedRecordError(f"{name} is damaged, or was written by an older version: it has no checksum")
    try:
        text = body.decode()
        if sealed_json(text + "}").encode() != content:
            raise DamagedRecordError(f"{name} is damaged: it is not what was written")
        value = json.loads(text + "}")
    except (ValueError, RecursionError) as error:
        if isinstance(error, DamagedRecordError):
            raise
        raise DamagedRecordError(f"{name} is damaged: {error}") from error
    if not isinstance(value, dict):
        raise DamagedRecordError(f"{name} is damaged: it is no object")
    return value


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
