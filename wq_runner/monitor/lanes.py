"""What each core of each host did when, in little memory however long the run is.

Hosts do not say which of their cores took a task: attempts at the same time are put beside each other, so a
host has as many lanes as it had attempts at once. Time is cut into bins, which get wider as the run gets
longer; of a bin is kept what took most of it, and a failure always.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from wq_runner.model import Category
from wq_runner.monitor.view import Lane, Lanes, Span
from wq_runner.run_events import TaskEnded

LIMIT = 180
"""The most bins."""
KEPT = 48
"""Lanes that are kept: those that came first."""
_WIDTH = 0.25  # seconds of the first bins
_CLOSE = 0.5  # seconds by which attempts may overlap that one core did
_BUSY = 0.25  # of a bin: with less it is idle
_KINDS, _TURNS = 24, 5  # datasets that have a name; more of them take turns with a few
_ALL = ""
_DATASETS = 6  # whose progress is told
_PROCESSING = Category.PROCESSING.value

Cell = tuple[float, int]  # seconds, and the kind: negative if it failed


class LaneTally:
    """Takes attempts in the order in which they end, and events as they are accepted."""

    def __init__(self, start: float, *, limit: int = LIMIT, kept: int = KEPT) -> None:
        self._start = start
        self._width = _WIDTH
        self._limit = limit
        self._kept = kept
        self._kinds: dict[tuple[str, str], int] = {}
        self._seconds: defaultdict[int, float] = defaultdict(float)
        self._hosts: dict[str, list[int]] = {}
        self._names: list[str] = []
        self._free: list[float] = []  # when the last attempt of a lane ended
        self._attempts: list[int] = []
        self._failed: list[int] = []
        self._cells: list[dict[int, Cell]] = []
        self._more: set[str] = set()
        self._done: dict[str, dict[int, int]] = {}  # events by dataset and bin

    def ended(self, now: float, seconds: float, event: TaskEnded) -> None:
        """Add an attempt, which ended now."""
        dataset = event.dataset if event.category == _PROCESSING else ""
        kind = self._kinds.setdefault((event.category, dataset), len(self._kinds) + 1)
        self._seconds[kind] += seconds
        lane = self._lane(event.host, now - seconds) if event.host else None
        if lane is None:
            return
        self._free[lane] = now
        self._attempts[lane] += 1
        self._failed[lane] += not event.done
        self._make_room(now)
        self._fill(self._cells[lane], now - seconds, now, kind if event.done else -kind)

    def accepted(self, now: float, dataset: str, events: int) -> None:
        """Add events that are in the result."""
        self._make_room(now)
        place = self._bin(now)
        for name in (_ALL, dataset):
            found = self._done.setdefault(name, {})
            found[place] = found.get(place, 0) + events

    def _lane(self, host: str, begun: float) -> int | None:
        lanes = self._hosts.get(host)
        if lanes is None:
            if len(self._names) >= self._kept:
                self._more.add(host)
                return None
            lanes = self._hosts[host] = []
        fitting = [lane for lane in lanes if self._free[lane] <= begun + _CLOSE]
        if fitting:
            return max(fitting, key=self._free.__getitem__)
        if len(self._names) >= self._kept:
            return None
        lanes.append(len(self._names))
        self._names.append(host)
        self._free.append(0.0)
        self._attempts.append(0)
        self._failed.append(0)
        self._cells.append({})
        return lanes[-1]

    def _bin(self, when: float) -> int:
        return max(0, int((when - self._start) / self._width))

    def _fill(self, cells: dict[int, Cell], begun: float, ended: float, kind: int) -> None:
        for place in range(self._bin(begun), self._bin(ended) + 1):
            left = self._start + place * self._width
            seconds = min(ended, left + self._width) - max(begun, left)
            cells[place] = _stronger(cells.get(place), (max(0.0, seconds), kind))

    def _make_room(self, now: float) -> None:
        while (now - self._start) / self._width >= self._limit:
            self._width *= 2
            self._cells = [_paired(cells) for cells in self._cells]
            for dataset, found in self._done.items():
                merged: defaultdict[int, int] = defaultdict(int)
                for place, events in found.items():
                    merged[place // 2] += events
                self._done[dataset] = dict(merged)

    def summary(self, now: float, planned: Mapping[str, int]) -> Lanes:
        """Return all of it; `planned` events of each dataset are what its progress is told of."""
        self._make_room(now)
        bins = self._bin(now) + 1
        kinds, places = self._named()
        return Lanes(
            start=self._start,
            width=self._width,
            bins=bins,
            kinds=tuple(kinds),
            lanes=tuple(
                Lane(
                    host=host,
                    attempts=self._attempts[lane],
                    failed=self._failed[lane],
                    spans=_spans(self._cells[lane], self._width, places),
                )
                for lane, host in enumerate(self._names)
            ),
            more_hosts=len(self._more),
            done={name: self._progress(name, planned[name], bins) for name in self._last(planned)},
        )

    def _named(self) -> tuple[list[tuple[str, str]], dict[int, int]]:
        """Return the kinds, those that took longest first, and the place of each number among them."""
        order = sorted(self._kinds.items(), key=lambda one: self._seconds[one[1]], reverse=True)
        if len(order) <= _KINDS:
            return [kind for kind, _ in order], {number: place for place, (_, number) in enumerate(order)}
        kinds = [(_PROCESSING, "")] * _TURNS
        places = {}
        for kind, number in self._kinds.items():
            places[number] = number % _TURNS
            if kind[0] != _PROCESSING:
                places[number] = len(kinds)
                kinds.append(kind)
        return kinds, places

    def _last(self, planned: Mapping[str, int]) -> list[str]:
        """Return the datasets that took until last, the last one first."""
        there = [name for name, found in self._done.items() if name and found and planned.get(name)]
        there = sorted(there, key=lambda name: max(self._done[name]), reverse=True)[:_DATASETS]
        return [_ALL, *there] if there and planned.get(_ALL) else there

    def _progress(self, dataset: str, planned: int, bins: int) -> tuple[float, ...]:
        found, total, shares = self._done[dataset], 0, []
        for place in range(bins):
            total += found.get(place, 0)
            shares.append(round(total / planned, 4))
        return tuple(shares)


def _stronger(one: Cell | None, other: Cell) -> Cell:
    if one is None:
        return other
    if one[1] == other[1]:
        return one[0] + other[0], one[1]
    if (one[1] < 0) != (other[1] < 0):
        return one if one[1] < 0 else other
    return max(one, other)


def _paired(cells: Mapping[int, Cell]) -> dict[int, Cell]:
    found: dict[int, Cell] = {}
    for place, cell in cells.items():
        found[place // 2] = _stronger(found.get(place // 2), cell)
    return found


def _spans(cells: Mapping[int, Cell], width: float, places: Mapping[int, int]) -> tuple[Span, ...]:
    found: list[Span] = []
    for place in sorted(cells):
        seconds, kind = cells[place]
        if kind > 0 and seconds < _BUSY * width:
            continue
        span = (place, 1, places[abs(kind)], kind < 0)
        if found and (found[-1][0] + found[-1][1], *found[-1][2:]) == (place, *span[2:]):
            span = (found[-1][0], found[-1][1] + 1, *span[2:])
            found.pop()
        found.append(span)
    return tuple(found)
