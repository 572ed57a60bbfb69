"""What a run was not asked to process: known on purpose, and so never missing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wq_runner.model import Chunk, Dataset, FileFacts, Fileset, InputFile
from wq_runner.planning.file_info import BadFile


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Of one dataset; `events` are None where a file is not known."""

    files: int
    of_files: int
    events: int | None

    def as_json(self) -> dict[str, Any]:
        return {"files_left_out": self.files, "files": self.of_files, "events_left_out": self.events}


def left_out(
    whole: Fileset, plan: Sequence[Chunk], bad: Sequence[BadFile], facts: Mapping[InputFile, FileFacts]
) -> dict[str, LeftOut]:
    """Compare what the samples hold with what is planned; datasets of which all is planned are not listed."""
    events: Counter[str] = Counter()
    for chunk in plan:
        events[chunk.dataset] += chunk.events
    unreadable = {one.path for one in bad}
    counts = files_left_out(whole, plan, bad)
    found = {}
    for dataset in whole:
        files, of_files = counts[dataset.name]
        total = _events(dataset, facts, unreadable)
        lacking = None if total is None else total - events[dataset.name]
        if files or lacking:
            found[dataset.name] = LeftOut(files=files, of_files=of_files, events=lacking)
    return found


def files_left_out(
    whole: Fileset, plan: Sequence[Chunk], bad: Sequence[BadFile]
) -> dict[str, tuple[int, int]]:
    """Return how many files of each dataset are not planned, and how many it has."""
    planned: defaultdict[str, set[str]] = defaultdict(set)
    for chunk in plan:
        planned[chunk.dataset].add(chunk.path)
    for one in bad:
        planned[one.dataset].add(one.path)
    return {
        dataset.name: (
            sum(file.path not in planned[dataset.name] for file in dataset.files),
            len(dataset.files),
        )
        for dataset in whole
    }


def _events(dataset: Dataset, facts: Mapping[InputFile, FileFacts], unreadable: set[str]) -> int | None:
    total = 0
    for file in dataset.files:
        if file.path in unreadable:
            continue
        if file.ranges is not None:
            total += sum(stop - start for start, stop in file.ranges)
            continue
        known = facts.get(file) or file.facts
        if known is None:
            return None
        total += known.entries
    return total
