"""How much memory a task asks for: predicted from what chunks of its dataset used or had too little of.

A dataset of which nothing is known asks for what the others of the run took, and at least for the share of a
core of the worker: with less, no more tasks could run there. Before anything was measured, it is what an
earlier run took.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from wq_runner.model import PerDataset, Resources, ResourcesMode, value_of
from wq_runner.units import MB

ALL = 0.9  # of a worker's memory: what was stopped there would not have had more

_KEPT = 200  # newest measurements of a dataset that are looked at
_FEW = 5  # with fewer, the prediction is not trusted as much
_BARE = 150 * MB  # what Python with coffea takes before the first event; only a start for extrapolation
_HEADROOM = 16 * MB
_MORE_HEADROOM = 128 * MB  # while little is known: a batch of chunks leaves more behind than the first
_UNLIKE = 1.2  # times what other datasets take, for one of which nothing is known


@dataclass(frozen=True, kw_only=True)
class AllocationSettings:
    """What a task asks for, in the engine's units; None lets the mode decide.

    ``auto`` learns memory per dataset here. ``fixed`` asks for what is said, or for a share of the
    worker. The others are the engine's own ways to learn.
    """

    mode: ResourcesMode = "auto"
    cores: float = 1
    memory: float | PerDataset[float | None] | None = None
    disk: float | None = None
    gpus: float | None = None


class MemoryModel:
    """Predicts the peak memory of a chunk, in bytes, from its events: a line through what was measured."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, float]] = deque(maxlen=_KEPT)
        self._too_little: dict[int, float] = {}  # bytes that did not suffice, by events
        self._fit: tuple[float, float, float] | None = None  # base, slope and spread, until more is seen

    def observe(self, events: int, peak: float) -> None:
        self._seen.append((events, peak))
        self._fit = None
        # of what is now known to take more
        known = [size for size, used in self._too_little.items() if peak > used and events >= size]
        for size in known:
            del self._too_little[size]

    def exhausted(self, events: int, used: float) -> None:
        """Note that a chunk was stopped when it had used so much."""
        self._too_little[events] = max(used, self._too_little.get(events, 0.0))

    def sample(self, most: int = 20) -> tuple[tuple[int, float], ...]:
        """Return some of what was measured, from the least to the most memory."""
        seen = sorted(self._seen, key=lambda one: one[1])
        step = max(1.0, (len(seen) - 1) / (most - 1))
        return tuple(seen[round(number * step)] for number in range(min(len(seen), most)))

    @property
    def known(self) -> bool:
        """Whether a chunk has told what it takes."""
        return bool(self._seen)

    @property
    def failed(self) -> bool:
        """Whether a chunk was stopped that is not known to take more."""
        return bool(self._too_little)

    def predict(self, events: int) -> float:
        """Return what a chunk of so many events should be given: it rarely needs more."""
        # doubling finds an unknown need in few attempts and wastes at most as much as was needed
        doubled = (2 * used * min(1.0, events / size) for size, used in self._too_little.items())
        return max(self._fitted(events), *doubled, 0.0)

    def largest(self, memory: float) -> int | None:
        """Return how many events fit into so much memory; None if nothing is known of that."""
        if not self._seen:
            return self._half_of_too_many(memory)
        base, slope, spread = self._line()
        left = memory / self._margin - self._headroom - base - spread
        return max(1, int(left / slope)) if slope > 0 else None

    def _half_of_too_many(self, memory: float) -> int | None:
        too_many = [size for size, used in self._too_little.items() if used >= ALL * memory]
        return max(1, min(too_many) // 2) if too_many else None

    @property
    def _margin(self) -> float:
        return 1.05 if len(self._seen) >= _FEW else 1.2

    @property
    def _headroom(self) -> float:
        return _HEADROOM if len(self._seen) >= _FEW else _MORE_HEADROOM

    def _fitted(self, events: int) -> float:
        if not self._seen:
            return 0.0
        base, slope, spread = self._line()
        return (base + slope * events + spread) * self._margin + self._headroom

    def _line(self) -> tuple[float, float, float]:
        if self._fit is None:
            base, slope = self._fitted_line()
            spread = max(0.0, *(peak - base - slope * size for size, peak in self._seen))
            self._fit = base, slope, spread
        return self._fit

    def _fitted_line(self) -> tuple[float, float]:
        """Least squares; where all sizes are alike, a line from the bare interpreter to what was seen."""
        sizes = [size for size, _ in self._seen]
        peaks = [peak for _, peak in self._seen]
        size, peak = sum(sizes) / len(sizes), sum(peaks) / len(peaks)
        variance = sum((one - size) ** 2 for one in sizes)
        if max(sizes) > 1.3 * min(sizes) and variance > 0:
            covariance = sum((one - size) * (two - peak) for one, two in self._seen)
            slope = max(covariance / variance, 0.0)
        else:
            slope = max(peak - _BARE, 0.0) / max(size, 1)
        return peak - slope * size, slope


class Allocator:
    """Decides what each task asks for."""

    def __init__(self, settings: AllocationSettings, prior: Sequence[tuple[int, float]] = ()) -> None:
        self._settings = settings
        self._models: dict[str, MemoryModel] = {}
        self._together = MemoryModel()  # of all datasets, for those of which nothing is known
        for events, peak in prior:
            self._together.observe(events, peak)
        self._earlier = bool(prior)  # whether that is of an earlier run alone

    def learns(self, dataset: str) -> bool:
        return self._settings.mode == "auto" and self._said(dataset) is None

    def _said(self, dataset: str) -> float | None:
        return value_of(self._settings.memory, dataset)

    def model(self, dataset: str) -> MemoryModel:
        if dataset not in self._models:
            self._models[dataset] = MemoryModel()
        return self._models[dataset]

    def observe(self, dataset: str, events: int, peak: float) -> None:
        """Note what a chunk has used, in bytes."""
        self._forget_earlier()
        for model in (self.model(dataset), self._together):
            model.observe(events, peak)

    def exhausted(self, dataset: str, events: int, used: float) -> None:
        """Note that a chunk was stopped when it had used so many bytes."""
        self._forget_earlier()
        self.model(dataset).exhausted(events, used)

    def _forget_earlier(self) -> None:
        """Go by what this run has seen, as soon as that is anything: the code may be another one."""
        if self._earlier:
            self._together, self._earlier = MemoryModel(), False

    @property
    def sample(self) -> tuple[tuple[int, float], ...]:
        """Some of what chunks have used, for the next run; what was there before if none has."""
        return self._together.sample()

    def known(self, dataset: str) -> bool:
        return not self.learns(dataset) or self.model(dataset).known

    def guessed(self, dataset: str) -> bool:
        """Whether nothing is known of a dataset but of others: it asks for what they took.

        If that was too little, it asks for twice as much, as any does: a wrong guess costs one attempt.
        """
        return self._together.known and not self.known(dataset)

    def together(self, dataset: str) -> Hashable | None:
        """Return what datasets have in common that may share a task; None for one that has to be alone.

        That is where nothing is known of the memory that it takes, or its guess was wrong.
        """
        known = self.known(dataset)
        guessed = self.guessed(dataset) and not self.model(dataset).failed
        return (self._said(dataset),) if known or guessed else None

    def request(
        self, chunks: Sequence[tuple[str, int]], largest: Resources, least: float | None = None
    ) -> Resources:
        """Return what a batch of chunks asks for, given their datasets and sizes, and the largest worker.

        Where nothing is known, it is all the memory of a worker, so that the first chunk measures and
        does not fail; without a worker nothing is asked but cores, and the engine gives a share. A guess
        is no less than `least`, in MB.
        """
        said = self._settings
        dataset = chunks[0][0]  # of all of them the same is said
        memory = self._said(dataset)
        asked = Resources(cores=said.cores, memory=memory, disk=said.disk, gpus=said.gpus)
        if not self.learns(dataset) or largest.memory is None or not largest.memory:
            return asked
        memory = max(self._predict(*chunk) for chunk in chunks) / MB
        if any(self.guessed(dataset) for dataset, _ in chunks):
            memory = max(memory, least or 0.0)
        memory = min(memory, largest.memory)
        return Resources(
            cores=said.cores,
            memory=float(round(memory)),
            # an equal share for each core: left to the engine, it would grow with the memory
            disk=said.disk if said.disk is not None else _share(largest.disk, largest.cores, said.cores),
            gpus=said.gpus,
        )

    def _predict(self, dataset: str, events: int) -> float:
        model = self.model(dataset)
        if self.guessed(dataset):
            return max(_UNLIKE * self._together.predict(events), model.predict(events))
        return model.predict(events) if model.known else math.inf

    def largest_chunk(self, dataset: str, worker: Resources) -> int | None:
        """Return how many events of a dataset fit into a worker; None if unknown."""
        if not self.learns(dataset) or worker.memory is None or not worker.memory:
            return None
        return self.model(dataset).largest(worker.memory * MB)

    def share(self, worker: Resources) -> Resources:
        """Return a task's part of a worker on which as many tasks run as its cores allow."""
        memory = _share(worker.memory, worker.cores, self._settings.cores)
        return Resources(cores=self._settings.cores, memory=memory)


def _share(total: float | None, cores: float | None, wanted: float) -> float | None:
    if not total or not cores:
        return None
    return float(int(total * min(1.0, wanted / cores)))
