"""From the events of a journal to the state of a run, for several threads."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from wq_runner.monitor import snapshot
from wq_runner.monitor.event_totals import Sums
from wq_runner.monitor.view import RunView
from wq_runner.run_events import Event, RunStarted


class Collector:
    """Takes events one by one and tells the state at any time; for use by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums = Sums(RunStarted(command=(), version=""), 0.0)

    def take(self, now: float, event: Event) -> None:
        """Add one event."""
        self.take_all(((now, event),))

    def take_all(self, events: Iterable[tuple[float, Event]]) -> None:
        """Add events, which are in the order of time."""
        with self._lock:
            for now, event in events:
                if isinstance(event, RunStarted):
                    self._sums = Sums(event, now)  # by a clock of its own
                elif not self._sums.begun:
                    self._sums = Sums(self._sums.started, now)  # an executor's journal knows no run
                self._sums.take(now, event)

    @property
    def now(self) -> float:
        """The time of the last event, by the clock of its run."""
        return self._sums.now

    def view(self, now: float | None = None, *, brief: bool = False) -> RunView:
        """Return the state now, which is the time of the last event if none is given.

        A `brief` one lacks what a terminal has no room for, and costs little however long the run is.
        """
        with self._lock:
            sums = self._sums
            now = max(now or 0.0, sums.now) if sums.ended is None else sums.now
            found = snapshot.brief(sums, now)
            return found if brief else snapshot.detailed(sums, found)
