"""Being there for workers while there is no task, without keeping the manager waiting.

The engine accepts workers, and keeps them, while it waits for a task. Without one, a prompt release returns
at once. Others do when the second of the clock has changed, and who waits next finds the engine asleep for
most of another second before it sends a task out. So those wait in the last moment of each second only, or
when a worker knocks, which ends their waiting; meanwhile this process sleeps until it is told something. And
the first wait after that is woken up, so that it finds its task. It is woken up once: who hangs is known by
doing nothing. Where this process is late for the last moment of a second, as on a busy machine, it leaves
that one out.
"""

from __future__ import annotations

import contextlib
import select
import signal
import time
from collections.abc import Callable, Iterator

MOMENT = 0.03  # seconds before the next second
STEP = 0.015  # seconds; the engine sees the clock in steps of up to 10 ms
NUDGE = 0.02  # seconds in which a wait that has begun is asleep, on a busy machine too
MOST_LATE = 10  # seconds in a row that are left out, at most


class Idleness:
    """Of a queue that listens on the socket `door`, and hears the manager from `connection`."""

    def __init__(
        self, door: int, connection: int, *, prompt: bool, clock: Callable[[], float] = time.time
    ) -> None:
        self._poll = select.poll()
        for descriptor in (door, connection):
            self._poll.register(descriptor, select.POLLIN)
        self._door = door
        self._prompt = prompt
        self._clock = clock
        self._rested = False
        self._late = 0

    def rest(self) -> bool:
        """Sleep while there is no task, and return whether the engine is to look after its workers now."""
        if self._prompt:
            return True
        self._rested = True
        begun = self._clock()
        left = 1 - begun % 1 - MOMENT
        heard = [descriptor for descriptor, _ in self._poll.poll(max(0.0, left) * 1000)]
        if not heard and int(self._clock()) != int(begun) and self._late < MOST_LATE:
            self._late += 1
            return False
        self._late = 0
        return not heard or heard == [self._door]

    @contextlib.contextmanager
    def nudging(self, *, idle: bool) -> Iterator[None]:
        """Wake up the engine: at the end of the second while it is `idle`, and then for its first task."""
        if not self._rested:
            yield
            return
        self._rested = idle
        signal.signal(signal.SIGALRM, lambda *_: None)
        # what reads and writes goes on, and only what sleeps is woken up: signal(7)
        signal.siginterrupt(signal.SIGALRM, False)
        signal.setitimer(signal.ITIMER_REAL, 1 - self._clock() % 1 + STEP if idle else NUDGE)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
