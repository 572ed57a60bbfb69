"""JSON and YAML files: their text, their mistakes with line numbers, and which dialect they hold."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from wq_runner.samples import definitions, fileset, groups, kinds, paths, references, runner, sample
from wq_runner.samples.kinds import Kind
from wq_runner.samples.reading import Found, Prefixes, Reading

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]')

INTERPRETERS: Mapping[Kind, Callable[[Any, Path, Prefixes, str, Reading], list[Found]]] = {
    Kind.SAMPLE: sample.read,
    Kind.NAMES: sample.read,
    Kind.FILESET: fileset.read,
    Kind.GROUPS: groups.read,
    Kind.REFERENCES: references.read,
    Kind.DEFINITIONS: definitions.read,
    Kind.RUNNER: runner.read,
    Kind.CATALOG: runner.read_catalog,
}


def read_json(path: Path, prefixes: Prefixes, where: str, reading: Reading) -> list[Found]:
    text = _text(path, reading)
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
    return _interpret(value, path, prefixes, where, reading)


def read_yaml(path: Path, prefixes: Prefixes, where: str, reading: Reading) -> list[Found]:
    from wq_runner.samples import yaml_text

    text = _text(path, reading)
    if text is None:
        return []
    document = yaml_text.parse(text)
    for mistake in document.mistakes:
        reading.problem(f"{paths.shown(path)}:{mistake.line}", mistake.text)
    if document.mistakes:
        return []
    return _interpret(document.value, path, prefixes, where, reading)


def _interpret(value: Any, path: Path, prefixes: Prefixes, where: str, reading: Reading) -> list[Found]:
    def is_here(name: str) -> bool:
        return any((folder / name).exists() for folder in (path.parent, Path()))

    reader = INTERPRETERS.get(kinds.recognise(value, is_here))
    if reader is None:
        reading.problem(paths.shown(path), kinds.why_nothing(value))
        return []
    return reader(value, path, prefixes, where, reading)


def _text(path: Path, reading: Reading) -> str | None:
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
