"""Doing something now and then beside a run, without costing it more than it may."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

BUDGET = 0.0015
"""The part of one core's time that a ticker may take: what costs more is done less often."""

SLOWEST = 60.0  # seconds between calls, however much they cost


class Ticker:
    """Calls a function in a thread, as often as it may cost. A failure is logged, and it is tried again."""

    def __init__(self, name: str, call: Callable[[], None], *, every: float, budget: float = BUDGET) -> None:
        self._name = name
        self._call = call
        self._every = every
        self._budget = budget
        self._stop = threading.Event()
        self.failed = False
        self.spent = 0.0
        """CPU seconds that all calls took."""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """End the thread; one that hangs in a dead file system is left alone."""
        self._stop.set()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def _run(self) -> None:
        wait = min(0.5, self._every)
        while not self._stop.wait(wait):
            before = time.thread_time()
            try:
                self._call()
            except Exception:
                level = logging.DEBUG if self.failed else logging.WARNING
                log.log(level, "%s failed; the run goes on without", self._name, exc_info=True)
                self.failed = True
            cost = time.thread_time() - before
            self.spent += cost
            wait = max(self._every, min(cost / self._budget, SLOWEST))
