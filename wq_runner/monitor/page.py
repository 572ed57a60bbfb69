"""The status page of a run."""

from __future__ import annotations

from wq_runner.monitor import datasets, sections, stream, troubles, words
from wq_runner.monitor.html import NOTHING, Html, document, tag
from wq_runner.monitor.view import RUNNING, RunView

_PARTS = (
    ("datasets", "datasets"),
    ("histograms", "histograms"),
    ("stream", "workers"),
    ("time", "over time"),
    ("cores", "core time"),
    ("memory", "memory"),
    ("failures", "failures"),
    ("slowest", "slowest"),
    ("log", "log"),
    ("about", "about"),
)


def status_page(view: RunView, *, name: str, every: float, histograms: Html = NOTHING) -> str:
    """Return the page; while the run goes, it looks for its successor `every` so many seconds."""
    there = {"log": view.log, "histograms": histograms, "stream": view.lanes.lanes}
    body = tag(
        "main",
        sections.messages(view),
        sections.summary(view),
        sections.contents([part for part in _PARTS if there.get(part[0], True)]),
        datasets.section_of(view),
        histograms,
        stream.section_of(view),
        sections.over_time(view),
        sections.core_time(view),
        troubles.failures(view),
        sections.memory(view),
        troubles.slowest(view),
        sections.log_tail(view),
        sections.about(view),
        id="main",
        tabindex=-1,
    )
    running = view.state == RUNNING
    done = words.percent(words.share_done(view.total)) if running else view.state
    return document(
        f"{done} {name}",
        sections.head(view, name),
        body,
        state=view.state,
        refresh=every if running else None,
    )
