"""JSON and YAML files: their text, and which dialect they hold."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

from wq_runner.samples import kinds, paths
from wq_runner.samples.reading import Found, Prefixes, Reading


def interpret(value: Any, path: Path, prefixes: Prefixes, where: str, reading: Reading) -> list[Found]:
    """Read it in the dialect that recognises it."""

    def is_here(name: str) -> bool:
        return any((folder / name).exists() for folder in (path.parent, Path()))

    dialect = reading.dialects.recognise(value, is_here)
    if dialect is None:
        reading.problem(paths.shown(path), kinds.why_nothing(value))
        return []
    return dialect.read(value, path, prefixes, where, reading)


def text(path: Path, reading: Reading) -> str | None:
    """Return the text of a file, compressed or not; None if it has none, which is reported."""
    data = path.read_bytes()
    try:
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        return data.decode("utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        reading.problem(paths.shown(path), f"cannot be decompressed: {error}")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        reading.problem(f"{paths.shown(path)}:{line}", "not UTF-8 text")
    return None
