"""What was computed of files before, so that a start need not read or parse them again.

A value is kept by what it follows from: the hash of a content, or the path, size, time and inode of a file
that has not been written for a while. Each line has a checksum: a damaged one is forgotten.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import platformdirs

from wq_runner import system

LARGEST = 4_000_000  # bytes, beyond which it begins anew
_YOUNG = 2.0  # seconds in which a file may be written again without another time


class Remembered:
    """Texts by keys, in a file of lines that several processes may append to."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or Path(platformdirs.user_cache_dir("wq-runner")) / "remembered"
        self._lines: dict[str, str] | None = None

    def get(self, key: str, compute: Callable[[], str]) -> str:
        """Return the value of a key, which has no tabs nor ends of lines; computed, if it is not known."""
        known = self._load().get(key)
        if known is not None and known[:16] == _check(key, known[17:]):
            return known[17:]
        value = compute()
        line = f"{_check(key, value)}\t{value}"
        self._load()[key] = line
        with contextlib.suppress(OSError):
            system.make_private(self._path.parent)
            with self._path.open("a", encoding="utf-8", errors="surrogateescape") as stream:
                stream.write(f"{key}\t{line}\n")
        return value

    def of_file(self, what: str, path: Path, compute: Callable[[], str]) -> str:
        """Return something about a file: as it was, if the file is the same as then."""
        facts = path.stat()
        # the time of the last change of anything cannot be set, as that of the content can
        if time.time() - max(facts.st_mtime, facts.st_ctime) < _YOUNG or any(
            one in str(path) for one in "\t\r\n"
        ):
            return compute()
        return self.get(f"{what} {facts.st_size} {facts.st_ctime_ns} {facts.st_ino} {path}", compute)

    def _load(self) -> dict[str, str]:
        if self._lines is None:
            self._lines = {}
            with contextlib.suppress(OSError):
                if self._path.stat().st_size > LARGEST:
                    os.truncate(self._path, 0)
                with self._path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
                    for line in stream:
                        key, _, rest = line.rstrip("\n").partition("\t")
                        self._lines[key] = rest
        return self._lines


def _check(key: str, value: str) -> str:
    return hashlib.blake2b(f"{key}\t{value}".encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


@functools.cache
def remembered() -> Remembered:
    """Return what this user remembers."""
    return Remembered()
