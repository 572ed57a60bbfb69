"""How many chunks make a task: enough to pay for its start, few enough that nobody waits at the end."""

from __future__ import annotations

import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field

from wq_runner.ledger.items import Item
from wq_runner.model import Order
from wq_runner.scheduler.bundles import Bundle, Fits, bundles, loose

AHEAD = 2.0  # seconds of work for each slot; with less, what comes next is tried


@dataclass(frozen=True, kw_only=True)
class ShapeSettings:
    """Seconds a task should take, and the least that is worth its start.

    `first_guess` is the time of one item before anything was measured; None tries one item first.
    With `adaptive`, chunks are cut to what fits: the first of a dataset has `first_events`. Datasets are
    finished in the `order` that is asked for.
    """

    task_time: float = 60.0
    least_time: float = 2.0
    first_guess: float | None = None
    rounds: int = 3
    """The work that is left is cut so that every slot gets about so many more tasks: guided
    self-scheduling (Polychronopoulos and Kuck, 1987), which ends with small tasks by itself."""
    adaptive: bool = False
    first_events: int = 20_000
    order: Order = "given"


def target_seconds(settings: ShapeSettings, *, seconds_left: float, slots: int) -> float:
    """Return how long the next task should take."""
    fair = seconds_left / (max(slots, 1) * settings.rounds)
    least = settings.least_time
    if least and seconds_left:
        # as many tasks as if each took the least, but of one length: no slot is left with a long one
        least = seconds_left / max(1, math.ceil(seconds_left / least))
    return min(max(fair, least), settings.task_time)


def ranked(sizes: Mapping[str, int], order: Order) -> list[str]:
    """Return the names of datasets, of such sizes, in the order in which they are to be finished."""
    if order == "given":
        return list(sizes)
    return sorted(sizes, key=sizes.__getitem__, reverse=order == "largest")


def trial_seconds(settings: ShapeSettings, *, seconds_left: float, slots: int) -> float:
    """Return how long the next task should take, if it tries datasets of which nothing is known yet.

    `seconds_left` is what the first chunks of all such datasets take together.

    Every slot gets some of them as long as there are enough: only what was tried says how to go on.
    """
    share = seconds_left / max(slots, 1)
    return min(max(share / settings.rounds, min(settings.least_time, share)), settings.task_time)


@dataclass
class _Queue:
    """The waiting chunks of a dataset and their speed, as far as it is known; `cut` if any was too large."""

    items: deque[Bundle] = field(default_factory=deque)
    size: int = 0
    measured_size: int = 0
    measured_seconds: float = 0.0
    cut: bool = False

    def speed(self, guess: float | None) -> float | None:
        """Seconds per unit of size; None if unknown."""
        if self.measured_size:
            return self.measured_seconds / self.measured_size
        return guess

    def put(self, bundle: Bundle) -> None:
        self.items.append(bundle)
        self.size += bundle.size


@dataclass(frozen=True, kw_only=True, eq=False)
class _Batch:
    """What must be tried again, not before it is due."""

    items: tuple[Item, ...]
    due: float


