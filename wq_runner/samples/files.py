"""The list of files of a dataset: names alone, or with tree, number of entries, uuid and ranges."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wq_runner.model import FileFacts, InputFile
from wq_runner.samples import paths
from wq_runner.samples.ranges import BadRangesError, read_ranges
from wq_runner.samples.reading import Prefixes, Reading


@dataclass(frozen=True, kw_only=True)
class FileList:
    """What the names of a list mean: where it stands, and what goes before them."""

    where: str
    dataset: str
    folder: Path
    prefixes: Prefixes
    treename: str


def read_files(value: Any, files: FileList, reading: Reading) -> tuple[InputFile, ...]:
    """Read ``[path]``, ``{path: treename}`` or ``{path: {object_path, steps, num_entries, uuid}}``.

    Our own samples also say ``ranges``, and ``fallbacks``: where else the file is.
    """
    first: dict[tuple[str, str], str] = {}
    inputs = []
    for name, details in _entries(value, files, reading):
        try:
            file = _file(name, details, files)
        except ValueError as error:
            reading.problem(files.where, f"{files.dataset}: {error}")
            continue
        known = first.setdefault((paths.identity(file.path), file.treename), name)
        if known is not name:
            reading.problem(files.where, f"{files.dataset}: {_twice(name, known)}")
        inputs.append(file)
    return tuple(inputs)


def _entries(value: Any, files: FileList, reading: Reading) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        entries = list(value.items())
    elif isinstance(value, list):
        entries = [(name, None) for name in value]
    else:
        reading.problem(files.where, f"{files.dataset}: files is {value!r}, expected a list or a mapping")
        return
    for name, details in entries:
        if isinstance(name, str) and name.strip():
            yield name.strip(), details
        else:
            reading.problem(files.where, f"{files.dataset}: {name!r} in files, expected the name of a file")


def _file(name: str, details: Any, files: FileList) -> InputFile:
    path, *fallbacks = _located(name, files)
    if isinstance(details, (str, type(None))):
        return InputFile(path=path, treename=details or files.treename, fallbacks=tuple(fallbacks))
    if not isinstance(details, dict):
        raise ValueError(f"{name}: {details!r}, expected the name of a tree or a mapping")  # noqa: TRY004
    entries = _entries_of(name, details)
    try:
        ranges = read_ranges(details, entries)
    except BadRangesError as error:
        raise ValueError(f"{name}: {error}") from error
    return InputFile(
        path=path,
        treename=details.get("object_path") or files.treename,
        fallbacks=(*fallbacks, *_fallbacks(name, details.get("fallbacks", []))),
        ranges=ranges,
        facts=_facts(name, details.get("uuid"), entries),
    )


def _entries_of(name: str, details: dict[str, Any]) -> int | None:
    entries = details.get("num_entries")
    if entries is None:
        return None
    if isinstance(entries, bool) or not isinstance(entries, int) or entries < 0:
        raise ValueError(f"{name}: num_entries is {entries!r}, expected a number of entries")
    return entries


def _fallbacks(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"{name}: fallbacks is {value!r}, expected a list of paths and URLs")
    return tuple(value)


def _facts(name: str, identifier: Any, entries: int | None) -> FileFacts | None:
    if identifier is None or entries is None:
        return None
    try:
        return FileFacts(entries=entries, uuid=uuid.UUID(identifier).bytes)
    except (ValueError, AttributeError, TypeError):
        raise ValueError(f"{name}: uuid is {identifier!r}, expected 32 hexadecimal digits") from None


def _located(name: str, files: FileList) -> list[str]:
    """Return where a file is: its own URL, a prefix for each place, or a local path."""
    if paths.is_url(name):
        problem = paths.url_problem(name)
        if problem:
            raise ValueError(problem)
        return [paths.canonical_url(name)]
    if files.prefixes:
        return [paths.join(prefix, name) for prefix in files.prefixes]
    if name[0] in "/~":
        return [paths.local(name)]
    beside = paths.local(name, files.folder)
    return [beside if Path(beside).exists() else paths.local(name)]


def _twice(name: str, known: str) -> str:
    other = "" if name == known else f" (also as {known})"
    return f"{name} is listed twice{other}: its events would count twice"
