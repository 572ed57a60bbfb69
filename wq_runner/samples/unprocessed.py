"""What is missing from a directory of parquet files that somebody's processors wrote.

Their names say which events they hold: ``SOURCE/DATASET/nominal/ID_TREE_START-STOP.parquet``, with the
name of the input file (DAS) or the uuid inside it (Legacy), as HiggsDNA calls them; and ours.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from wq_runner import names
from wq_runner.model import Dataset, FileFacts, Fileset, InputFile, Range
from wq_runner.samples.ranges import merge

CONVENTIONS = ("DAS", "Legacy")
_THEIRS = re.compile(r"^_?(?P<id>.+?)_(?:%2F)?[^_]+?(?:%3B1)?_(?P<start>\d+)-(?P<stop>\d+)\.(?:parquet|txt)$")
_OURS = re.compile(
    r"^(?:.+_)?(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})_(?P<start>\d+)-(?P<stop>\d+)\.parquet$"
)

Facts = Callable[[InputFile], FileFacts | None]
"""What is known of a file, or found by opening it; None if it cannot be opened."""


@dataclass(frozen=True, kw_only=True)
class Lacking:
    """A file of which events are missing: `ranges`, or None for all of it."""

    dataset: str
    file: InputFile
    ranges: tuple[Range, ...] | None


@dataclass(frozen=True, kw_only=True)
class Found:
    """What is missing, and the files whose end is not known: taken for whole where their parts join."""

    lacking: Sequence[Lacking]
    unsure: Sequence[InputFile]
    files: int


def find(fileset: Fileset, source: Path, convention: str, facts: Facts) -> Found:
    """Compare samples with the names of what is there; only files with something there need `facts`.

    With the Legacy convention a file's uuid is inside it, so that all need them.
    """
    lacking: list[Lacking] = []
    unsure: list[InputFile] = []
    folders = names.file_names(dataset.name for dataset in fileset)
    for dataset in fileset:
        there = parts_of(_folder(source, folders[dataset.name], dataset.name))
        for file in dataset.files:
            known = facts(file) if convention == "Legacy" else None
            identity = _identity(file, convention, known)
            done = there.get(identity, there.get(names.file_name(identity, names.PART)))
            if done is None:
                lacking.append(Lacking(dataset=dataset.name, file=file, ranges=file.ranges))
                continue
            known = known or facts(file)
            if known is None:
                unsure.append(file)
            entries = known.entries if known else done[-1][1]
            missing = _gaps(file.ranges or ((0, entries),), done)
            if missing:
                lacking.append(Lacking(dataset=dataset.name, file=file, ranges=missing))
    return Found(lacking=lacking, unsure=unsure, files=sum(len(dataset.files) for dataset in fileset))


def _folder(source: Path, written: str, name: str) -> Path:
    """Return the directory of a dataset: as we name it, else as others do."""
    ours = (source / written, source / names.file_name(name))
    return next((place for place in ours if place.is_dir()), source / name.lstrip("/"))


def parts_of(directory: Path) -> Mapping[str, tuple[Range, ...]]:
    """Return the ranges that the names of a dataset's files tell, by what they call the input file."""
    nominal = directory / "nominal"
    found: defaultdict[str, set[Range]] = defaultdict(set)
    for path in (nominal if nominal.is_dir() else directory).rglob("*"):
        match = _OURS.match(path.name) or _THEIRS.match(path.name)
        if match:
            found[match["id"]].add((int(match["start"]), int(match["stop"])))
    return {name: _union(parts) for name, parts in found.items()}


def as_samples(found: Found, fileset: Fileset) -> dict[str, Any]:
    """Return what is missing as a fileset that wq-run takes."""
    datasets = {dataset.name: dataset for dataset in fileset}
    made: dict[str, Any] = {}
    for one in found.lacking:
        body = made.setdefault(one.dataset, datasets[one.dataset].document({}))
        entry: dict[str, Any] = {"object_path": one.file.treename}
        if one.ranges is not None:
            entry["ranges"] = [list(part) for part in one.ranges]
        body["files"][one.file.path] = entry
    return made


def summary(found: Found, dataset: Dataset) -> str:
    """Say how much of a dataset is missing."""
    whole = [one for one in found.lacking if one.dataset == dataset.name and one.ranges is None]
    parts = [one for one in found.lacking if one.dataset == dataset.name and one.ranges is not None]
    events = sum(stop - start for one in parts for start, stop in one.ranges or ())
    text = f"{dataset.name}: {len(whole):,} of {len(dataset.files):,} files are missing"
    return f"{text}, {len(parts):,} lack {events:,} events" if parts else text


def _identity(file: InputFile, convention: str, facts: FileFacts | None) -> str:
    if convention == "DAS":
        return file.path.rsplit("/", 1)[-1].removesuffix(".root")
    return str(UUID(bytes=facts.uuid)) if facts is not None and len(facts.uuid) == 16 else ""


def _union(parts: set[Range]) -> tuple[Range, ...]:
    joined: list[Range] = []
    for start, stop in sorted(parts):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return tuple(joined)


def _gaps(wanted: Sequence[Range], done: Sequence[Range]) -> tuple[Range, ...]:
    gaps: list[Range] = []
    for start, stop in wanted:
        at = start
        for first, last in done:
            if last <= at or first >= stop:
                continue
            if first > at:
                gaps.append((at, first))
            at = max(at, last)
        if at < stop:
            gaps.append((at, stop))
    return merge(sorted(gaps))
