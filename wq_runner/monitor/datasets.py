"""The datasets of a run on its page: all of them, or those that need to be seen and all others folded."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

from wq_runner.monitor import words
from wq_runner.monitor.html import Child, Html, section, table, tag
from wq_runner.monitor.sections import DATASETS_SHOWN
from wq_runner.monitor.view import Progress, RunView

FEW = 25  # datasets that are all shown
_NOW, _SLOWEST = 20, 5  # of many: that run or lack something, and that were slowest
_HEAD = ("dataset", "", "", "done", "of", "skipped", "chunks", "rate", "left")


def section_of(view: RunView) -> Html:
    """Return the part of a page about datasets."""
    many = len(view.datasets) > FEW
    return section("datasets", "Datasets", *(_folded(view) if many else [_all(view.datasets, view)]))


def searchable(name: str, title: str, found: Html) -> Html:
    """Fold the table `NAME-table`, and let its rows be searched by the names that they begin with."""
    search = tag(
        "input",
        id=f"{name}-search",
        type="search",
        placeholder="part of a name",
        aria_label="rows with this in their name",
        data_rows=f"{name}-table",
        hidden=True,  # where no script is run, nothing is looked for
    )
    return tag("details", tag("summary", title), search, found, id=f"{name}-all")


def ranked(datasets: Iterable[Progress]) -> list[Progress]:
    """Return them with those first that need to be seen: with trouble, running, waiting, done."""
    return sorted(datasets, key=_rank)


def _rank(one: Progress) -> int:
    if one.lacks:
        return 0
    if not one.finished:
        return 2 if one.started else 3
    return 1 if one.retried else 4


def _folded(view: RunView) -> list[Child]:
    """Return totals, those that run or had trouble, the slowest, and all in what can be opened."""
    counts = (
        (sum(one.finished for one in view.datasets), "done"),
        (sum(one.started and not one.finished for one in view.datasets), "running"),
        (sum(not one.started and not one.finished for one in view.datasets), "waiting"),
        (sum(one.lacks for one in view.datasets), "lack something"),
        (sum(bool(one.retried) for one in view.datasets), "had retries"),
    )
    text = ", ".join(f"{number:,} {what}" for number, what in counts if number)
    order = ranked(view.datasets)
    seen = [one for one in order if one.lacks or one.retried or (one.started and not one.finished)]
    slow = _slowest(view.datasets)
    number = words.count(len(view.datasets), "dataset")
    return [
        tag("p", f"{number}: {text}"),
        _table("datasets-now", f"that run, or had trouble, in {view.unit}", seen[:_NOW], view)
        if seen
        else None,
        _table("datasets-slowest", f"the slowest, in {view.unit}", slow, view) if slow else None,
        searchable("datasets", f"all {number}, those with trouble first", _all(order, view)),
    ]


def _slowest(datasets: Iterable[Progress]) -> list[Progress]:
    """Return those with the fewest events in a second of their own time."""
    known = [one for one in datasets if one.mean_rate > 0]
    return heapq.nsmallest(_SLOWEST, known, key=lambda one: one.mean_rate)


def _all(datasets: Sequence[Progress], view: RunView) -> Html:
    more = len(datasets) - DATASETS_SHOWN
    caption = f"{words.count(len(datasets), 'dataset')}, in {view.unit}"
    whole = _table("datasets-table", caption, datasets[:DATASETS_SHOWN], view)
    return Html(whole + tag("p", f"and {more:,} more", class_="note")) if more > 0 else whole


def _table(name: str, caption: str, datasets: Sequence[Progress], view: RunView) -> Html:
    return table(name, caption, _HEAD, [_row(one, view) for one in datasets], texts=2)


def _row(one: Progress, view: RunView) -> list[Child]:
    share = words.percent(words.share_done(one))
    bar = tag(
        "progress",
        share,
        value=one.done + one.skipped,
        max=max(one.planned, 1),
        class_="done" if one.finished else None,
        aria_label=one.name or view.phase,
    )
    return [
        one.name or view.phase,
        bar,
        share,
        f"{one.done:,}",
        f"{one.planned:,}",
        f"{one.skipped:,}" if one.skipped else words.count(one.chunks_skipped, "chunk") if one.lacks else "",
        f"{one.chunks_done:,}/{one.chunks:,}",
        words.rate(one),
        words.left(one, written=True),
    ]
