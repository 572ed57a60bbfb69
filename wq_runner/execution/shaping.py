"""How many chunks make a task: enough to pay for its start, few enough that nobody waits at the end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from wq_runner.execution.items import Item


@dataclass(frozen=True, kw_only=True)
class ShapeSettings:
    """Seconds a task should take, and the least that is worth its start.

    `first_guess` is the time of one item before anything was measured; None tries one item first.
    With `adaptive`, chunks are cut to what fits: the first of a dataset has `first_events`.
    """

    task_time: float = 60.0
    least_time: float = 2.0
    first_guess: float | None = None
    rounds: int = 3
    """The work that is left is cut so that every slot gets about so many more tasks: guided
    self-scheduling (Polychronopoulos and Kuck, 1987), which ends with small tasks by itself."""
    adaptive: bool = False
    first_events: int = 20_000


@dataclass(frozen=True, kw_only=True)
class Fits:
    """How many events of a dataset fit into a worker at the `most`; and `best`, with all its cores at work.

    None where that is not known.
    """

    most: int | None = None
    best: int | None = None


def target_seconds(settings: ShapeSettings, *, seconds_left: float, slots: int) -> float:
    """Return how long the next task should take."""
    fair = seconds_left / (max(slots, 1) * settings.rounds)
    return min(max(fair, settings.least_time), settings.task_time)


@dataclass
class _Queue:
    """The waiting items of a dataset and their speed, as far as it is known; `cut` if any was too large."""

    items: deque[Item] = field(default_factory=deque)
    size: int = 0
    measured_size: int = 0
    measured_seconds: float = 0.0
    cut: bool = False

    def speed(self, guess: float | None) -> float | None:
        """Seconds per unit of size; None if unknown."""
        if self.measured_size:
            return self.measured_seconds / self.measured_size
        return guess

    def put(self, item: Item) -> None:
        self.items.append(item)
        self.size += item.size


@dataclass(frozen=True, kw_only=True, eq=False)
class _Batch:
    """What must be tried again, not before it is due."""

    items: tuple[Item, ...]
    due: float


class Backlog:
    """The items that wait, cut into batches on demand.

    `fits` tells how large a chunk of a dataset may be.
    """

    def __init__(
        self,
        items: Iterable[Item],
        settings: ShapeSettings,
        fits: Callable[[str], Fits] = lambda _: Fits(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._fits = fits
        self._queues: dict[str, _Queue] = {}
        self._clock = clock
        self._again: deque[_Batch] = deque()
        for item in items:
            self._queues.setdefault(item.dataset, _Queue()).put(item)

    def __bool__(self) -> bool:
        return bool(self._again) or any(queue.items for queue in self._queues.values())

    def waiting(self) -> list[Item]:
        """Return everything that waits."""
        queued = [item for queue in self._queues.values() for item in queue.items]
        return [*(item for batch in self._again for item in batch.items), *queued]

    def put_back(self, *batches: tuple[Item, ...], first: bool = False, delay: float = 0.0) -> None:
        """Queue batches that must be tried again just as they are, before all others.

        The parts of what was too large come `first`, so that it is soon known which size is right.
        """
        found = [_Batch(items=batch, due=self._clock() + delay) for batch in batches if batch]
        if first:
            self._again.extendleft(reversed(found))
        else:
            self._again.extend(found)

    def learn(self, dataset: str, size: int, seconds: float) -> None:
        queue = self._queues[dataset]
        queue.measured_size += size
        queue.measured_seconds += seconds

    def next_batch(self, slots: int, allowed: Callable[[str], bool] = lambda _: True) -> tuple[Item, ...]:
        """Take the next batch, all of one portion of a dataset; empty if nothing waits that is `allowed`."""
        now = self._clock()
        for batch in self._again:
            if batch.due <= now and allowed(batch.items[0].dataset):
                self._again.remove(batch)
                return self._cut_to_fit(batch.items)
        # unknown speeds first, so that they are known soon; then the dataset with most left to do
        guess = self._settings.first_guess
        waiting = []
        for name, queue in self._queues.items():
            if queue.items and allowed(name):
                if queue.speed(guess) is None:
                    return self._take(queue, 1.0, rotate=True)
                waiting.append(queue)
        if not waiting:
            return ()
        longest = max(waiting, key=lambda queue: queue.size * (queue.speed(guess) or 0.0))
        speed = longest.speed(guess) or 0.0
        left = sum(queue.size * (queue.speed(guess) or 0.0) for queue in waiting)
        seconds = target_seconds(self._settings, seconds_left=left, slots=slots)
        return self._take(longest, seconds / speed if speed > 0 else float(longest.size))

    def _cut_to_fit(self, batch: tuple[Item, ...]) -> tuple[Item, ...]:
        """Cut a chunk that is tried again, if it is known by now that it is too large."""
        queue = self._queues[batch[0].dataset]
        if len(batch) > 1:
            return batch
        head, *rest = self._cut(batch[0], self._fits_of(queue, batch[0]))
        for part in rest:
            queue.items.appendleft(part)
            queue.size += part.size
        return (head,)

    def _fits_of(self, queue: _Queue, item: Item) -> Fits:
        """Return what is allowed now: what had to be cut once is always cut to what is best."""
        fits = self._fits(item.dataset)
        return Fits(most=fits.best, best=fits.best) if queue.cut else fits

    def _cut(self, item: Item, fits: Fits) -> tuple[Item, ...]:
        parts = cut(item, fits)
        if len(parts) > 1:
            self._queues[item.dataset].cut = True
        return parts

    def _take(self, queue: _Queue, size: float, *, rotate: bool = False) -> tuple[Item, ...]:
        fits = self._allowed(queue, size)
        batch = [self._pop(queue, fits)]
        total = batch[0].size
        while (
            queue.items
            and queue.items[0].portion == batch[0].portion
            and total + cut(queue.items[0], fits)[0].size <= size
        ):
            batch.append(self._pop(queue, fits))
            total += batch[-1].size
        queue.size -= total
        if rotate:
            self._rotate(batch[0].dataset)
        return tuple(batch)

    def _allowed(self, queue: _Queue, size: float) -> Fits:
        fits = self._fits_of(queue, queue.items[0])
        if not self._settings.adaptive:
            return fits
        if not queue.measured_size:
            most = min(self._settings.first_events, fits.best or self._settings.first_events)
        else:
            # a chunk is one task at the most, whatever fits into memory
            most = max(1, min(fits.best or int(size), int(size)))
        return Fits(most=most, best=most)

    def _pop(self, queue: _Queue, fits: Fits) -> Item:
        """Take the next item, or as much of it as is best."""
        head, *rest = self._cut(queue.items.popleft(), fits)
        queue.items.extendleft(rest)
        return head

    def _rotate(self, dataset: str) -> None:
        """Move a dataset behind the others, so that each is tried in turn."""
        self._queues[dataset] = self._queues.pop(dataset)


def cut(item: Item, fits: Fits) -> tuple[Item, ...]:
    """Cut what is too large in two: the first of equal parts, and the rest."""
    if fits.most is None or item.size <= fits.most or not item.divisible:
        return (item,)
    pieces = -(-item.events // (fits.best or fits.most))
    return item.cut(-(-item.events // pieces))
