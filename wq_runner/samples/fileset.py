"""coffea's filesets: datasets by name. PocketCoffea's JSON is one of them, and so is our ``missing.json``."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wq_runner.model import DEFAULT_TREENAME, Dataset
from wq_runner.samples import content, metadata, paths
from wq_runner.samples.files import FileList, read_files, read_preload
from wq_runner.samples.reading import Found, Prefixes, Reading

_FIELDS = ("files", "treename", "treeName", "metadata", "preload")
_IGNORED = ("form", "compressed_form", "format", "did")
"""Fields of coffea's own that say nothing about what to process."""


def read(
    value: Mapping[Any, Any], path: Path, prefixes: Prefixes, where: str, reading: Reading
) -> list[Found]:
    found = []
    for name, body in value.items():
        if not isinstance(name, str) or not name.strip():
            reading.problem(paths.shown(path), f"the dataset name {name!r} is not text: put it in quotes")
            continue
        dataset = _dataset(name, body, path, prefixes, reading)
        if dataset is not None:
            found.append(Found(dataset=dataset, origin=str(path.resolve()), where=where))
    return found


def _dataset(name: str, body: Any, path: Path, prefixes: Prefixes, reading: Reading) -> Dataset | None:
    where = paths.shown(path)
    fields: Mapping[Any, Any] = body if isinstance(body, dict) and "files" in body else {"files": body}
    if isinstance(body, dict) and "files" not in body and not _is_files(body):
        reading.problem(where, f"{name}: has no list of files; it has {', '.join(map(str, list(body)[:8]))}")
        return None
    problem = _problem(fields)
    if problem:
        reading.problem(where, f"{name}: {problem}")
        return None
    files = FileList(
        where=where,
        dataset=name,
        folder=path.parent,
        prefixes=prefixes,
        treename=fields.get("treename", fields.get("treeName")) or DEFAULT_TREENAME,
    )
    inputs = read_files(fields["files"], files, reading)
    return Dataset(
        name=name,
        files=inputs,
        metadata=metadata.kept(_metadata(fields), dataset=name, where=where),
        preload=read_preload(fields.get("preload"), files, inputs, reading),
    )


def _is_files(body: Mapping[Any, Any]) -> bool:
    """Whether ``{ds: {path: treename}}`` was written without the word files, as uproot takes it."""
    return all(isinstance(key, str) and ("/" in key or content.kind_by_name(key)) for key in body)


def _problem(fields: Mapping[Any, Any]) -> str | None:
    treename = fields.get("treename", fields.get("treeName"))
    if not isinstance(treename, (str, type(None))):
        return f"treename is {treename!r}, expected the name of a tree"
    if not isinstance(fields.get("metadata"), (dict, type(None))):
        return f"metadata is {fields['metadata']!r}, expected a mapping"
    known = (*_FIELDS, *_IGNORED)
    for key in fields:
        # a field of another name is metadata, but not one that was meant to be one of ours
        close = difflib.get_close_matches(str(key), known, n=1, cutoff=0.85)
        if key not in known and close:
            return f"no field {key}; nearest: {close[0]}"
    return None


def _metadata(fields: Mapping[Any, Any]) -> dict[str, Any]:
    others = {str(key): item for key, item in fields.items() if key not in (*_FIELDS, *_IGNORED)}
    return {**others, **(fields.get("metadata") or {})}
