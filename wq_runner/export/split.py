"""Splitting a plan into jobs: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from wq_runner.export.folder import Slice
from wq_runner.model import Chunk, Dataset, FileFacts, Fileset, InputFile
from wq_runner.planning import ranges
from wq_runner.planning.chunks import Facts
from wq_runner.planning.ranges import Place


def split(
    fileset: Fileset, plan: Sequence[Chunk], facts: Facts, files_per_job: int
) -> list[tuple[Slice, dict[str, Any]]]:
    """Return the jobs, each of files of one dataset, with their samples as `wq-run` reads them.

    What the plan leaves out of a file is left out of its job; a file that nobody could open goes along,
    as it may open where the job runs.
    """
    planned = _by_file(plan)
    pieces = [
        (dataset, files) for dataset in fileset for files in _groups(dataset, planned, facts, files_per_job)
    ]
    width = max(4, len(str(len(pieces))))
    made = []
    for number, (dataset, files) in enumerate(pieces):
        covered = {file: planned.get((dataset.name, file.path, file.treename), []) for file in files}
        events = sum(chunk.events for chunks in covered.values() for chunk in chunks)
        job = Slice(name=f"{number:0{width}}", dataset=dataset.name, files=len(files), events=events)
        entries = {file.path: _entry(file, facts.get(file), covered[file]) for file in files}
        made.append((job, {dataset.name: dataset.document(entries)}))
    return made


_Planned = Mapping[Place, list[Chunk]]


def _by_file(plan: Sequence[Chunk]) -> _Planned:
    found: dict[Place, list[Chunk]] = {}
    for chunk in plan:
        found.setdefault((chunk.dataset, chunk.path, chunk.treename), []).append(chunk)
    return found


def _groups(dataset: Dataset, planned: _Planned, facts: Facts, size: int) -> Iterator[list[InputFile]]:
    wanted = [
        file
        for file in dataset.files
        if (dataset.name, file.path, file.treename) in planned or file not in facts
    ]
    for first in range(0, len(wanted), size):
        yield wanted[first : first + size]


def _entry(file: InputFile, facts: FileFacts | None, chunks: Sequence[Chunk]) -> dict[str, Any]:
    entry: dict[str, Any] = {"object_path": file.treename}
    if file.fallbacks:
        entry["fallbacks"] = list(file.fallbacks)
    if facts is None:
        return entry | ({} if file.ranges is None else {"ranges": [list(one) for one in file.ranges]})
    covered = ranges.merged((chunk.start, chunk.stop) for chunk in chunks)
    if covered != [(0, facts.entries)] and facts.entries:
        entry["ranges"] = [list(one) for one in covered]
    if len(facts.uuid) == 16:
        # so the job need not look: the same file, or it fails
        entry |= {"num_entries": facts.entries, "uuid": str(UUID(bytes=facts.uuid))}
    return entry
