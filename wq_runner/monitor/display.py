"""Progress in the terminal while a run goes: bars where there is one, lines where it is a file.

A thread draws, so that a slow terminal delays nobody, and not more often than it may cost.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Protocol

from rich.console import Console
from rich.live import Live

from wq_runner.monitor import cell, terminal, words
from wq_runner.monitor.ticker import Ticker
from wq_runner.monitor.view import RunView
from wq_runner.run_events import Event, PhaseEnded, PhaseStarted

LINE_EVERY = 30.0  # seconds between lines where there is no terminal
TERMINAL_BUDGET = 0.0015
"""The part of one core's time that drawing may take."""
FRAME_EVERY = 1.0  # seconds between frames where there is one
Look = Callable[[float | None], RunView]
"""Returns the state at a time, now if it is None."""


class Display(Protocol):
    """Something that shows a run while phases run; a listener of the journal."""

    def __call__(self, now: float, event: Event, /) -> None: ...

    def close(self) -> None:
        """Leave the terminal as it should be."""


def display(console: Console, look: Look) -> Display:
    """Return bars for a terminal or a notebook, lines for anything else."""
    if (show := cell.display_function()) is not None:
        return cell.Cell(show, look)
    return Bars(console, look) if console.is_terminal else Lines(console, look)


class Lines:
    """A line now and then, for logs."""

    def __init__(self, console: Console, look: Look) -> None:
        self._console = console
        self._look = look
        self._ticker: Ticker | None = None

    def __call__(self, now: float, event: Event) -> None:
        if isinstance(event, PhaseStarted):
            self.close()
            self._first = True
            self._next = time.monotonic() + LINE_EVERY / 10
            self._ticker = Ticker("progress", self._tick, every=1.0)
            self._ticker.start()
        elif isinstance(event, PhaseEnded):
            self.close()
            self._print(self._look(now))

    def close(self) -> None:
        if self._ticker is not None:
            self._ticker.stop()
            self._ticker = None

    def _tick(self) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + LINE_EVERY
            self._print(self._look(None))

    def _print(self, view: RunView) -> None:
        self._console.print(words.one_line(view), highlight=False, markup=False, soft_wrap=True)


class Bars:
    """A bar for each dataset and the lines of status, redrawn in place."""

    def __init__(self, console: Console, look: Look) -> None:
        self._console = console
        self._look = look
        self._live: Live | None = None
        self._ticker: Ticker | None = None

    def __call__(self, _now: float, event: Event) -> None:
        if isinstance(event, PhaseStarted):
            self.close()
            self._live = Live(console=self._console, auto_refresh=False, transient=False)
            self._live.start()
            self._ticker = Ticker("progress", self._draw, every=FRAME_EVERY, budget=TERMINAL_BUDGET)
            self._ticker.start()
        elif isinstance(event, PhaseEnded):
            self.close()

    def close(self) -> None:
        ticker, live = self._ticker, self._live
        self._ticker = self._live = None
        if ticker is not None:
            ticker.stop()
        if live is not None:
            with contextlib.suppress(Exception):  # a bar that cannot be drawn stops nothing
                self._draw_on(live)
            with contextlib.suppress(Exception):
                live.stop()

    def _draw(self) -> None:
        if self._live is not None:
            self._draw_on(self._live)

    def _draw_on(self, live: Live) -> None:
        size = self._console.size
        live.update(terminal.render(self._look(None), width=size.width, height=size.height), refresh=True)
