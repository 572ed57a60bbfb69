"""From a few chunks of each dataset to what the whole will take, and what would suit it: pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wq_runner.directory.record import Spent
from wq_runner.model import Dataset, Fileset
from wq_runner.monitor import next_time
from wq_runner.monitor.view import ChunkMemory
from wq_runner.planning.chunks import Facts
from wq_runner.units import MB

CORE_MEMORY = 2000.0 * MB  # bytes; what a core has at most batch systems
PATIENCE = 1800.0  # seconds that the whole may take with the workers that are suggested
_ROOM = 0.85  # of a core's memory that a chunk may fill
_LONGEST_CHUNK = 120.0  # seconds; what is lost with a worker should be little
_FURTHEST = 4  # times the size of the chunks that were measured; what larger ones take is not known
_CHUNKS_PER_CORE = 4  # so that no core waits for another at the end


@dataclass(frozen=True, kw_only=True)
class Probed:
    """A dataset: its chunks and what they took, and what all of it will. Memory is in bytes.

    `total` are all its events, extrapolated from the files that are known unless `exact`; `seconds` are of
    one core.
    """

    dataset: str
    memory: ChunkMemory
    events: int
    seconds: float
    total: int
    exact: bool

    @property
    def rate(self) -> float:
        """Events per second of one core."""
        return self.events / self.seconds if self.seconds > 0 else math.inf

    @property
    def expected(self) -> float:
        """Core seconds of all of it."""
        return self.total / self.rate


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """A chunk size, and workers of one core, with their memory in bytes; the whole takes them `seconds`."""

    chunksize: int
    workers: int
    memory: int
    seconds: float


def probed(fileset: Fileset, facts: Facts, memory: Sequence[ChunkMemory], spent: Spent) -> list[Probed]:
    """Return what is known of each dataset of which something was done."""
    measured: Mapping[str, ChunkMemory] = {one.dataset: one for one in memory}
    found = []
    for dataset in fileset:
        if dataset.name not in measured or not spent.events[dataset.name]:
            continue
        total, exact = all_events(dataset, facts)
        found.append(
            Probed(
                dataset=dataset.name,
                memory=measured[dataset.name],
                events=spent.events[dataset.name],
                seconds=spent.seconds[dataset.name],
                total=total,
                exact=exact,
            )
        )
    return found


def all_events(dataset: Dataset, facts: Facts) -> tuple[int, bool]:
    """Return the events of a dataset, and whether they are known; else all files are taken for alike."""
    parts = [
        sum(stop - start for start, stop in file.ranges) if file.ranges is not None else facts[file].entries
        for file in dataset.files
        if file.ranges is not None or file in facts
    ]
    if not parts:
        return 0, False
    return round(sum(parts) / len(parts) * len(dataset.files)), len(parts) == len(dataset.files)


def suggestion(found: Sequence[Probed], core_memory: float = CORE_MEMORY) -> Suggestion | None:
    """Return what would suit the whole, where cores have so much memory; None if nothing was measured."""
    total = sum(one.total for one in found)
    if not total:
        return None
    limits = [float(total)]
    for one in found:
        limits.append(_FURTHEST * one.memory.events)
        if math.isfinite(one.rate):
            limits.append(_LONGEST_CHUNK * one.rate)
        room = (_ROOM * core_memory - one.memory.fixed) / one.memory.per_event if one.memory.per_event else 0
        if room >= 1:
            limits.append(room)
    chunksize = next_time.rounded(min(limits))
    seconds = sum(one.expected for one in found)
    workers = math.ceil(seconds / PATIENCE)
    workers = max(1, min(workers, total // (chunksize * _CHUNKS_PER_CORE)))
    memory = next_time.needed([one.memory for one in found], chunksize)
    return Suggestion(chunksize=chunksize, workers=workers, memory=int(memory), seconds=seconds / workers)
