"""Progress below a notebook's cell, redrawn in place.

By the display's own identity and not by a widget: every front end knows it, and a saved notebook shows it.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

from wq_runner.monitor import terminal
from wq_runner.monitor.console import PlainConsole
from wq_runner.monitor.ticker import Ticker
from wq_runner.monitor.view import RunView
from wq_runner.run_events import Event, PhaseEnded, PhaseStarted

WIDTH, HEIGHT = 110, 40
FRAME_EVERY = 1.0  # seconds
BUDGET = 0.005
"""The part of one core's time that drawing may take."""

_HTML = '<pre style="font-family:monospace; line-height:normal">{code}</pre>'


def display_function() -> Callable[..., Any] | None:
    """Return the function that displays something below the cell that runs; None outside of notebooks."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import display

    found: Callable[..., Any] = display
    return found


class Cell:
    """One display for each phase."""

    def __init__(self, show: Callable[..., Any], look: Callable[[float | None], RunView]) -> None:
        self._show = show
        self._look = look
        self._handle: Any = None
        self._ticker: Ticker | None = None

    def __call__(self, _now: float, event: Event) -> None:
        if isinstance(event, PhaseStarted):
            self.close()
            self._handle = self._show(_drawn(self._look(None)), raw=True, display_id=True)
            self._ticker = Ticker("progress", self._draw, every=FRAME_EVERY, budget=BUDGET)
            self._ticker.start()
        elif isinstance(event, PhaseEnded):
            self.close()

    def close(self) -> None:
        ticker, handle = self._ticker, self._handle
        self._ticker = self._handle = None
        if ticker is not None:
            ticker.stop()
        if handle is not None:
            handle.update(_drawn(self._look(None)), raw=True)

    def _draw(self) -> None:
        if self._handle is not None:
            self._handle.update(_drawn(self._look(None)), raw=True)


def _drawn(view: RunView) -> dict[str, str]:
    console = PlainConsole(
        file=io.StringIO(), width=WIDTH, height=HEIGHT, record=True, force_terminal=True, force_jupyter=False
    )
    console.print(terminal.render(view, width=WIDTH, height=HEIGHT))
    html = console.export_html(inline_styles=True, code_format=_HTML, clear=False)
    return {"text/html": html, "text/plain": console.export_text()}