class Backlog:
    """The items that wait, cut into batches on demand.

    `fits` tells how large a chunk of a dataset may be; `together` what datasets have in common that may
    share a task, None for one that may not. `pace` is how many seconds an event took in an earlier run.
    """

    def __init__(
        self,
        items: Iterable[Item],
        settings: ShapeSettings,
        fits: Callable[[str], Fits] = lambda _: Fits(),
        together: Callable[[str], Hashable] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        pace: float | None = None,
    ) -> None:
        self._settings = settings
        self._fits = fits
        self._together = together
        self._measured_size = 0
        self._measured_seconds = 0.0
        self._pace = pace
        self._queues: dict[str, _Queue] = {}
        self._clock = clock
        self._again: deque[_Batch] = deque()
        for bundle in bundles(items):
            self._queues.setdefault(bundle.group, _Queue()).put(bundle)
        self._size = sum(queue.size for queue in self._queues.values())
        self.order = ranked({name: queue.size for name, queue in self._queues.items()}, settings.order)
        self._rank = {name: place for place, name in enumerate(self.order)}
        # names of those that have items: of hundreds of datasets, most are done or not begun at any time
        self._tried: dict[str, None] = {}
        self._untried = dict.fromkeys(self.order)
        if settings.first_guess is not None:
            self._tried, self._untried = self._untried, self._tried

    def __bool__(self) -> bool:
        return bool(self._again or self._tried or self._untried)

    @property
    def pace(self) -> float | None:
        """Seconds of a unit of size, of all datasets; of an earlier run until something was measured."""
        return self._measured_seconds / self._measured_size if self._measured_size else self._pace

    def waiting(self) -> list[Item]:
        """Return everything that waits."""
        queued = [item for queue in self._queues.values() for bundle in queue.items for item in bundle.items]
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

    def drop(self, processor: str) -> list[Item]:
        """Take away and return all that waits for one of several processors."""
        dropped = [item for item in self.waiting() if item.processor == processor]

        def kept(items: tuple[Item, ...]) -> tuple[Item, ...]:
            return tuple(item for item in items if item.processor != processor)

        again = [(kept(batch.items), batch.due) for batch in self._again]
        self._again = deque(_Batch(items=items, due=due) for items, due in again if items)
        for name, queue in self._queues.items():
            queue.items = deque(Bundle(items) for bundle in queue.items if (items := kept(bundle.items)))
            self._size -= queue.size
            queue.size = sum(bundle.size for bundle in queue.items)
            self._size += queue.size
            self._note(name)
        return dropped

    def learn(self, dataset: str, size: int, seconds: float) -> None:
        queue = self._queues[dataset]
        queue.measured_size += size
        queue.measured_seconds += seconds
        if dataset in self._untried:
            del self._untried[dataset]
            self._tried[dataset] = None
        self._measured_size += size
        self._measured_seconds += seconds

    def next_batch(self, slots: int, allowed: Callable[[str], bool] = lambda _: True) -> tuple[Item, ...]:
        """Take the next batch; empty if nothing waits that is `allowed`.

        It is of one dataset, and of those after it only where too little of that is left for a task.
        """
        now = self._clock()
        for batch in self._again:
            if batch.due <= now and allowed(batch.items[0].group):
                self._again.remove(batch)
                return self._cut_to_fit(batch.items)
        return loose(self._next(slots, allowed))

    def _next(self, slots: int, allowed: Callable[[str], bool]) -> tuple[Bundle, ...]:
        # in their order, but what is next is tried in time: only then is it known how it goes on
        trial = next(filter(allowed, tuple(self._untried)), None)
        others = filter(allowed, sorted(self._tried, key=self._rank.__getitem__))
        going = next(others, None)
        if going is None:
            return self._try(trial, slots, allowed) if trial is not None else ()
        left = {name: self._seconds_left(name) for name in self._tried}
        tried = sum(left.values())
        seconds = target_seconds(self._settings, seconds_left=tried + self._untried_seconds(), slots=slots)
        soon = tried < max(seconds, AHEAD) * slots
        if trial is not None and (soon or self._rank[trial] < self._rank[going]):
            return self._try(trial, slots, allowed)
        return self._fill(itertools.chain((going,), others), seconds)

    def _try(self, first: str, slots: int, allowed: Callable[[str], bool]) -> tuple[Bundle, ...]:
        """Take the first chunk of a dataset that was not tried yet, and those of more such datasets.

        Before anything was measured it is one chunk: nobody knows how long it takes. Where more than that
        is to be done of the dataset, the trial is short: the sooner it is known, the sooner it is finished.
        """
        queue = self._queues[first]
        speed = self._speed(queue)
        if speed is None:
            return tuple(self._take(first, 1.0, 1.0))
        each = speed * queue.items[0].size
        seconds = trial_seconds(self._settings, seconds_left=each * len(self._untried), slots=slots)
        if len(queue.items) > 1 or not self._measured_size:
            seconds = min(seconds, self._settings.least_time)
        return self._fill(filter(allowed, tuple(self._untried)), seconds, each_once=True)

    def _untried_seconds(self) -> float:
        size = self._size - sum(self._queues[name].size for name in self._tried)
        return size * (self._measured_seconds / self._measured_size) if self._measured_size else 0.0

    def _seconds_left(self, name: str) -> float:
        queue = self._queues[name]
        return queue.size * (self._speed(queue) or 0.0)

    def _speed(self, queue: _Queue) -> float | None:
        """Return the seconds per unit of size, of the other datasets where nothing was measured yet."""
        overall = self.pace
        return queue.speed(self._settings.first_guess if overall is None else overall)

    def _fill(self, names: Iterable[str], seconds: float, *, each_once: bool = False) -> tuple[Bundle, ...]:
        """Take items that last so many seconds together, at least one, from these datasets in their order.

        With `each_once` no more than one item of each.
        """
        batch: list[Bundle] = []
        spent = 0.0
        for name in names:
            kind, queue = self._together(name), self._queues[name]
            if batch and (kind is None or kind != self._together(batch[0].group)):
                continue
            speed = self._speed(queue) or 0.0
            size = seconds / speed if speed > 0 else float(queue.size)
            room = (seconds - spent) / speed if speed > 0 else size
            taken = self._take(name, size, room, at_least=not batch, only=1 if each_once else None)
            batch += taken
            spent += sum(item.size for item in taken) * speed
            if kind is None or not taken or (queue.items and not each_once):
                break
        return tuple(batch)

    def _cut_to_fit(self, batch: tuple[Item, ...]) -> tuple[Item, ...]:
        """Cut a chunk that is tried again, if it is known by now that it is too large."""
        queue = self._queues[batch[0].group]
        if len(batch) > 1:
            return batch
        bundle = Bundle(batch)
        head, *rest = self._cut(bundle, self._fits_of(queue, bundle))
        for part in rest:
            queue.items.appendleft(part)
            queue.size += part.size
            self._size += part.size
        if rest:
            self._note(bundle.group)
        return head.items

    def _note(self, name: str) -> None:
        """Note whether a dataset has items; those that were not tried take turns."""
        queue = self._queues[name]
        tried = queue.speed(self._settings.first_guess) is not None
        some = self._tried if tried else self._untried
        if not tried or not queue.items:
            some.pop(name, None)
        if queue.items:
            some[name] = None

    def _fits_of(self, queue: _Queue, bundle: Bundle) -> Fits:
        """Return what is allowed now: what had to be cut once is always cut to what is best."""
        fits = self._fits(bundle.group)
        return Fits(most=fits.best, best=fits.best) if queue.cut else fits

    def _cut(self, bundle: Bundle, fits: Fits) -> tuple[Bundle, ...]:
        parts = bundle.cut(fits)
        if len(parts) > 1:
            self._queues[bundle.group].cut = True
        return parts

    def _take(
        self, name: str, size: float, room: float, *, at_least: bool = True, only: int | None = None
    ) -> list[Bundle]:
        """Take chunks of a dataset for which there is `room` in a task of this size.

        With `at_least` it is one, whatever its size; with `only` so many at the most.
        """
        queue = self._queues[name]
        fits = self._allowed(queue, size)
        batch: list[Bundle] = []
        total = 0
        while queue.items and len(batch) != only:
            head = queue.items[0].cut(fits)[0]
            if total + head.size > room and (batch or not at_least):
                break
            batch.append(self._pop(queue, fits))
            total += head.size
        queue.size -= total
        self._size -= total
        if batch:  # or it would have had its turn
            self._note(name)
        return batch

    def _allowed(self, queue: _Queue, size: float) -> Fits:
        head = queue.items[0]
        fits = self._fits_of(queue, head)
        if not self._settings.adaptive:
            return fits
        size /= len(head.items)
        if not queue.measured_size:
            most = min(self._settings.first_events, fits.best or self._settings.first_events)
        else:
            # a chunk is one task at the most, whatever fits into memory
            most = max(1, min(fits.best or int(size), int(size)))
        return Fits(most=most, best=most)

    def _pop(self, queue: _Queue, fits: Fits) -> Bundle:
        """Take the next chunk, or as much of it as is best."""
        head, *rest = self._cut(queue.items.popleft(), fits)
        queue.items.extendleft(rest)
        return head
