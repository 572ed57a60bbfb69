"""Where the time of the workers' cores goes."""

from __future__ import annotations

import math
from collections import deque

from wq_runner.model import Category
from wq_runner.monitor.view import CoreTime
from wq_runner.run_events import TaskEnded, TaskSubmitted, Workers

_REMEMBERED = 64
_APART = 60.0  # seconds by which two clocks may differ
_PREPROCESSING, _PROCESSING = Category.PREPROCESSING.value, Category.PROCESSING.value


def attempt_seconds(event: TaskEnded, most: float = math.inf) -> float:
    """Return how long an attempt held its cores, from the start of its command to its end.

    That is by the clock of its worker, which may have been set meanwhile: then it is what the payload
    measured. `most` is how long ago it was submitted.
    """
    seconds, wall = event.finished - event.started, max(0.0, event.wall)
    if event.started > 0 and wall <= seconds <= wall + most + _APART:
        return seconds
    return wall or (min(max(0.0, seconds), most) if event.started > 0 else 0.0)


class Usage:
    """Adds up core seconds by use.

    An attempt with a result is split into start-up (until the first item begins, and until its end is
    noticed), transfer and processing; one without is lost to retries as a whole. What remains of the
    cores' time is idle.
    """

    def __init__(self, start: float) -> None:
        self._now = start
        self._cores = 0.0
        self._busy_cores = 0.0
        self._available = 0.0
        self._busy = 0.0
        self._running = 0
        self._processing = 0.0
        self._opening = 0.0
        self._adding = 0.0
        self._startup = 0.0
        self._transfer = 0.0
        self._retries = 0.0
        self._flying: dict[int, tuple[float, int]] = {}  # when submitted, and of how many items
        self._recent: deque[tuple[int, float]] = deque(maxlen=_REMEMBERED)

    def submitted(self, now: float, event: TaskSubmitted) -> None:
        self._flying[event.task] = (now, event.items)

    def since(self, now: float, task: int) -> float:
        """Return how long ago a task was submitted."""
        submitted, _ = self._flying.get(task, (-math.inf, 0))
        return max(0.0, now - submitted)

    def ended(self, event: TaskEnded, seconds: float, most: float = math.inf) -> int:
        """Add an attempt and return how many items it had."""
        cores = event.cores
        _, chunks = self._flying.pop(event.task, (0.0, event.done))
        self._recent.append((event.task, seconds * cores))
        self._transfer += min(max(0.0, event.transfer), most + _APART) * cores
        if not event.done:
            self._retries += seconds * cores
            return chunks
        wall = min(event.wall, seconds) if event.wall > 0 else seconds
        startup = min(seconds, seconds - wall + event.startup)
        self._startup += startup * cores
        rest = seconds - startup
        if event.done < chunks:  # what failed was not measured: it is what the others did not take
            useful = min(rest, event.processing)
            self._retries += (rest - useful) * cores
            rest = useful
        if event.category == _PROCESSING:
            self._processing += rest * cores
        elif event.category == _PREPROCESSING:
            self._opening += rest * cores
        else:
            self._adding += rest * cores
        return chunks

    def lost_by(self, task: int) -> float:
        """Return the core seconds of an attempt that ended just now."""
        return next((seconds for number, seconds in reversed(self._recent) if number == task), 0.0)

    def set_workers(self, now: float, event: Workers) -> None:
        self.advance(now)
        self._cores, self._busy_cores, self._running = event.cores, event.cores_used, event.running

    def advance(self, now: float) -> None:
        seconds = max(0.0, now - self._now)
        self._available += seconds * self._cores
        self._busy += seconds * self._busy_cores
        self._now = max(now, self._now)

    def core_time(self, now: float, *, live: bool) -> CoreTime:
        """Return the sums; what runs now is counted for itself, while the run is `live`."""
        useful = self._processing + self._opening + self._adding
        used = useful + self._startup + self._transfer + self._retries
        running = 0.0
        if live and self._flying:
            oldest = sorted(submitted for submitted, _ in self._flying.values())[: self._running]
            each = self._busy_cores / self._running if self._running else 0.0
            running = min(max(0.0, self._busy - used), sum(now - begun for begun in oldest) * each)
        available = max(self._available, used + running)
        return CoreTime(
            available=available,
            processing=self._processing,
            opening=self._opening,
            adding=self._adding,
            startup=self._startup,
            transfer=self._transfer,
            retries=self._retries,
            running=running,
            idle=available - used - running,
        )
