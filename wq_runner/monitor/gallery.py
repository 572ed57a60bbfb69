"""The histograms of an output in report, page and notebook: small pictures as SVG, in the page's colours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wq_runner.monitor import charts, pictures, words
from wq_runner.monitor.bins import Bins, Observable, is_category, is_histogram
from wq_runner.monitor.histograms import Sample, leaves
from wq_runner.monitor.html import NOTHING, Html, section, tag
from wq_runner.monitor.pictures import Picture

MOST = 24
"""The most pictures on a page."""

_COMBINATIONS = 30_000  # of categories: more of them take seconds
_MANY = 6  # datasets in a legend, and their colours
_OTHERS = "c7"
_TICKS = 5  # or so, below a picture
_LETTER = 6.2  # of the width of a picture
_NAMED = 8  # histograms that are not here


@dataclass
class Gallery:
    """Takes outputs, one after the other, and draws what is in them. `samples` say which are data."""

    samples: Mapping[str, Sample]
    pictures: dict[str, Picture] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    colours: dict[str, int] = field(default_factory=dict)
    """Of each dataset, so that it has the same in all pictures."""

    def add(self, value: Any, *, of: str = "") -> None:
        """Add an output, or the part of one that is `of` a dataset."""
        small, large = _sorted_by_size(value)
        self.left_out += large
        for one in pictures.pictures(small, self.samples):
            if of and "" in one.parts:
                one.parts[of] = one.parts.pop("")
            before = self.pictures.setdefault(one.full_name, one)
            if before is not one:
                before.parts.update(one.parts)
                for name, parts in one.varied.items():
                    before.varied.setdefault(name, {}).update(parts)

    def section(self) -> Html:
        """Return the part of a page, empty if there is no histogram."""
        drawn = self.figures()
        return section("histograms", "Histograms", drawn) if drawn else NOTHING

    def figures(self) -> Html:
        """Return the pictures, and the names of those that are not drawn here; empty if there is none."""
        if not self.pictures and not self.left_out:
            return NOTHING
        flat = [one for one in self.pictures.values() if not one.lacking and _is_flat(one)][:MOST]
        names = [one.full_name for one in self.pictures.values() if one not in flat] + self.left_out
        more = ", ".join(names[:_NAMED])
        if len(names) > _NAMED:
            more += f" and {len(names) - _NAMED:,} more"
        note = tag("p", f"not here: {more}. wq-report show draws what can be drawn", class_="note")
        for one in flat:
            for name in sorted(pictures.split_data(one, self.samples)[0]):
                self.colours.setdefault(name, len(self.colours))
        drawn = tag("div", [figure(one, self.samples, self.colours) for one in flat], class_="charts")
        return Html(drawn + (note if names else ""))


def _sorted_by_size(value: Any) -> tuple[dict[str, Any], list[str]]:
    """Return what is small enough to be drawn on the way, nested as it is, and the names of the others."""
    small: dict[str, Any] = {}
    large = []
    room = _COMBINATIONS
    for leaf in leaves(value):
        if not is_histogram(leaf.value):
            continue
        room -= math.prod(len(axis) for axis in leaf.value.axes if is_category(axis))
        if room < 0:
            large.append(leaf.name)
            continue
        inner = small
        for key in leaf.keys[:-1]:
            inner = inner.setdefault(key, {})
        inner[leaf.keys[-1] if leaf.keys else "histogram"] = leaf.value
    return small, large


def _is_flat(picture: Picture) -> bool:
    return len(next(iter(picture.parts.values())).observables) == 1


def figure(picture: Picture, samples: Mapping[str, Sample], colours: Mapping[str, int]) -> Html:
    """Draw one observable: datasets stacked, variations as a band, data as points.

    `colours` are the numbers of those that datasets have elsewhere.
    """
    expected, data = pictures.split_data(picture, samples)
    drawn = _largest(expected)
    seen = pictures.total(data) if data else None
    limits = pictures.band(picture, expected)
    places = _places(drawn, colours)
    stacked = [0.0] * len(next(iter(picture.parts.values())).values)
    layers: list[tuple[list[float], list[float]]] = []
    for bins in drawn.values():
        above = [low + float(value) for low, value in zip(stacked, bins.values, strict=True)]
        layers.append((stacked, above))
        stacked = above
    scale = _Scale.of(
        [
            *(value for _, above in layers for value in above),
            *(seen.values if seen is not None else ()),
            *(value for side in limits or () for value in side),
        ]
    )
    observable = next(iter(picture.parts.values())).observables[0]
    x = [charts.across(part) for part in _parts(observable.edges)]
    shapes = [
        _steps(x, low, high, scale, f"pile {kind}")
        for kind, (low, high) in reversed(list(zip(places.values(), layers, strict=True)))
    ]  # where weights are negative layers overlap, and the smaller ones stay to be seen
    if limits is not None:
        shapes.append(_steps(x, limits[0], limits[1], scale, "band"))
    if seen is not None:
        shapes += _points(x, seen, scale)
    unit = pictures.quantity(picture, samples)
    svg = charts.drawing(
        [*charts.y_axis(scale.top, _height, scale.bottom), *shapes, *_ticks(observable)],
        f"{picture.title}: {unit} by {observable.label}; {', '.join(drawn)}",
    )
    keys: list[tuple[int | str, str]] = [(kind, name) for name, kind in places.items() if name]
    keys += [("band", pictures.variations(picture))] if limits is not None else []
    keys += [("data", "data")] if data else []
    return charts.figure(picture.title, svg, keys, note=f"{unit} / bin, by {observable.label}")


@dataclass(frozen=True, kw_only=True)
class _Scale:
    """Heights from the bottom, which is zero where nothing is negative, to the top."""

    top: float
    bottom: float = 0.0

    @classmethod
    def of(cls, values: Sequence[float]) -> _Scale:
        known = [float(value) for value in values if math.isfinite(value)]
        high, low = max(known, default=0.0), min(known, default=0.0)
        top = charts.nice_top(max(high, -low))
        if low >= 0:
            return cls(top=top)
        step = top / 4  # as lines are drawn
        if -low < step / 4:  # a few weights below zero
            return cls(top=top, bottom=low)
        return cls(top=step * max(0, math.ceil(high / step)), bottom=step * math.floor(low / step))

    def y(self, value: float) -> float:
        """Return where a value is drawn; what is no number is at zero, and the title says so."""
        held = min(max(float(value), self.bottom), self.top) if math.isfinite(value) else 0.0
        return charts.up(held - self.bottom, self.top - self.bottom)


def _places(drawn: Mapping[str, Bins], colours: Mapping[str, int]) -> dict[str, str]:
    """Return the colour of each: its own, or the next one that is free here; grey for many together."""
    found: dict[str, str] = {}
    for name in sorted(drawn, key=lambda one: colours.get(one, _MANY)):
        wanted = [f"c{(colours.get(name, 0) + place) % _MANY}" for place in range(_MANY)]
        free = [kind for kind in wanted if kind not in found.values()] if name in colours else []
        found[name] = free[0] if free else _OTHERS
    return {name: found[name] for name in drawn}


def _largest(expected: Mapping[str, Bins]) -> dict[str, Bins]:
    order = sorted(expected, key=lambda name: float(expected[name].values.sum()))
    small = order[: max(0, len(order) - _MANY + 1)] if len(order) > _MANY else []
    found = {name: expected[name] for name in order[len(small) :]}
    if not small:
        return found
    return {f"{len(small)} others": pictures.total({name: expected[name] for name in small}), **found}


def _height(value: float) -> str:
    return words.short_count(value).replace(".0 ", " ") if value >= 1000 else f"{value:.3g}"


def _parts(edges: Any) -> list[float]:
    low, high = float(edges[0]), float(edges[-1])
    return [(float(edge) - low) / (high - low) for edge in edges]


def _steps(x: Sequence[float], low: Any, high: Any, scale: _Scale, kind: str) -> Html:
    there = [
        f"{charts.short(at)},{charts.short(scale.y(value))}"
        for place, value in enumerate(high)
        for at in (x[place], x[place + 1])
    ]
    back = [
        f"{charts.short(at)},{charts.short(scale.y(low[place]))}"
        for place in reversed(range(len(low)))
        for at in (x[place + 1], x[place])
    ]
    return tag("polygon", points=" ".join((*there, *back)), class_=kind)


def _points(x: Sequence[float], seen: Bins, scale: _Scale) -> list[Html]:
    found = []
    variances = seen.values if seen.variances is None else seen.variances
    for place, (value, variance) in enumerate(zip(seen.values, variances, strict=True)):
        if value:
            middle, error = charts.short((x[place] + x[place + 1]) / 2), math.sqrt(max(0.0, float(variance)))
            ends = {"y1": charts.short(scale.y(value - error)), "y2": charts.short(scale.y(value + error))}
            found.append(tag("line", x1=middle, x2=middle, **ends, class_="seen"))
            found.append(tag("circle", cx=middle, cy=charts.short(scale.y(value)), r=2, class_="seen"))
    return found


def _ticks(observable: Observable) -> list[Html]:
    if observable.ticks:
        number = len(observable.ticks)
        step = max(1, number // _TICKS)
        shown = range(0, number, step)
        room = int((charts.across(1) - charts.across(0)) / len(shown) / _LETTER)
        names = words.shortened((observable.ticks[place] for place in shown), max(room, 3))
        return [
            charts.tick(
                charts.across((place + 0.5) / number), names[observable.ticks[place]], (place + 0.5) / number
            )
            for place in shown
        ]
    low, high = float(observable.edges[0]), float(observable.edges[-1])
    whole = all(float(edge).is_integer() for edge in observable.edges)
    parts = {(value - low) / (high - low): value for value in charts.round_numbers(low, high, whole=whole)}
    return [charts.tick(charts.across(part), f"{value:.6g}", part) for part, value in parts.items()]
