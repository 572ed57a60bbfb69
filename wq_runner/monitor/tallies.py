"""What is added up for each dataset, host and file while a run goes."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from wq_runner.monitor.sketch import Fit, Mean, Sketch
from wq_runner.monitor.view import (
    FileTime,
    HostTime,
    Memory,
    Progress,
)
from wq_runner.run_events import (
    Plan,
    TaskEnded,
)

FILES_KEPT = 10_000
_NOTABLE = 0.1  # seconds that a file takes longer than others, below which they are alike

Item = tuple[str, str, int, int, str]

_SPACING = 2.0  # seconds between the points of a rate
_POINTS = 150


class Rate:
    """How fast something grows, over a window that ends now."""

    def __init__(self) -> None:
        self._sum = 0.0
        self.last = 0.0
        self._points: deque[tuple[float, float]] = deque(maxlen=_POINTS)

    def begin(self, now: float) -> None:
        if not self._points:
            self._points.append((now, 0.0))

    def add(self, now: float, amount: float) -> None:
        self.begin(now)
        self._sum += amount
        self.last = now
        if now - self._points[-1][0] >= _SPACING:
            self._points.append((now, self._sum))

    def over(self, window: float, now: float) -> float:
        """Return the growth per second in the last `window` seconds."""
        if not self._points:
            return 0.0
        base = self._points[0]
        for point in reversed(self._points):
            if point[0] <= now - window:
                base = point
                break
        return (self._sum - base[1]) / max(now - base[0], 1e-3)


@dataclass
class DatasetTally:
    """One dataset in one category of tasks."""

    category: str
    name: str
    in_events: bool = True
    planned: int = 0
    chunks: int = 0
    done: int = 0
    chunks_done: int = 0
    chunks_skipped: int = 0
    empty_left: int = 0
    resumed: int = 0
    skipped: int = 0
    retried: int = 0
    core_seconds: float = 0.0
    useful_amount: int = 0
    seconds: float = 0.0
    events: int = 0
    begun: bool = False
    output: str = ""
    first: float | None = None
    last: float = 0.0
    rate: Rate = field(default_factory=Rate)
    memory: Sketch = field(default_factory=Sketch)
    allocated: Mean = field(default_factory=Mean)
    exhausted: int = 0
    lost: float = 0.0
    cost: Fit = field(default_factory=Fit)

    def amount(self, events: int, items: int) -> int:
        return events if self.in_events else items

    def empty(self, items: Iterable[Item]) -> int:
        """Return how many items are chunks of empty files."""
        return sum(start == stop for _, _, start, stop, _ in items) if self.in_events else 0

    @property
    def finished(self) -> bool:
        return self.done + self.skipped >= self.planned and self.empty_left <= 0

    def resume(self, plan: Plan) -> None:
        """Count what an earlier process did: it is planned, and done."""
        amount = self.amount(plan.events, plan.items)
        self.planned += amount
        self.done += amount
        self.resumed += amount
        self.chunks += plan.items
        self.chunks_done += plan.items

    @property
    def core_cost(self) -> float | None:
        """Core seconds for each event (or file), start-up and all; None while nothing came back."""
        return self.core_seconds / self.useful_amount if self.useful_amount else None

    def progress(self, now: float, window: float, *, live: bool = True) -> Progress:
        finished = self.finished
        rate = self.rate.over(window, now) if live and not finished else 0.0
        # a dataset that is done is not watched any longer: its rate is that of its own time
        lasted = (self.last if finished or not live else now) - (
            self.first if self.first is not None else now
        )
        return Progress(
            name=self.name,
            planned=self.planned,
            done=self.done,
            skipped=self.skipped,
            chunks=self.chunks,
            chunks_done=self.chunks_done,
            chunks_skipped=self.chunks_skipped,
            empty_left=max(0, self.empty_left),
            resumed=self.resumed,
            retried=self.retried,
            rate=rate,
            mean_rate=(self.done - self.resumed) / lasted if lasted > 0 else 0.0,
            left=self._left(window) if live and not finished else None,
            started=self.begun or self.done > self.resumed,
            output=self.output,
        )

    def _left(self, window: float) -> float | None:
        """Return the time it takes at the speed that it had last: it does not grow while others are done."""
        rate = self.rate.over(window, self.rate.last)
        return (self.planned - self.done - self.skipped) / rate if rate > 0 else None

    def memory_use(self) -> Memory:
        return memory_of(self.category, self.name, [self])


def memory_of(category: str, dataset: str, tallies: Iterable[DatasetTally]) -> Memory:
    """Sum up the memory of several datasets."""
    memory, allocated, exhausted, lost = Sketch(), Mean(), 0, 0.0
    for tally in tallies:
        memory.merge(tally.memory)
        allocated.merge(tally.allocated)
        exhausted += tally.exhausted
        lost += tally.lost
    return Memory(
        category=category,
        dataset=dataset,
        tasks=memory.count,
        typical=memory.quantile(0.5),
        high=memory.quantile(0.95),
        most=memory.most,
        allocated=allocated.mean,
        most_allocated=allocated.most,
        exhausted=exhausted,
        lost=lost,
    )


@dataclass
class HostTally:
    """One host. `done` has the events and seconds of each dataset."""

    tasks: int = 0
    failed: int = 0
    core_seconds: float = 0.0
    done: dict[str, tuple[int, float]] = field(default_factory=dict)

    def add(self, ended: TaskEnded, core_seconds: float) -> None:
        self.tasks += 1
        self.failed += not ended.done
        self.core_seconds += core_seconds
        if ended.events:
            events, seconds = self.done.get(ended.dataset, (0, 0.0))
            self.done[ended.dataset] = (events + ended.events, seconds + ended.processing)

    def speed(self, mean_seconds: Mapping[str, float]) -> float:
        """Return what all hosts take for the same events, over what this one took."""
        seconds = sum(seconds for _, seconds in self.done.values())
        expected = sum(events * mean_seconds.get(name, 0.0) for name, (events, _) in self.done.items())
        return expected / seconds if seconds > 0 else 1.0

    def summary(self, name: str, mean_seconds: Mapping[str, float]) -> HostTime:
        return HostTime(
            host=name,
            tasks=self.tasks,
            failed=self.failed,
            events=sum(events for events, _ in self.done.values()),
            core_seconds=self.core_seconds,
            speed=self.speed(mean_seconds),
        )


class Files:
    """Seconds by file. Of four times `FILES_KEPT`, those that took least are forgotten."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[float, int, str]] = {}

    def add(self, dataset: str, done: Iterable[tuple[Item, float]]) -> None:
        """Add items and what they took."""
        files = self._files
        for (path, _, start, stop, _), seconds in done:
            found = files.get(path)
            if found is None:
                files[path] = (seconds, stop - start, dataset)
            else:
                files[path] = (found[0] + seconds, found[1] + stop - start, dataset)
        if len(files) > 4 * FILES_KEPT:
            # sorted, as what was kept the last time is in order already
            self._files = dict(sorted(files.items(), key=lambda file: file[1][0])[-FILES_KEPT:])

    def slowest(self, most: int, mean_seconds: Mapping[str, float]) -> tuple[FileTime, ...]:
        """Return the files with most seconds beyond what is normal for as many events of their dataset."""
        found = (
            (seconds - events * mean_seconds.get(dataset, 0.0), path)
            for path, (seconds, events, dataset) in self._files.items()
        )
        return tuple(
            FileTime(
                path=path,
                dataset=self._files[path][2],
                events=self._files[path][1],
                seconds=self._files[path][0],
                excess=excess,
            )
            for excess, path in heapq.nlargest(most, found)
            if excess >= _NOTABLE
        )
