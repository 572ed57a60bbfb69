"""What is not in a result, as a list for people and as samples that `wq-run` takes."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from wq_runner.coffea_adapter.runner import Processed
from wq_runner.model import Chunk, Fileset, InputFile, Range
from wq_runner.planning import ranges
from wq_runner.planning.file_info import BadFile

File = tuple[str, str]
"""``(dataset, path)``."""


def missing_ranges(plan: Iterable[Chunk], items: Iterable[Any]) -> dict[File, list[Range]]:
    """Return what of the plan is not among the WorkItems of a result: pure."""
    done: defaultdict[File, list[Range]] = defaultdict(list)
    for item in items:
        done[item.dataset, item.filename].append((item.entrystart, item.entrystop))
    covered = {file: ranges.merged(found) for file, found in done.items()}
    lacking: defaultdict[File, list[Range]] = defaultdict(list)
    for chunk in plan:
        file = (chunk.dataset, chunk.path)
        lacking[file] += ranges.subtract((chunk.start, chunk.stop), covered.get(file, ()))
    return {file: ranges.merged(found) for file, found in lacking.items() if found}


def missing_list(plan: Sequence[Chunk], found: Processed, bad: Sequence[BadFile]) -> list[dict[str, Any]]:
    """List the missing ranges and files with the reason of each."""
    reasons = {(one.item.dataset, one.item.path): one.reason for one in found.skipped}
    lacking = [
        {
            "dataset": dataset,
            "path": path,
            "start": start,
            "stop": stop,
            "reason": reasons.get((dataset, path), "not reached"),
        }
        for (dataset, path), parts in missing_ranges(plan, found.items).items()
        for start, stop in parts
    ]
    return [*lacking, *({"dataset": one.dataset, "path": one.path, "reason": one.reason} for one in bad)]


def missing_fileset(
    fileset: Fileset, plan: Sequence[Chunk], found: Processed, bad: Sequence[BadFile]
) -> dict[str, Any]:
    """Return a coffea fileset with the ranges that are missing, which `wq-run` reads as samples."""
    lacking = missing_ranges(plan, found.items)
    unread = {(one.dataset, one.path) for one in bad}
    uuids = {(chunk.dataset, chunk.path): chunk.uuid for chunk in plan}
    whole: dict[str, Any] = {}
    for dataset in fileset:
        files = {
            file.path: _entry(
                file, lacking.get((dataset.name, file.path)), uuids.get((dataset.name, file.path))
            )
            for file in dataset.files
            if (dataset.name, file.path) in lacking or (dataset.name, file.path) in unread
        }
        if files:
            before = whole.get(dataset.plain, {"files": {}})["files"]
            whole[dataset.plain] = dataset.document(_both(before, files))
    return whole


def _both(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return the files that several processors lack, with all that any of them lacks of each."""
    found = {**one, **other}
    for path in {*one} & {*other}:
        parts = [entry.get("ranges") for entry in (one[path], other[path])]
        if None in parts:
            found[path] = {name: value for name, value in found[path].items() if name != "ranges"}
        else:
            found[path] = {**found[path], "ranges": ranges.merged(map(tuple, itertools.chain(*parts)))}
    return found


def _entry(file: InputFile, parts: Sequence[Range] | None, uuid: bytes | None) -> Mapping[str, Any]:
    entry: dict[str, Any] = {"object_path": file.treename}
    if file.fallbacks:
        entry["fallbacks"] = list(file.fallbacks)
    if parts is None:
        parts = file.ranges
    if parts is not None:
        entry["ranges"] = [list(part) for part in parts]
    if uuid is not None and len(uuid) == 16:
        entry["uuid"] = str(UUID(bytes=uuid))
    return entry
