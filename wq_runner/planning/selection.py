"""A part of the samples, by name: for a look at one chunk, or for what is needed today."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from wq_runner.errors import SelectionError, did_you_mean
from wq_runner.model import Dataset, Fileset, InputFile, Range
from wq_runner.planning.ranges import merged


@dataclass(frozen=True, kw_only=True)
class Selection:
    """``DATASET[:FILE[:START-STOP]]``; dataset and file are names or patterns with ``*`` and ``?``.

    A file is matched by its name, or by its whole path if the pattern has a slash.
    """

    dataset: str
    file: str = "*"
    range: Range | None = None

    @classmethod
    def parse(cls, text: str) -> Selection:
        """Raise UsageError if the text is not understood."""
        match = re.fullmatch(r"([^:]+)(?::(.+?))??(?::(\d+)-(\d+))?", text.strip())
        if match is None:
            raise SelectionError(f"selection {text!r} not understood", hint="DATASET[:FILE[:START-STOP]]")
        dataset, file, start, stop = match.groups()
        if start is not None and int(start) >= int(stop):
            raise SelectionError(f"selection {text!r} has no events", hint="STOP is behind the last event")
        return cls(
            dataset=dataset, file=file or "*", range=(int(start), int(stop)) if start is not None else None
        )

    def names(self, dataset: Dataset) -> bool:
        return dataset.name == self.dataset or fnmatch.fnmatchcase(dataset.name, self.dataset)

    def matches(self, file: InputFile) -> bool:
        name = file.path if "/" in self.file else file.path.rsplit("/", 1)[-1]
        return name == self.file or fnmatch.fnmatchcase(name, self.file)


def select(fileset: Fileset, wanted: Sequence[str]) -> Fileset:
    """Keep what any of the selections names, all of it if there are none.

    Raises
    ------
    UsageError
        If a selection matches nothing; the nearest name is said.
    """
    if not wanted:
        return fileset
    selections = [Selection.parse(text) for text in wanted]
    for selection in selections:
        _check(selection, fileset)
    kept = (_part(dataset, selections) for dataset in fileset)
    return tuple(dataset for dataset in kept if dataset.files)


def _part(dataset: Dataset, selections: Sequence[Selection]) -> Dataset:
    mine = [one for one in selections if one.names(dataset)]
    files = []
    for file in dataset.files:
        matching = [one for one in mine if one.matches(file)]
        if any(one.range is None for one in matching):
            files.append(file)
        elif matching:
            wanted = merged(one.range for one in matching if one.range)
            files.append(replace(file, ranges=tuple(_within(wanted, file))))
    return replace(dataset, files=tuple(files))


def _within(wanted: Sequence[Range], file: InputFile) -> Iterator[Range]:
    """Yield what is wanted of the entries that the samples allow."""
    if file.ranges is None:
        yield from wanted
        return
    for start, stop in wanted:
        for first, last in file.ranges:
            if max(start, first) < min(stop, last):
                yield max(start, first), min(stop, last)


def _check(selection: Selection, fileset: Fileset) -> None:
    names = [dataset.name for dataset in fileset]
    datasets = [one for one in fileset if selection.names(one)]
    if not datasets:
        raise SelectionError(f"no dataset {selection.dataset}.{did_you_mean(selection.dataset, names)}")
    if not any(selection.matches(file) for dataset in datasets for file in dataset.files):
        files = [file.path.rsplit("/", 1)[-1] for dataset in datasets for file in dataset.files]
        raise SelectionError(
            f"no file {selection.file} in {selection.dataset}.{did_you_mean(selection.file, files)}"
        )
