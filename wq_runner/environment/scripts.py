"""Console scripts of the packages in an overlay: what pip would have put into the environment's `bin`."""

from __future__ import annotations

import configparser
from collections.abc import Iterator, Mapping

_GROUPS = ("console_scripts", "gui_scripts")
_METADATA = (".dist-info/entry_points.txt", ".egg-info/entry_points.txt")
# the interpreter is the first one on PATH: where the overlay will lie is known on the worker only
_SHEBANG = b"#!/usr/bin/env python3\n"
_TEXT = """\
import sys
from importlib.metadata import EntryPoint

if __name__ == "__main__":
    sys.exit(EntryPoint({name!r}, {value!r}, {group!r}).load()())
"""


def is_metadata(name: str) -> bool:
    """Whether a file says which scripts its package has."""
    return name.endswith(_METADATA)


def of_entry_points(text: str) -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents of the scripts that an `entry_points.txt` declares."""
    for group, entries in _parsed(text).items():
        if group in _GROUPS:
            for name, value in entries.items():
                yield name, _SHEBANG + _TEXT.format(name=name, value=value, group=group).encode()


def of_wheel(content: bytes) -> bytes:
    """Return a script of a wheel as it is installed: the first line of one of Python's is a placeholder."""
    first, newline, rest = content.partition(b"\n")
    return _SHEBANG + rest if newline and first.startswith(b"#!python") else content


def _parsed(text: str) -> Mapping[str, Mapping[str, str]]:
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[method-assign, assignment]
    try:
        parser.read_string(text)
    except configparser.Error:
        return {}  # importlib.metadata would not read it either
    return {group: dict(parser[group]) for group in parser.sections()}
