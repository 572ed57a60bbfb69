"""How many chunks make a task: enough to pay for its start, few enough that nobody waits at the end."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from wq_runner.execution.items import Item


@dataclass(frozen=True, kw_only=True)
class ShapeSettings:
    """Seconds a task should take, and the least that is worth its start.

    `first_guess` is the time of one item before anything was measured; None tries one item first.
    """

    task_time: float = 60.0
    least_time: float = 2.0
    first_guess: float | None = None
    rounds: int = 3
    """The work that is left is cut so that every slot gets about so many more tasks: guided
    self-scheduling (Polychronopoulos and Kuck, 1987), which ends with small tasks by itself."""


def target_seconds(settings: ShapeSettings, *, seconds_left: float, slots: int) -> float:
    """Return how long the next task should take."""
    fair = seconds_left / (max(slots, 1) * settings.rounds)
    return min(max(fair, settings.least_time), settings.task_time)


@dataclass
class _Queue:
    """The waiting items of one dataset and what is known of their speed."""

    items: deque[Item] = field(default_factory=deque)
    size: int = 0
    measured_size: int = 0
    measured_seconds: float = 0.0

    def speed(self, guess: float | None) -> float | None:
        """Seconds per unit of size; None if unknown."""
        if self.measured_size:
            return self.measured_seconds / self.measured_size
        return guess


class Backlog:
    """The items that wait, cut into batches on demand."""

    def __init__(self, items: Iterable[Item], settings: ShapeSettings) -> None:
        self._settings = settings
        self._queues: dict[str, _Queue] = {}
        self._fixed: deque[tuple[Item, ...]] = deque()
        for item in items:
            queue = self._queues.setdefault(item.dataset, _Queue())
            queue.items.append(item)
            queue.size += item.size

    def __bool__(self) -> bool:
        return bool(self._fixed) or any(queue.items for queue in self._queues.values())

    def put_back(self, batch: tuple[Item, ...]) -> None:
        """Queue a batch that must be tried again just as it is, before all others."""
        self._fixed.append(batch)

    def learn(self, dataset: str, size: int, seconds: float) -> None:
        queue = self._queues[dataset]
        queue.measured_size += size
        queue.measured_seconds += seconds

    def next_batch(self, slots: int) -> tuple[Item, ...]:
        """Take the next batch, all of one dataset; empty if nothing waits."""
        if self._fixed:
            return self._fixed.popleft()
        waiting = [queue for queue in self._queues.values() if queue.items]
        if not waiting:
            return ()
        # unknown speeds first, so that they are known soon; then the dataset with most left to do
        guess = self._settings.first_guess
        unknown = [queue for queue in waiting if queue.speed(guess) is None]
        if unknown:
            return self._take(unknown[0], 1.0, rotate=True)
        longest = max(waiting, key=lambda queue: queue.size * (queue.speed(guess) or 0.0))
        speed = longest.speed(guess) or 0.0
        left = sum(queue.size * (queue.speed(guess) or 0.0) for queue in waiting)
        seconds = target_seconds(self._settings, seconds_left=left, slots=slots)
        return self._take(longest, seconds / speed if speed > 0 else float(longest.size))

    def _take(self, queue: _Queue, size: float, *, rotate: bool = False) -> tuple[Item, ...]:
        batch = [queue.items.popleft()]
        total = batch[0].size
        while queue.items and total + queue.items[0].size <= size:
            batch.append(queue.items.popleft())
            total += batch[-1].size
        queue.size -= total
        if rotate:
            self._rotate(batch[0].dataset)
        return tuple(batch)

    def _rotate(self, dataset: str) -> None:
        """Move a dataset behind the others, so that each is tried in turn."""
        self._queues[dataset] = self._queues.pop(dataset)
