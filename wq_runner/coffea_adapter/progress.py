"""Progress of calls that no run surrounds, where somebody looks: a terminal, or a notebook."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from wq_runner.journal import Journal
from wq_runner.monitor import cell
from wq_runner.monitor.collect import Collector
from wq_runner.monitor.console import PlainConsole
from wq_runner.monitor.display import display
from wq_runner.monitor.view import RunView


@contextlib.contextmanager
def shown(journal: Journal) -> Iterator[None]:
    """Show what a journal is told while the block runs."""
    if not sys.stderr.isatty() and cell.display_function() is None:
        yield
        return
    collector = Collector()

    def look(now: float | None) -> RunView:
        return collector.view(journal.clock() if now is None else now, brief=True)

    show = display(PlainConsole(stderr=True), look)
    listeners = (collector.take, show)
    journal.listeners += listeners
    try:
        yield
    finally:
        show.close()
        for listener in listeners:
            with contextlib.suppress(ValueError):  # one that failed is gone already
                journal.listeners.remove(listener)
