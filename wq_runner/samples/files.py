"""The list of files of a dataset: names alone, or with tree, number of entries, uuid and ranges."""

from __future__ import annotations

import difflib
import logging
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wq_runner.model import FileFacts, InputFile
from wq_runner.samples import content, paths
from wq_runner.samples.ranges import BadRangesError, read_ranges
from wq_runner.samples.reading import Prefixes, Reading

log = logging.getLogger(__name__)

_FIELDS = (
    *("object_path", "steps", "num_entries", "uuid", "ranges", "fallbacks"),
    *("format", "lfn", "pfn"),  # coffea's own, that say nothing about what to process
)


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
    unknown: dict[str, None] = {}
    for name, details in _entries(value, files, reading):
        if isinstance(details, dict):
            unknown |= dict.fromkeys(str(key) for key in details if key not in _FIELDS)
        try:
            file = _file(name, details, files)
        except ValueError as error:
            reading.problem(files.where, f"{files.dataset}: {error}")
            continue
        known = first.setdefault((paths.identity(file.path), file.treename), name)
        if known is not name:
            reading.problem(files.where, f"{files.dataset}: {_twice(name, known)}")
        inputs.append(file)
    _say_unknown(unknown, files, reading)
    return tuple(inputs)


def _say_unknown(names: Iterable[str], files: FileList, reading: Reading) -> None:
    """Refuse fields of files that were meant to be ours; of others it is logged that they say nothing."""
    others = []
    for name in names:
        close = difflib.get_close_matches(name, _FIELDS, n=1, cutoff=0.8)
        if close:
            reading.problem(files.where, f"{files.dataset}: no field {name} of files; nearest: {close[0]}")
        else:
            others.append(name)
    if others:
        text = "%s: %s: fields of files that say nothing here are left out: %s"
        log.warning(text, files.where, files.dataset, ", ".join(others))


def read_preload(
    value: Any, files: FileList, inputs: Sequence[InputFile], reading: Reading
) -> tuple[str, ...] | None:
    """Read the branches that a dataset has coffea preload."""
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        reading.problem(
            files.where, f"{files.dataset}: preload is {value!r}, expected a list of names of branches"
        )
        return None
    if any(content.kind(file.path) == content.PARQUET for file in inputs):
        reading.problem(files.where, f"{files.dataset}: preload is for ROOT files, not for parquet files")
    return tuple(dict.fromkeys(value))


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
