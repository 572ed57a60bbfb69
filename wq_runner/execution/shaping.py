"""How many chunks make a task: enough to pay for its start, few enough that nobody waits at the end."""

from __future__ import annotations

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

    def put(self, item: Item) -> None:
        self.items.append(item)
        self.size += item.size


class Backlog:
    """The items that wait, cut into batches on demand.

    `fits` tells how many events of a dataset a task can hold, None where that is not known.
    """

    def __init__(
        self,
        items: Iterable[Item],
        settings: ShapeSettings,
        fits: Callable[[str], int | None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._fits = fits
        self._queues: dict[str, _Queue] = {}
        self._fixed: deque[tuple[Item, ...]] = deque()
        for item in items:
            self._queues.setdefault(item.dataset, _Queue()).put(item)

    def __bool__(self) -> bool:
        return bool(self._fixed) or any(queue.items for queue in self._queues.values())

    def waiting(self) -> list[Item]:
        """Return everything that waits."""
        queued = [item for queue in self._queues.values() for item in queue.items]
        return [*(item for batch in self._fixed for item in batch), *queued]

    def put_back(self, batch: tuple[Item, ...]) -> None:
        """Queue a batch that must be tried again just as it is, before all others."""
        if batch:
            self._fixed.append(batch)

    def learn(self, dataset: str, size: int, seconds: float) -> None:
        queue = self._queues[dataset]
        queue.measured_size += size
        queue.measured_seconds += seconds

    def next_batch(self, slots: int, allowed: Callable[[str], bool] = lambda _: True) -> tuple[Item, ...]:
        """Take the next batch, all of one dataset; empty if nothing waits that is `allowed`."""
        if self._fixed:
            return self._fixed.popleft()
        waiting = [queue for name, queue in self._queues.items() if queue.items and allowed(name)]
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
        largest = self._largest_chunk(queue, size)
        batch = [self._pop(queue, largest)]
        total = batch[0].size
        while queue.items and total + min(queue.items[0].size, largest or queue.items[0].size) <= size:
            batch.append(self._pop(queue, largest))
            total += batch[-1].size
        queue.size -= total
        if rotate:
            self._rotate(batch[0].dataset)
        return tuple(batch)

    def _largest_chunk(self, queue: _Queue, size: float) -> int | None:
        fits = self._fits(queue.items[0].dataset)
        if not self._settings.adaptive:
            return fits
        if not queue.measured_size:
            return self._settings.first_events
        # a chunk is one task at the most, whatever fits into memory
        return min(fits or int(size), max(int(size), 1))

    def _pop(self, queue: _Queue, largest: int | None) -> Item:
        """Take the next item, or as much of it as fits."""
        item = queue.items.popleft()
        if largest is None or item.size <= largest or not item.divisible:
            return item
        pieces = -(-item.events // largest)
        head, tail = item.cut(-(-item.events // pieces))
        queue.items.appendleft(tail)
        return head

    def _rotate(self, dataset: str) -> None:
        """Move a dataset behind the others, so that each is tried in turn."""
        self._queues[dataset] = self._queues.pop(dataset)
