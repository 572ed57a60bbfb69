"""TopCoffea's sample JSON: one dataset, named as the file: its files, or its metadata beside them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wq_runner import names
from wq_runner.model import DEFAULT_TREENAME, Dataset
from wq_runner.samples import content, metadata, paths
from wq_runner.samples.files import FileList, read_files, read_preload
from wq_runner.samples.kinds import IsHere
from wq_runner.samples.reading import DocumentDialect, Found, Prefixes, Reading

_NOT_METADATA = {"files", "treeName", "treename", "metadata", "preload"}


def is_sample(value: Any) -> bool:
    return isinstance(value, dict) and "files" in value


def recognises(value: Any, _: IsHere) -> bool:
    return is_sample(value) or (isinstance(value, list) and any(map(content.may_be_data, value)))


def read(value: Any, path: Path, prefixes: Prefixes, where: str, reading: Reading) -> list[Found]:
    shown = paths.shown(path)
    if isinstance(value, list):  # the names of its files alone
        value = {"files": value}
    name = re.sub(r"\.(json|json\.gz|yaml|yml)$", "", path.name, flags=re.IGNORECASE)
    name = names.original(name) or name  # of one that `wq-samples convert` wrote
    files = FileList(
        where=shown,
        dataset=name,
        folder=path.parent,
        prefixes=prefixes,
        treename=_treename(value, shown, reading),
    )
    inputs = read_files(value["files"], files, reading)
    dataset = Dataset(
        name=name,
        files=inputs,
        metadata=metadata.kept(_metadata(value), dataset=name, where=shown),
        preload=read_preload(value.get("preload"), files, inputs, reading),
    )
    return [Found(dataset=dataset, origin=str(path.resolve()), where=where)]


def _metadata(value: Mapping[Any, Any]) -> dict[str, Any]:
    nested = value.get("metadata")
    fields = {str(key): item for key, item in value.items() if key not in _NOT_METADATA}
    return {**nested, **fields} if isinstance(nested, dict) else fields


def _treename(value: Mapping[Any, Any], where: str, reading: Reading) -> str:
    treename = value.get("treeName", value.get("treename")) or DEFAULT_TREENAME
    if not isinstance(treename, str):
        reading.problem(where, f"treeName is {treename!r}, expected the name of a tree")
        return DEFAULT_TREENAME
    return treename


DIALECT = DocumentDialect(rank=10, recognises=recognises, read=read)
