"""Checksums of what is kept between runs: of the records that we write, and of the files that they are about.

A flipped bit changes neither size nor time, so contents are read each time they are used.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wq_runner import system
from wq_runner.system import CommandError

_SEAL = "seal"


def sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record of JSON with its checksum."""
    return {**record, _SEAL: _seal(record)}


def read(path: Path) -> dict[str, Any] | None:
    """Return a record that was sealed; None if it is not there, or damaged."""
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get(_SEAL) == _seal(found) else None


def checksums(directory: Path) -> dict[str, str]:
    """Return the checksums of all files below a directory, by their paths in it."""
    files = (path for path in sorted(directory.rglob("*")) if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(directory)): checksum(path) for path in files}


def checksum(path: Path) -> str:
    """Return the checksum of a file; empty if it cannot be read."""
    found = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                found.update(block)
    except OSError:
        return ""
    return found.hexdigest()


def worker_sum(path: Path) -> str:
    """Return what a worker compares: the checksum and size by cksum(1), which is wherever a shell is."""
    if shutil.which("cksum") is None:
        return ""
    try:
        crc, size, *_ = system.run(["cksum", str(path)]).split()
    except (CommandError, ValueError):
        return ""
    return f"{crc} {size}"


def _seal(record: Mapping[str, Any]) -> str:
    rest = {name: value for name, value in record.items() if name != _SEAL}
    # as it is read again: JSON knows no tuples, and no keys but strings
    text = json.dumps(json.loads(json.dumps(rest)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
