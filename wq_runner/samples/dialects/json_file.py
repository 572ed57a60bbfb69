"""JSON, compressed or not: its mistakes, with the numbers of their lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wq_runner.samples import document, paths
from wq_runner.samples.reading import FileDialect, Found, Prefixes, Reading

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]')


def read(path: Path, prefixes: Prefixes, where: str, reading: Reading) -> list[Found]:
    text = document.text(path, reading)
    if text is None:
        return []
    repeated = False

    def as_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        value = dict(pairs)
        repeated |= len(value) < len(pairs)
        return value

    try:
        value = json.loads(text, object_pairs_hook=as_dict)
    except json.JSONDecodeError as error:
        reading.problem(
            f"{paths.shown(path)}:{error.lineno}", f"not JSON: {error.msg} (column {error.colno})"
        )
        return []
    except RecursionError:
        reading.problem(paths.shown(path), "not samples: nested too deeply")
        return []
    if repeated:
        for key, line, before in _repeated_keys(text):
            reading.problem(f"{paths.shown(path)}:{line}", f"{key} is there twice; first in line {before}")
        return []
    return document.interpret(value, path, prefixes, where, reading)


def _repeated_keys(text: str) -> Iterator[tuple[str, int, int]]:
    """Find the keys that an object has twice, each with its line and the line where it was first.

    The text is valid JSON, so that brackets, strings and colons are enough to follow it.
    """
    objects: list[dict[str, int]] = []
    line, position = 1, 0
    last = ""
    for match in _TOKEN.finditer(text):
        line += text.count("\n", position, match.start())
        position = match.start()
        token = match.group()
        if token in "{[":
            objects.append({})
        elif token in "}]":
            objects.pop()
        elif token == ":":
            key = json.loads(last)
            if key in objects[-1]:
                yield key, line, objects[-1][key]
            objects[-1].setdefault(key, line)
        last = token


DIALECT = FileDialect(suffixes=(".json", ".json.gz"), read=read)
