"""coffea's filesets: datasets by name. PocketCoffea's JSON is one of them, and so is our ``missing.json``."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wq_runner.model import DEFAULT_TREENAME, Dataset
from wq_runner.samples import kinds, metadata, paths
from wq_runner.samples.files import FileList, read_files, read_preload
from wq_runner.samples.kinds import IsHere
from wq_runner.samples.reading import DocumentDialect, Found, Prefixes, Reading

_FIELDS = ("files", "treename", "treeName", "metadata", "preload")
_IGNORED = ("form", "compressed_form", "format", "did")
"""Fields of coffea's own that say nothing about what to process."""


def recognises(value: Any, is_here: IsHere) -> bool:
    return (
        isinstance(value, dict)
        and not kinds.are_options(value)
        and kinds.has_datasets(value, is_here)
        and not kinds.lacks_files(value)
    )


def read(
    value: Mapping[Any, Any], path: Path, prefixes: Prefixes, where: str, reading: Reading
) -> list[Found]:
    origin = str(path.resolve())
    return [
        Found(dataset=dataset, origin=origin, where=where)
        for name, body in value.items()
        for dataset in read_dataset(name, body, path, prefixes, reading)
    ]


def read_dataset(name: Any, body: Any, path: Path, prefixes: Prefixes, reading: Reading) -> Sequence[Dataset]:
    """Read a dataset, or one for each year where its files are listed by year."""
    where = paths.shown(path)
    if not isinstance(name, str) or not name.strip():
        reading.problem(where, f"the dataset name {name!r} is not text: put it in quotes")
        return []
    if not isinstance(body, (dict, list, str)):
        reading.problem(where, f"{name}: {body!r}, expected a list of files")
        return []
    if isinstance(body, dict) and kinds.is_by_year(body.get("files")):
        years = [_of_year(body, year) for year in body["files"]]
        read = [read_dataset(f"{name}_{one['year']}", one, path, prefixes, reading) for one in years]
        return [dataset for datasets in read for dataset in datasets]
    dataset = _dataset(name, body, path, prefixes, reading)
    return [] if dataset is None else [dataset]


def _of_year(body: Mapping[Any, Any], year: Any) -> dict[Any, Any]:
    """Return what a catalog says of a year: what differs between the years has them as keys as well."""
    years = body["files"].keys()

    def value_of(value: Any) -> Any:
        return value[year] if isinstance(value, dict) and year in value and value.keys() <= years else value

    return {**{key: value_of(value) for key, value in body.items()}, "year": str(year)}


def _dataset(name: str, body: Any, path: Path, prefixes: Prefixes, reading: Reading) -> Dataset | None:
    where = paths.shown(path)
    if isinstance(body, dict) and "files" not in body and not kinds.is_mapping_of_files(body):
        reading.problem(where, kinds.without_files(name, body))
        return None
    fields: Mapping[Any, Any] = body if isinstance(body, dict) and "files" in body else {"files": body}
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


DIALECT = DocumentDialect(rank=60, recognises=recognises, read=read)
