"""The list of files of a dataset: names alone, or with tree, number of entries, uuid and ranges."""

from __future__ import annotations

import difflib
import logging
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wq_runner.model import FileFacts, InputFile
from wq_runner.samples import content, kinds, paths
from wq_runner.samples.places import places
from wq_runner.samples.ranges import BadRangesError, read_ranges
from wq_runner.samples.reading import Prefixes, Reading

log = logging.getLogger(__name__)

_FIELDS = (
    *("object_path", "treename", "treeName", "steps", "num_entries", "uuid", "ranges", "fallbacks"),
    *("format", "lfn", "pfn"),  # coffea's own, that say nothing about what to process
)
_OF_ONE = {"steps", "num_entries", "uuid", "ranges", "fallbacks"}


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

    A name alone is a list of one, an entry of a list may have it as its ``path``, and ``path.root:tree``
    names the tree as well. Directories and patterns of this machine are all the files in them. Our own
    samples also say ``ranges``, and ``fallbacks``: where else the file is.
    """
    first: dict[tuple[str, str], str] = {}
    inputs = []
    unknown: dict[str, None] = {}
    for name, details in _entries(value, files, reading):
        if isinstance(details, dict):
            unknown |= dict.fromkeys(str(key) for key in details if key not in _FIELDS)
        try:
            named = _files(name, details, files)
        except ValueError as error:
            reading.problem(files.where, f"{files.dataset}: {error}")
            continue
        for file in named:
            known = first.setdefault((paths.identity(file.path), file.treename), name)
            if known is not name:
                reading.problem(files.where, f"{files.dataset}: {_twice(name, known)}")
        inputs += named
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
        entries = [_listed(entry) if isinstance(entry, dict) else (entry, None) for entry in value]
    elif isinstance(value, str):
        entries = [(value, None)]
    else:
        reading.problem(files.where, f"{files.dataset}: files is {value!r}, expected a list or a mapping")
        return
    for name, details in entries:
        if isinstance(name, str) and name.strip():
            yield name.strip(), details
        else:
            reading.problem(files.where, f"{files.dataset}: {name!r} in files, expected the name of a file")


def _listed(entry: Mapping[Any, Any]) -> tuple[Any, Any]:
    """Return the name in an entry of a list, and what else it says of the file."""
    key = kinds.name_of_file(entry)
    if key is None:
        return entry, None
    return entry[key], {other: value for other, value in entry.items() if other != key}


def _files(name: str, details: Any, files: FileList) -> list[InputFile]:
    bare, tree = content.split_tree(name)
    found = places(bare, files.folder, files.prefixes, files.where)
    if len(found) > 1 and isinstance(details, dict) and details.keys() & _OF_ONE:
        raise ValueError(f"{name}: {len(found)} files, of which {', '.join(details)} cannot be said at once")
    treename = (tree if details is None else _tree(name, tree, details)) or files.treename
    return [_file(bare, details, one, treename) for one in found]


def _tree(name: str, tree: str | None, details: Any) -> str | None:
    said = details
    if isinstance(details, dict):
        keys = ("object_path", "treename", "treeName")
        said = next((details[key] for key in keys if details.get(key)), None)
    if said is not None and not isinstance(said, str):
        raise ValueError(f"{name}: {said!r}, expected the name of a tree or a mapping")
    if tree and said and said != tree:
        raise ValueError(f"{name}: its tree is called {tree} and {said}")
    return tree or said


def _file(name: str, details: Any, where: Sequence[str], treename: str) -> InputFile:
    path, *fallbacks = where
    if not isinstance(details, dict):
        return InputFile(path=path, treename=treename, fallbacks=tuple(fallbacks))
    entries = _entries_of(name, details)
    try:
        ranges = read_ranges(details, entries)
    except BadRangesError as error:
        raise ValueError(f"{name}: {error}") from error
    return InputFile(
        path=path,
        treename=treename,
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


def _twice(name: str, known: str) -> str:
    other = "" if name == known else f" (also as {known})"
    return f"{name} is listed twice{other}: its events would count twice"
