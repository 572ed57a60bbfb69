"""What watches a run: one account of its events, shown in files, in a browser and in the terminal.

Nothing in here stops a run: what fails is logged, and the run goes on.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from wq_runner.clock import Clock
from wq_runner.monitor.collect import Collector
from wq_runner.monitor.html import Html
from wq_runner.monitor.server import PageServer
from wq_runner.monitor.status import Status
from wq_runner.monitor.view import RunView
from wq_runner.run_events import Event, RunEnded
from wq_runner.system import RunPaths

if TYPE_CHECKING:
    from wq_runner.monitor.gallery import Gallery
    from wq_runner.monitor.histograms import Sample

log = logging.getLogger(__name__)


class Watch:
    """A listener of the journal. `http` is the port at which to serve the page, None serves nothing."""

    def __init__(
        self, paths: RunPaths, *, http: int | None = None, clock: Callable[[], float] | None = None
    ) -> None:
        self._paths = paths
        self._clock = clock or Clock()
        self._collector = Collector()
        self._status = Status(paths, self.look)
        self._gallery: Gallery | None = None
        self.server = PageServer(self._status.snapshot, http) if http is not None else None
        with _harmless("report of the last run"):
            paths.report.unlink(missing_ok=True)
        self._status.start()

    def __call__(self, now: float, event: Event) -> None:
        try:
            self._collector.take(now, event)
        except Exception:
            log.warning("an event is missing in the report: %s", type(event).__name__, exc_info=True)
        if isinstance(event, RunEnded):
            self._status.stop()
            with _harmless("status page"):
                self._status.write()

    def look(self, now: float | None = None) -> RunView:
        """Return the state at a time, now if it is None."""
        return self._collector.view(self._clock() if now is None else now)

    def glance(self, now: float | None = None) -> RunView:
        """Return what a terminal shows of it."""
        return self._collector.view(self._clock() if now is None else now, brief=True)

    def show(self, value: Any, *, of: str, samples: Mapping[str, Sample]) -> None:
        """Take the histograms of an output, or of its part `of` a dataset, for page and report."""
        with _harmless("histograms on the page"):
            from wq_runner.monitor.gallery import Gallery  # once all is done

            if self._gallery is None:
                self._gallery = Gallery(samples)
            self._gallery.add(value, of=of)

    def draw(self) -> None:
        """Draw all outputs that were put in."""
        with _harmless("histograms on the page"):
            self._status.histograms = self._gallery.section() if self._gallery is not None else Html("")

    def fill(self, drawn: Html) -> None:
        """Show what was drawn of a result that is not whole yet, until there is one."""
        self._status.histograms = drawn

    def finish(self, record: Mapping[str, Any]) -> None:
        """Write the report and end; `record` is what run.json says."""
        self._status.stop()
        with _harmless("report"):
            from wq_runner.monitor import report  # once all is done

            report.write(
                self.look(),
                record,
                self._paths.report,
                name=self._paths.root.name,
                histograms=self._status.histograms,
            )
        if self.server is not None:
            with _harmless("status server"):
                self.server.close()


@contextlib.contextmanager
def _harmless(what: str) -> Iterator[None]:
    try:
        yield
    except Exception:
        log.warning("the %s failed; the run goes on without", what, exc_info=True)
