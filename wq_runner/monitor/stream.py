"""The stream of tasks on page and report: a row for each core of a host, and how the last datasets went."""

from __future__ import annotations

from wq_runner.model import Category
from wq_runner.monitor import charts, words
from wq_runner.monitor.charts import Line
from wq_runner.monitor.html import NOTHING, Html, section, tag
from wq_runner.monitor.view import Lane, Lanes, RunView

_WIDE = 1000  # of a row, in its own units
_HEIGHT = 10
_COLORS = 5  # of datasets
_HELPERS = 5
_PROCESSING = Category.PROCESSING.value


def section_of(view: RunView) -> Html:
    """Return the part of a page; empty while no attempt has come back."""
    lanes = view.lanes
    if not lanes.lanes:
        return NOTHING
    colors = _colors(lanes)
    rows = [_row(lane, lanes, colors) for lane in lanes.lanes]
    ends = [tag("span", charts.since(round(part * _seconds(lanes)))) for part in (0, 0.5, 1)]
    axis = tag("div", tag("span"), tag("div", ends, class_="lane-axis"), class_="lane-row")
    return section(
        "stream",
        "Workers over time",
        tag("div", rows, axis, class_="lanes"),
        tag("ul", _legend(view, colors), class_="legend"),
        tag("p", _note(view), class_="note"),
    )


def _seconds(lanes: Lanes) -> float:
    return lanes.bins * lanes.width


def _colors(lanes: Lanes) -> dict[int, str]:
    """Return the class of each kind."""
    found: dict[int, str] = {}
    datasets = 0
    for place, (category, _) in enumerate(lanes.kinds):
        if category == _PROCESSING:
            found[place] = f"c{datasets % _COLORS}"
            datasets += 1
        else:
            found[place] = f"c{_HELPERS}"
    return found


def _row(lane: Lane, lanes: Lanes, colors: dict[int, str]) -> Html:
    """Draw what a core did; what has one colour is one path, so that long runs have small pages."""
    paths: dict[str, list[str]] = {}
    scale = _WIDE / max(lanes.bins, 1)
    for first, length, kind, failed in lane.spans:
        width = charts.short(length * scale)
        step = f"M{charts.short(first * scale)} 0h{width}v{_HEIGHT}h-{width}z"
        paths.setdefault("failed" if failed else f"bar {colors[kind]}", []).append(step)
    busy = sum(length for _, length, _, _ in lane.spans) / max(lanes.bins, 1)
    attempts = f"{words.count(lane.attempts, 'attempt')}, {lane.failed:,} failed"
    text = f"{lane.host}: {attempts}, busy {words.percent(busy)}"
    drawn = [tag("path", d="".join(steps), class_=kind) for kind, steps in sorted(paths.items())]
    svg = tag(
        "svg",
        tag("title", text),
        drawn,
        viewBox=f"0 0 {_WIDE} {_HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        aria_label=text,
        class_="lane",
    )
    return tag("div", tag("span", lane.host, class_="lane-name", title=lane.host), svg, class_="lane-row")


def _legend(view: RunView, colors: dict[int, str]) -> list[Html]:
    kinds = enumerate(view.lanes.kinds)
    datasets = [(colors[place], name) for place, (category, name) in kinds if category == _PROCESSING]
    if len(datasets) <= _COLORS and all(name or len(view.datasets) < 2 for _, name in datasets):
        keys = [([color], name or "processing") for color, name in datasets]
    else:
        number = max(len(datasets), len(view.datasets))
        keys = [([f"c{place}" for place in range(_COLORS)], f"{number:,} datasets take turns")]
    if f"c{_HELPERS}" in colors.values():
        keys.append(([f"c{_HELPERS}"], "opening files, adding up results"))
    keys += [(["failed"], "failed"), (["idle"], "idle")]
    return [
        tag("li", [tag("span", class_=f"key {one}", aria_hidden="true") for one in ones], name)
        for ones, name in keys
    ]


def _note(view: RunView) -> str:
    lanes = view.lanes
    text = (
        "a row is a core of a host, with the attempts that have ended; "
        f"a step is {words.count(lanes.width, 'second')}"
    )
    return f"{text}. Not here: {words.count(lanes.more_hosts, 'more host')}" if lanes.more_hosts else text


def progress(view: RunView) -> Html:
    """Draw how far all was, and the datasets that took until last: the tail of the run."""
    lines = [
        Line(name=name or "all", values=[100 * share for share in shares], filled=not name)
        for name, shares in view.lanes.done.items()
    ]
    if not lines:
        return NOTHING
    more = len(view.datasets) > len(lines)
    title = "done: all, and the datasets that took until last" if more else "done"
    return charts.over_time(title, lines, seconds=_seconds(view.lanes), shown=lambda value: f"{value:.0f}%")
