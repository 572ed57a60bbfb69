"""Which chunk size and which workers suit a run best, from what its chunks took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from wq_runner.monitor import words
from wq_runner.monitor.sketch import Fit, Sketch
from wq_runner.monitor.view import ChunkMemory, RunView
from wq_runner.units import MB, format_size

_BARE = 160 * MB  # of the interpreter and its imports, where chunks of one size do not tell
_ROOM = 0.85  # of a core's share of memory that chunks may fill
_MARGIN = 1.1  # over the largest chunk, when a worker is to be chosen
_CHUNKS_PER_CORE = 4  # that must remain, so that no core waits for another at the end
_LONGEST_CHUNK = 120.0  # seconds; what is lost with a worker should be little
_ALIKE = 1.5  # a chunk size that differs by less need not be changed
_TOLD = 0.25  # of what is needed anyway: where chunks of one size take less on top, nobody knows what they do
FURTHEST = 10  # times the largest chunks that were measured; of what is beyond, nothing is said
_FEW = 1000  # events that tell nothing about memory and time


@dataclass
class ChunkTally:
    """The memory of the chunks of one dataset, and what it depends on."""

    memory: Sketch = field(default_factory=Sketch)
    fit: Fit = field(default_factory=Fit)

    def add(self, events: int, memory: int) -> None:
        self.memory.add(memory)
        self.fit.add(events, memory)

    def summary(self, dataset: str) -> ChunkMemory:
        events, mean = self.fit.x / self.fit.count, self.fit.y / self.fit.count
        line = self.fit.line()
        if line is None or line[1] <= 0:
            fixed = _BARE if mean > (1 + _TOLD) * _BARE else mean
            line = fixed, (mean - fixed) / max(events, 1)
        return ChunkMemory(
            dataset=dataset,
            chunks=self.memory.count,
            events=events,
            typical=self.memory.quantile(0.5),
            high=self.memory.quantile(0.95),
            most=self.memory.most,
            fixed=max(line[0], 0.0),
            per_event=line[1],
        )


@dataclass(frozen=True, kw_only=True)
class NextTime:
    """The best chunk size, and the bytes that each core of a worker should have for it.

    `kept` is what each core should have if the chunk size stays as it is; None if that is the best one.
    """

    chunksize: int
    memory: float
    kept: float | None = None

    def text(self, chunksize: int | None) -> str:
        best = f"--chunksize {self.chunksize}, on workers with {format_size(self.memory)} for each core"
        if self.kept is None or chunksize is None:
            return best
        return f"{best} (or chunks of {chunksize:,} with {format_size(self.kept)} for each core)"


def next_time(view: RunView, chunksize: int | None = None) -> NextTime | None:
    """Return what would suit best; None where too little was measured.

    Nothing is said of chunks that are larger than files are, or far from those that were measured.
    """
    known = [one for one in view.chunk_memory if one.chunks]
    if not known or view.cost.events < _FEW:
        return None
    if chunksize is not None and _of_seconds(view):  # sizes that were learned are told in any case
        return None
    seen = max(one.events for one in known)
    held = _by_memory(view, known)
    limits = [*_by_time(view), *held]
    furthest = FURTHEST if all(one.per_event > 0 for one in known) else 1  # memory is not known beyond
    best = rounded(min(*limits, furthest * seen)) if limits else rounded(seen)
    if chunksize is None:
        return NextTime(chunksize=best, memory=needed(known, best))
    if seen < chunksize / 2 and min(held, default=chunksize) >= chunksize:  # files have no more events
        return NextTime(chunksize=chunksize, memory=needed(known, rounded(seen)))
    if chunksize / _ALIKE <= best <= chunksize * _ALIKE:
        return NextTime(chunksize=chunksize, memory=needed(known, chunksize))
    kept = needed(known, chunksize) if chunksize <= FURTHEST * seen else None
    return NextTime(chunksize=best, memory=needed(known, best), kept=kept)


def _of_seconds(view: RunView) -> bool:
    """Whether a run did too little to learn from, and nothing in it wanted more memory than there was."""
    return words.is_short(view) and not any(one.exhausted for one in view.memory)


def _by_time(view: RunView) -> list[float]:
    cores = max(view.series.gauges.get("cores", ()), default=0.0)
    limits = []
    if view.cost.seconds > 0:
        limits.append(_LONGEST_CHUNK * view.cost.events / view.cost.seconds)
    if cores and view.cost.events:
        limits.append(view.cost.events / (cores * _CHUNKS_PER_CORE))
    return limits


def _by_memory(view: RunView, known: list[ChunkMemory]) -> list[float]:
    """Return how many events of each dataset fit into a core's share; of the whole worker, if none do."""
    now = view.workers
    if not now.largest_cores or not now.largest_memory:
        return []
    for room in (_ROOM * now.largest_memory / now.largest_cores, _ROOM * now.largest_memory):
        limits = [(room - one.fixed) / one.per_event for one in known if one.per_event > 0]
        if all(limit >= 1 for limit in limits):
            return limits
    return []


def needed(known: Sequence[ChunkMemory], chunksize: int) -> float:
    """Return the bytes that a core should have for chunks of this size."""
    most = max(one.fixed + one.per_event * chunksize + _spread(one) for one in known)
    return float(rounded(_MARGIN * most / MB) * MB)


def _spread(one: ChunkMemory) -> float:
    """Return how much the 95% chunk took beyond the line."""
    return max(0.0, one.high - one.fixed - one.per_event * one.events)


def rounded(value: float) -> int:
    """Round down to two digits."""
    scale = 10 ** max(0, len(str(int(max(value, 1)))) - 2)
    return max(int(value // scale * scale), 1)
