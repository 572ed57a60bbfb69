"""Since when a task does nothing: the measure of `--stall-time`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from .family import Family

IDLE = 0.01  # of a core: threads that wait for an answer which never comes wake up now and then
STARVED = 0.5  # of the time in which it would compute, if others left it a core


class Activity:
    """Whether something happens: another item, something that is read, computing, or waiting for a core.

    A process that would compute if it had a core is not stuck, however busy its host is: what hangs, sleeps.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._moved = clock()
        self._mark: tuple[Any, ...] = ()
        self._cpu = 0.0
        self._waited = 0.0

    def still(self, family: Family, item: int | None) -> float:
        """Return the seconds since anything has happened."""
        mark, now = (item, family.bytes_read()), self._clock()
        cpu, waited = family.cpu_seconds(), family.waited_seconds()
        # what ended and nobody waited for is known no more
        self._cpu, self._waited = min(self._cpu, cpu), min(self._waited, waited)
        used, elapsed = cpu - self._cpu, now - self._moved
        wanted = used + waited - self._waited
        if mark != self._mark or used > IDLE * elapsed or wanted > STARVED * elapsed:
            self._mark, self._cpu, self._waited, self._moved = mark, cpu, waited, now
        return now - self._moved
