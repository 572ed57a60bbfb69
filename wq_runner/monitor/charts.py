"""Small pictures as SVG text: lines over time, histograms, bars. Colours come from the page's style."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wq_runner.monitor.html import Html, tag
from wq_runner.monitor.view import Distribution

WIDTH, HEIGHT = 420, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 8, 10, 22
_ROUND_TIMES = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)

_SMALL = 100  # whole numbers up to which an edge between two of them would be seen

Format = Callable[[float], str]


@dataclass(frozen=True, kw_only=True)
class Line:
    """A named line; `filled` ones are drawn as areas."""

    name: str
    values: Sequence[float]
    filled: bool = False


def over_time(
    title: str, lines: Sequence[Line], *, seconds: float, shown: Format, of_bytes: bool = False
) -> Html:
    """Draw lines over the time since the start: each value lasts for an equal part of `seconds`."""
    most = max((max(line.values, default=0.0) for line in lines), default=0.0)
    top = nice_size(most) if of_bytes else nice_top(most)
    count = max((len(line.values) for line in lines), default=0)
    seconds = max(seconds, 1e-3)
    parts: list[Html] = [*y_axis(top, shown), *_time_axis(seconds)]
    for place, line in enumerate(lines):
        points = _steps(line.values, count, top)
        if line.filled:
            base = f"{across(1)},{up(0, 1)} {across(0)},{up(0, 1)}"
            parts.append(tag("polygon", points=f"{points} {base}", class_=f"area c{place}"))
        parts.append(tag("polyline", points=points, class_=f"line c{place}"))
    now = ", ".join(
        f"{line.name} now {shown(line.values[-1])}, at most {shown(max(line.values))}"
        for line in lines
        if line.values
    )
    return figure(
        title,
        drawing(parts, f"{title}: {now or 'nothing yet'}"),
        list(enumerate(line.name for line in lines)),
    )


def histogram(title: str, found: Distribution, *, shown: Format, whole: bool = False) -> Html:
    """Draw how often each size occurs, sizes in equal ratios; those of what is counted are `whole`."""
    if not found.counts:
        return figure(title, drawing([_note("nothing yet")], f"{title}: nothing yet"), [])
    top = nice_top(max(found.counts))
    step = 1 / len(found.counts)
    parts = [*y_axis(top, _whole)]
    for place, count in enumerate(found.counts):
        if count:
            height = (HEIGHT - _TOP - _BOTTOM) * count / top
            left, width = across(place * step), across((place + 1) * step) - across(place * step)
            low, high = found.edges[place], found.edges[place + 1]
            label = f"{_between(low, high, shown, whole=whole)}: {count:,}"
            parts.append(
                tag(
                    "rect",
                    tag("title", label),
                    x=short(left),
                    y=short(up(count, top)),
                    width=short(max(width - 1, 1)),
                    height=short(max(height, 1)),
                    class_="bar c0",
                )
            )
    places = sorted({round(part * len(found.counts)) for part in (0, 1 / 3, 2 / 3, 1)})
    at = {place: shown(found.edges[place]) for place in places}
    if whole:
        at = _whole_edges(found.edges) or at
    parts += [tick(across(place * step), text, place * step) for place, text in at.items()]
    sizes = (found.median, found.high, found.most)
    median, most_are, most = (shown(round(size) if whole else size) for size in sizes)
    text = f"median {median}, 95% below {most_are}, at most {most}"
    return figure(title, drawing(parts, f"{title}: {text}"), [], note=text)


def _between(low: float, high: float, shown: Format, *, whole: bool) -> str:
    """Return what is in a bin, the end of which is in the next one."""
    first, last = map(shown, (math.ceil(low), math.ceil(high) - 1) if whole else (low, high))
    return first if whole and first == last else f"{first} to {last}"


def _whole_edges(edges: Sequence[float]) -> dict[int, str]:
    """Return some whole numbers, by the bins that they are in; none where there are too few small ones."""
    low, high = math.ceil(edges[0]), math.ceil(edges[-1]) - 1
    if high > _SMALL or high < low:
        return {}
    few = range(low, high + 1, max(1, (high - low) // 3))
    return {max(place for place, edge in enumerate(edges) if edge <= value): str(value) for value in few}


def stack(title: str, parts: Sequence[tuple[str, float]]) -> Html:
    """Draw one bar cut into shares of the whole."""
    total = sum(value for _, value in parts) or 1.0
    drawn, left = [], 0.0
    for place, (name, value) in enumerate(parts):
        width = WIDTH * value / total
        label = tag("title", f"{name}: {100 * value / total:.1f}%")
        drawn.append(
            tag("rect", label, x=short(left), y=0, width=short(width), height=26, class_=f"bar c{place}")
        )
        left += width
    text = ", ".join(f"{name} {100 * value / total:.1f}%" for name, value in parts)
    svg = tag(
        "svg",
        drawn,
        viewBox=f"0 0 {WIDTH} 26",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"{title}: {text}",
        class_="stack",
    )
    keys = [
        (place, f"{name} {100 * value / total:.0f}%") for place, (name, value) in enumerate(parts) if value
    ]
    return figure(title, svg, keys, wide=True)


def used_of(used: float, held: float) -> Html:
    """Draw how much of what was held was used, as a bar in a bar."""
    part = min(1.0, used / held) if held > 0 else 0.0
    return tag(
        "svg",
        tag("rect", x=0, y=0, width=100, height=10, class_="held"),
        tag("rect", x=0, y=0, width=short(100 * part), height=10, class_="bar c0"),
        viewBox="0 0 100 10",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"{100 * part:.0f}% used",
        class_="used",
    )


def figure(
    title: str, svg: Html, legend: Sequence[tuple[int | str, str]], *, note: str = "", wide: bool = False
) -> Html:
    keys = [
        tag("li", tag("span", class_=f"key {_kind(key)}", aria_hidden="true"), name) for key, name in legend
    ]
    return tag(
        "figure",
        tag("figcaption", title),
        svg,
        tag("ul", keys, class_="legend") if keys else None,
        tag("p", note, class_="note") if note else None,
        class_="wide" if wide else None,
    )


def _kind(key: int | str) -> str:
    return key if isinstance(key, str) else f"c{key}"


def drawing(parts: Sequence[Html], label: str) -> Html:
    return tag("svg", parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=label, class_="chart")


def across(part: float) -> float:
    return _LEFT + part * (WIDTH - _LEFT - _RIGHT)


def up(value: float, top: float) -> float:
    return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * value / top


def short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _steps(values: Sequence[float], count: int, top: float) -> str:
    points = []
    before = None
    for place, value in enumerate(values):
        y = short(up(value, top))
        if y != before:
            points.append(f"{short(across(place / count))},{y}")
        # the end of a level is a point as well, but only where the level ends
        following = values[place + 1] if place + 1 < len(values) else None
        if following is None or short(up(following, top)) != y:
            points.append(f"{short(across((place + 1) / count))},{y}")
        before = y
    return " ".join(points)


def nice_top(value: float) -> float:
    """Return the next of 1, 2, 5, 10, ... so that four lines fall on round numbers."""
    if value <= 0 or not math.isfinite(value):
        return 1.0
    scale = 10.0 ** math.floor(math.log10(value))
    return next(step * scale for step in (1, 2, 4, 5, 8, 10) if step * scale >= value * 0.9999)


def nice_size(value: float) -> float:
    """Return the next of 1, 2, 5, 10, ... kB, MB, GB, of which each is 1,024 of the one before."""
    unit = 1024.0 ** math.floor(math.log(value, 1024)) if value > 1 and math.isfinite(value) else 1.0
    top = nice_top(value / unit)
    return top * unit if top < 1000 else 1024 * unit


def round_numbers(low: float, high: float, *, whole: bool = False, about: int = 5) -> list[float]:
    """Return round numbers from `low` to `high`, `about` so many; where `whole`, without fractions."""
    if not high > low:
        return [low]
    least = (high - low) / about
    scale = 10.0 ** math.floor(math.log10(least))
    step = next(factor * scale for factor in (1, 2, 5, 10) if factor * scale >= least * 0.9999)
    step = max(step, 1.0) if whole else step
    first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    return [round(place * step, 12) for place in range(first, last + 1)]


def y_axis(top: float, shown: Format, bottom: float = 0.0) -> list[Html]:
    """Draw a line at each quarter of the larger side of zero, and a number at every other."""
    parts = []
    step = max(top, -bottom) / 4
    for quarter in range(round(bottom / step), round(top / step) + 1):
        value = step * quarter
        height = up(value - bottom, top - bottom)
        y = short(height)
        kind = "grid zero" if bottom < 0 and quarter == 0 else "grid"
        parts.append(tag("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y, class_=kind))
        if quarter % 2 == 0:
            parts.append(tag("text", shown(value), x=_LEFT - 5, y=short(height + 4), class_="y"))
    return parts


def _whole(value: float) -> str:
    """Return a count for an axis; half a task is none."""
    return f"{value:,.0f}" if float(value).is_integer() else ""


def _time_axis(seconds: float) -> list[Html]:
    step = next(
        (step for step in _ROUND_TIMES if seconds / step <= 5), 86400 * math.ceil(seconds / 86400 / 5)
    )
    return [
        tick(across(number * step / seconds), since(number * step), number * step / seconds)
        for number in range(int(seconds // step) + 1)
    ]


def tick(x: float, text: str, part: float) -> Html:
    anchor = "end" if part > 0.95 else "start" if part < 0.02 else "middle"
    return tag("text", text, x=short(x), y=HEIGHT - 6, class_="x", text_anchor=anchor)


def _note(text: str) -> Html:
    return tag("text", text, x=WIDTH // 2, y=HEIGHT // 2, class_="x", text_anchor="middle")


def since(seconds: float) -> str:
    """Return a time on an axis: 0, 30s, 5m, 2h, 3d."""
    for limit, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= limit:
            return f"{seconds / limit:g}{unit}"
    return f"{seconds:g}s" if seconds else "0"
