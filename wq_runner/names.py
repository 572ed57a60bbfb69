"""Every name that becomes the name of a file: unique, readable, and to be read back.

Names of datasets, processors, histograms and trees may hold anything. Ordinary ones stay as they are: ASCII
letters, digits, ``_ - . + @``. Everything else is written with ``~``, which is safe in shells, URLs, and the
patterns of batch systems:

=========  ====================================================================
``~-``     a slash
``~_``     a space
``~7E``    any other byte of the name in UTF-8, as a tilde is; and a ``-`` or ``.`` that comes first
``~empty`` the name of no letters
``~.HASH`` at the end: another name of the set differs only in upper and lower case
``~+HASH`` at the end: the rest of the name was too long; whoever writes the file has it on record
=========  ====================================================================
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable

LONGEST = 180
"""Bytes. File systems take 255: this leaves room for ranges, suffixes, and what temporary files add."""

PART = 130
"""Bytes of a name that is but a part of a file's, beside a uuid or a range."""

EMPTY = "~empty"

_SPECIAL = {"/": "~-", " ": "~_"}
_BACK = {written: char for char, written in _SPECIAL.items()}
_OTHER = re.compile(r"[^A-Za-z0-9_.+@-]|^[.-]")
_WRITTEN = re.compile(r"(?:~[0-9A-F]{2})+|~[-_]")
_CASE = re.compile(r"~[.][0-9a-f]{8}$")


def file_name(name: str, longest: int = LONGEST) -> str:
    """Return the name of a file for any name; another name has another.

    Names that differ in case only are told apart by `file_names`.
    """
    written = _OTHER.sub(lambda found: _escaped(found[0]), name) or EMPTY
    return written if len(written) <= longest else _cut(written, f"~+{_hash(name, 8)}", longest)


def file_names(names: Iterable[str], longest: int = LONGEST) -> dict[str, str]:
    """Return the names of files for a set of names: all different, on file systems that ignore case too."""
    found = {name: file_name(name, longest) for name in names}
    alike = Counter(written.lower() for written in found.values())
    return {
        name: written if alike[written.lower()] == 1 else _cut(written, f"~.{_hash(name, 4)}", longest)
        for name, written in found.items()
    }


def original(written: str) -> str | None:
    """Return the name that a file was named for; None if a part of it was cut off, or it never was one."""
    whole = _CASE.sub("", written)
    try:
        name = "" if whole == EMPTY else _WRITTEN.sub(lambda found: _read_back(found[0]), whole)
    except UnicodeDecodeError:
        return None
    return name if file_name(name, longest=len(whole)) == whole else None


def _escaped(char: str) -> str:
    # surrogates stand for bytes of names that are not UTF-8
    return _SPECIAL.get(char) or "".join(f"~{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))


def _read_back(written: str) -> str:
    if written in _BACK:
        return _BACK[written]
    return bytes.fromhex(written.replace("~", "")).decode("utf-8", "surrogatepass")


def _cut(written: str, mark: str, longest: int) -> str:
    """Put a mark at the end, and cut off what is too long before it."""
    if len(written) + len(mark) > longest:
        mark = mark.replace("~.", "~+")
    return written[: longest - len(mark)] + mark


def _hash(name: str, size: int) -> str:
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=size).hexdigest()
