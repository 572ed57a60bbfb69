"""ttbarEFT's lists of sample JSONs, each with a redirector.

https://github.com/TopEFT/ttbarEFT: ``input_samples/cfgs/*.yaml``.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wq_runner.samples import paths, references
from wq_runner.samples.reading import DocumentDialect, Found, Prefixes, Reading

log = logging.getLogger(__name__)


def _is_list(body: Any) -> bool:
    return isinstance(body, dict) and "jsonFiles" in body


def _has_lists(body: Any) -> bool:
    """Whether there are such lists in it, at any depth."""
    return _is_list(body) or (isinstance(body, dict) and any(map(_has_lists, body.values())))


def read(
    value: Mapping[Any, Any],
    path: Path,
    prefixes: Prefixes,
    where: str,  # noqa: ARG001 - as a Reader
    reading: Reading,
) -> list[Found]:
    """Read ``{redirector, jsonFiles}``, or groups of these, with the redirector above them or their own."""
    return _read_group("", value, path, prefixes, reading)


def _read_group(
    label: str, body: Mapping[Any, Any], path: Path, outer: Prefixes, reading: Reading
) -> list[Found]:
    where = paths.shown(path)
    prefixes = _prefixes(body.get("redirector"), label, path, outer, reading)
    if prefixes is None:
        return []
    lists = _is_list(body)
    found = _read_list(label, body["jsonFiles"], path, prefixes, reading) if lists else []
    others = []
    for name, one in body.items():
        if _has_lists(one):
            found += _read_group(f"{label}{name}: ", one, path, prefixes, reading)
        elif lists and name not in {"jsonFiles", "redirector"}:
            others.append(str(name))
        elif not lists and name != "redirector":
            reading.problem(where, f"{label}{name}: has no jsonFiles, as the others have")
    if others:
        log.warning("%s: %sleft out, as it says nothing here: %s", where, label, ", ".join(sorted(others)))
    return found


def _read_list(label: str, names: Any, path: Path, prefixes: Prefixes, reading: Reading) -> list[Found]:
    where = paths.shown(path)
    if isinstance(names, str):
        names = [names]
    if names is None:
        log.warning("%s: %sjsonFiles is empty", where, label)
        return []
    if not isinstance(names, list) or not all(isinstance(one, str) and one.strip() for one in names):
        reading.problem(where, f"{label}jsonFiles is {names!r}, expected a list of names of samples files")
        return []
    return [
        item
        for name in names
        for item in references.follow(name.strip(), path, prefixes, reading, label=label)
    ]


def _prefixes(value: Any, label: str, path: Path, outer: Prefixes, reading: Reading) -> Prefixes | None:
    """Return what goes before the names of files; None if it cannot. Without a redirector, nothing new."""
    words = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
    if value is not None and not isinstance(value, (str, list)):
        reading.problem(paths.shown(path), f"{label}redirector is {value!r}, expected a prefix of names")
        return None
    prefixes = []
    for word in words:
        try:
            prefixes.append(paths.as_prefix(str(word), path.parent))
        except ValueError as error:
            reading.problem(paths.shown(path), f"{label}redirector: {error}")
            return None
    return tuple(prefixes) or outer


DIALECT = DocumentDialect(rank=40, recognises=lambda value, _: _has_lists(value), read=read)
