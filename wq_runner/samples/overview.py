"""Filesets and reports as text: pure functions from values to lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from wq_runner.model import Dataset, Fileset
from wq_runner.samples.check import FileReport

_LISTED = ("year", "era", "xsec")


def listing(fileset: Fileset, *, width: int | None = None) -> list[str]:
    """Return a table of the datasets and a line of totals; no line is longer than `width`."""
    rows = [
        (dataset.name, f"{len(dataset.files):,}", _entries(dataset), _tree(dataset), _highlights(dataset))
        for dataset in fileset
    ]
    lines = table(("dataset", "files", "entries", "tree", "metadata"), rows, right=(1, 2))
    room = (width - max(map(len, lines)) - 2) if width else None
    firsts = ["first file", *(_first_file(dataset, room) for dataset in fileset)]
    edge = max(map(len, lines))
    lines = [f"{line:<{edge}}  {first}".rstrip() for line, first in zip(lines, firsts, strict=True)]
    files = sum(len(dataset.files) for dataset in fileset)
    return [*lines, "", f"{count(len(fileset), 'dataset')}, {count(files, 'file')}"]


def remarks(fileset: Fileset) -> list[str]:
    """Return what is allowed and yet seldom meant."""
    return [f"{dataset.name} has no files" for dataset in fileset if not dataset.files]


def summary(fileset: Fileset, reports: Sequence[FileReport]) -> list[str]:
    """Return what a check found: a table, every bad file with its reason, and the verdict."""
    by_dataset = _by_dataset(reports)
    rows = []
    for dataset in fileset:
        own = by_dataset.get(dataset.name, [])
        bad = sum(bool(report.problem) for report in own)
        entries = sum(report.entries for report in own)
        rows.append((dataset.name, f"{len(own):,}", f"{entries:,}", f"{bad:,}" if bad else ""))
    lines = table(("dataset", "files", "entries", "bad"), rows, right=(1, 2, 3))
    bad_ones = sorted(
        (r for r in reports if r.problem), key=lambda report: (report.dataset, report.file.path)
    )
    noted = [f"  {report.dataset}: {report.note}" for report in reports if report.note]
    listed = [f"  {report.dataset}: {report.file.path}: {report.problem}" for report in bad_ones]
    return [*lines, "", *_titled("fallbacks used:", noted), *_titled("bad files:", listed), _verdict(reports)]


def as_json(fileset: Fileset, reports: Sequence[FileReport]) -> dict[str, Any]:
    """Return what a check found for programs to read."""
    by_dataset = _by_dataset(reports)
    return {
        "good": not any(report.problem for report in reports),
        "datasets": [_dataset_json(dataset, by_dataset.get(dataset.name, [])) for dataset in fileset],
    }


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """Align columns, those in `right` at their right edge."""
    cells = [tuple(header), *(tuple(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    return ["  ".join(_padded(row, widths, right)).rstrip() for row in cells]


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _by_dataset(reports: Iterable[FileReport]) -> dict[str, list[FileReport]]:
    grouped: dict[str, list[FileReport]] = {}
    for report in reports:
        grouped.setdefault(report.dataset, []).append(report)
    return grouped


def _padded(row: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> list[str]:
    return [
        cell.rjust(width) if column in right else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]


def _titled(title: str, lines: Sequence[str]) -> list[str]:
    return [title, *lines, ""] if lines else []


def _verdict(reports: Sequence[FileReport]) -> str:
    bad = sum(bool(report.problem) for report in reports)
    entries = sum(report.entries for report in reports)
    if bad:
        return f"bad          {bad:,} of {count(len(reports), 'file')}; the others have {entries:,} entries"
    return f"good         {count(len(reports), 'file')}, {entries:,} entries"


def _dataset_json(dataset: Dataset, reports: Sequence[FileReport]) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "files": len(dataset.files),
        "entries": sum(report.entries for report in reports),
        "bad": [
            {
                "path": report.file.path,
                "cause": report.cause.value if report.cause else "",
                "problem": report.problem,
            }
            for report in reports
            if report.problem
        ],
    }


def _entries(dataset: Dataset) -> str:
    """Return the entries, where the samples know them of every file."""
    total = 0
    for file in dataset.files:
        if file.ranges is not None:
            total += sum(stop - start for start, stop in file.ranges)
        elif file.facts is not None:
            total += file.facts.entries
        else:
            return ""
    return f"{total:,}"


def _tree(dataset: Dataset) -> str:
    return ", ".join(dict.fromkeys(file.treename for file in dataset.files))


def _highlights(dataset: Dataset) -> str:
    kind = {True: "simulation", False: "data", None: ""}[dataset.is_simulation]
    values = [f"{key}={dataset.metadata[key]}" for key in _LISTED if key in dataset.metadata]
    rest = sum(key not in (*_LISTED, "isData", "isMC") for key in dataset.metadata)
    return " ".join(filter(None, [kind, *values, f"+{rest}" if rest else ""]))


def _first_file(dataset: Dataset, room: int | None) -> str:
    if not dataset.files:
        return "no files"
    path = dataset.files[0].path
    if room is None or len(path) <= max(room, 20):
        return path
    half = max(room, 20) // 2
    return f"{path[: half - 2]}...{path[-(half - 2) :]}"
