"""Filesets written in the dialects that other programs read: pure functions to documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from wq_runner import names
from wq_runner.errors import Problem, SamplesError
from wq_runner.model import DEFAULT_TREENAME, Dataset, Fileset, InputFile


@dataclass(frozen=True, kw_only=True)
class Written:
    """Documents by the name of their file, and what could not be said in them.

    A dialect of one file has it under an empty name.
    """

    documents: Mapping[str, Any]
    lost: tuple[str, ...] = ()


@dataclass
class _Losses:
    """What a dialect has no words for: problems change the events, remarks do not."""

    dialect: str
    problems: list[Problem] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def names(self, dataset: Dataset, *, any_tree: bool = False) -> list[str]:
        """Return the names of the files, where names are all that can be said of them."""
        if any(file.ranges is not None for file in dataset.files):
            self._problem(dataset, "has only parts of some files")
        trees = {file.treename for file in dataset.files}
        if len(trees) > 1 or (trees != {DEFAULT_TREENAME} and trees and not any_tree):
            self._problem(dataset, f"reads {', '.join(sorted(trees))}")
        self.fallbacks(dataset)
        self.preload(dataset)
        return [file.path for file in dataset.files]

    def fallbacks(self, dataset: Dataset) -> None:
        if any(file.fallbacks for file in dataset.files):
            self.remarks.append(f"{dataset.name}: other places of the same files are left out")

    def preload(self, dataset: Dataset) -> None:
        if dataset.preload is not None:
            self.remarks.append(f"{dataset.name}: what is to be preloaded is left out")

    def metadata(self, dataset: Dataset) -> None:
        if dataset.metadata:
            keys = ", ".join(list(dataset.metadata)[:5]) + (", ..." if len(dataset.metadata) > 5 else "")
            self.remarks.append(f"{dataset.name}: metadata left out ({keys})")

    def _problem(self, dataset: Dataset, text: str) -> None:
        where = dataset.name
        self.problems.append(
            Problem(where=where, text=f"{text}, which {self.dialect} cannot say: use coffea")
        )

    def written(self, documents: Mapping[str, Any]) -> Written:
        if self.problems:
            raise SamplesError("the samples", self.problems)
        return Written(documents=documents, lost=tuple(self.remarks))


def coffea(fileset: Fileset) -> Written:
    """Return a fileset with all that is known: trees, ranges as ``steps``, ``num_entries``, ``uuid``."""
    losses = _Losses("coffea")
    document = {}
    for dataset in fileset:
        losses.fallbacks(dataset)
        files = {file.path: _details(file) for file in dataset.files}
        document[dataset.name] = dataset.document(files)
    return losses.written({"": document})


def pocketcoffea(fileset: Fileset) -> Written:
    """Return ``{dataset: {metadata, files}}`` with the words of PocketCoffea, all values as text."""
    losses = _Losses("PocketCoffea")
    document = {}
    for dataset in fileset:
        names = losses.names(dataset)
        metadata = {key: str(value) for key, value in dataset.metadata.items() if key not in _THEIR_WORDS}
        metadata["sample"] = str(dataset.metadata.get("sample", dataset.name))
        simulated = dataset.is_simulation
        if simulated is not None:
            metadata["isMC"] = str(simulated)
        events = _events(dataset)
        if events is not None:
            metadata["nevents"] = str(events)
        lacking = [key for key in ("year", "isMC", "nevents") if key not in metadata]
        if lacking:
            losses.remarks.append(f"{dataset.name}: PocketCoffea needs {', '.join(lacking)} in the metadata")
        document[dataset.name] = {"metadata": metadata, "files": names}
    return losses.written({"": document})


def lists(fileset: Fileset) -> Written:
    """Return ``{dataset: [files]}``, as BTVNanoCommissioning and HiggsDNA read it."""
    losses = _Losses("a list of files")
    document = {}
    for dataset in fileset:
        document[dataset.name] = losses.names(dataset)
        losses.metadata(dataset)
    return losses.written({"": document})


def topcoffea(fileset: Fileset) -> Written:
    """Return a sample JSON for each dataset, and the .cfg that names them."""
    losses = _Losses("a sample JSON")
    documents: dict[str, Any] = {}
    written = names.file_names(dataset.name for dataset in fileset)
    for dataset in fileset:
        files = losses.names(dataset, any_tree=True)
        trees = [file.treename for file in dataset.files] or [DEFAULT_TREENAME]
        simulated = dataset.is_simulation
        kind = {} if simulated is None else {"isData": not simulated}
        fields = {key: value for key, value in dataset.metadata.items() if key not in {"isMC", "isData"}}
        documents[f"{written[dataset.name]}.json"] = {
            **fields,
            "treeName": trees[0],
            "files": files,
            **kind,
        }
    return losses.written({**documents, "samples.cfg": list(documents)})


DIALECTS: Mapping[str, Callable[[Fileset], Written]] = {
    "coffea": coffea,
    "pocketcoffea": pocketcoffea,
    "btvnanocommissioning": lists,
    "higgsdna": lists,
    "topcoffea": topcoffea,
}

_THEIR_WORDS = ("isData", "isMC", "sample", "nevents")


def _details(file: InputFile) -> dict[str, Any]:
    entry: dict[str, Any] = {"object_path": file.treename}
    ranges = file.ranges
    if file.facts is not None:
        entry["num_entries"] = file.facts.entries
        if len(file.facts.uuid) == 16:
            entry["uuid"] = str(UUID(bytes=file.facts.uuid))
        ranges = ranges if ranges is not None else ((0, file.facts.entries),)
    if ranges is not None:
        entry["steps"] = [list(part) for part in ranges]
    return entry


def _events(dataset: Dataset) -> int | None:
    """Return the events of a dataset, from its files or else as its metadata have it."""
    if dataset.files and all(file.facts is not None for file in dataset.files):
        return sum(file.facts.entries for file in dataset.files if file.facts is not None)
    said = dataset.metadata.get("nevents", dataset.metadata.get("nEvents"))
    return int(said) if said is not None else None
