"""What happened when, in a fixed number of bins: they get wider as the run gets longer."""

from __future__ import annotations

from collections.abc import Mapping

from wq_runner.monitor.view import Series

LIMIT = 360
"""The most bins; with that many, neighbours are merged and each lasts twice as long."""


class Timeline:
    """Gauges hold until they change; counts belong to the moment at which they are added."""

    def __init__(
        self, start: float, gauges: tuple[str, ...], counts: tuple[str, ...], *, limit: int = LIMIT
    ) -> None:
        self._start = start
        self._now = start
        self._width = 1.0
        self._end = start + self._width
        self._limit = limit
        self._gauge_names = gauges
        self._value = [0.0] * len(gauges)
        self._count_names = {name: place for place, name in enumerate(counts)}
        self._gauges = [[0.0] * len(gauges)]  # integrals over each bin
        self._counts = [[0.0] * len(counts)]

    def set(self, now: float, values: Mapping[str, float]) -> None:
        """Let the gauges have these values from now on."""
        self.advance(now)
        self._value = [values[name] for name in self._gauge_names]

    def count(self, now: float, values: Mapping[str, float]) -> None:
        """Add to what is counted now."""
        row = self.counts(now)
        for name, value in values.items():
            row[self._count_names[name]] += value

    def counts(self, now: float) -> list[float]:
        """Return what is counted in the bin of now, by the places of the names, to be added to."""
        if now >= self._end:  # else there is nothing to settle: gauges are added up when they change
            self.advance(now)
        return self._counts[-1]

    def advance(self, now: float) -> None:
        """Let time pass; a clock that goes backwards stands still."""
        now = max(now, self._now)
        self._make_room(now)
        wanted = int((now - self._start) / self._width)
        while len(self._gauges) - 1 < wanted:
            self._integrate(self._start + len(self._gauges) * self._width)
            self._gauges.append([0.0] * len(self._value))
            self._counts.append([0.0] * len(self._count_names))
        self._integrate(now)
        self._end = self._start + len(self._gauges) * self._width

    def _integrate(self, until: float) -> None:
        seconds = until - self._now
        if seconds > 0:
            row = self._gauges[-1]
            for place, value in enumerate(self._value):
                row[place] += value * seconds
            self._now = until

    def _make_room(self, now: float) -> None:
        while (now - self._start) / self._width >= self._limit:
            self._width *= 2
            self._gauges = _paired(self._gauges)
            self._counts = _paired(self._counts)

    def series(self) -> Series:
        """Return all bins so far."""
        last = len(self._gauges) - 1
        last_width = self._now - self._start - last * self._width
        widths = [self._width] * last + [last_width]

        def means(place: int) -> tuple[float, ...]:
            return tuple(
                _short(row[place] / width) if width > 0 else self._value[place]
                for row, width in zip(self._gauges, widths, strict=True)
            )

        return Series(
            start=self._start,
            width=self._width,
            last_width=round(last_width, 3),
            gauges={name: means(place) for place, name in enumerate(self._gauge_names)},
            counts={
                name: tuple(row[place] for row in self._counts) for name, place in self._count_names.items()
            },
        )


def _paired(rows: list[list[float]]) -> list[list[float]]:
    merged = [
        [one + other for one, other in zip(*pair, strict=True)]
        for pair in zip(rows[::2], rows[1::2], strict=False)
    ]
    return [*merged, rows[-1]] if len(rows) % 2 else merged


def _short(value: float) -> float:
    return round(value, 3) if value < 1000 else float(round(value))
