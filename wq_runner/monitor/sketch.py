"""Summaries of many numbers in little memory."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from wq_runner.monitor.view import Distribution

_PER_DOUBLING = 8  # bins between a number and twice that: 9% wide
_INDEX = _PER_DOUBLING / math.log(2)


@dataclass
class Sketch:
    """A histogram of positive numbers, in bins of equal ratio; zeros and less are not counted."""

    count: int = 0
    total: float = 0.0
    least: float = math.inf
    most: float = 0.0
    bins: dict[int, int] = field(default_factory=dict)

    def add(self, value: float) -> None:
        if value <= 0:
            return
        self.count += 1
        self.total += value
        if value > self.most:  # noqa: PLR1730 - twice as fast as max, and there are millions
            self.most = value
        if value < self.least:  # noqa: PLR1730
            self.least = value
        index = math.floor(math.log(value) * _INDEX)
        bins = self.bins
        bins[index] = bins.get(index, 0) + 1

    def merge(self, other: Sketch) -> None:
        self.count += other.count
        self.total += other.total
        self.least = min(self.least, other.least)
        self.most = max(self.most, other.most)
        for index, count in other.bins.items():
            self.bins[index] = self.bins.get(index, 0) + count

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0

    def quantile(self, part: float) -> float:
        """Return the number that `part` of all are not above, to 5%; exactly where all are equal."""
        wanted = part * self.count
        seen = 0
        for index in sorted(self.bins):
            seen += self.bins[index]
            if seen >= wanted:
                return max(self.least, min(_edge(index + 0.5), self.most))
        return self.most

    def distribution(self, bins: int = 40) -> Distribution:
        """Return it in at most about `bins` bins."""
        if not self.bins:
            return Distribution()
        low, high = min(self.bins), max(self.bins)
        step = max(1, -(-(high - low + 1) // bins))
        counts = [0] * ((high - low) // step + 1)
        for index, count in self.bins.items():
            counts[(index - low) // step] += count
        return Distribution(
            count=self.count,
            mean=self.mean,
            median=self.quantile(0.5),
            high=self.quantile(0.95),
            most=self.most,
            edges=tuple(_edge(low + step * number) for number in range(len(counts) + 1)),
            counts=tuple(counts),
        )


def _edge(index: float) -> float:
    return float(2 ** (index / _PER_DOUBLING))


@dataclass
class Mean:
    """The mean and the largest of numbers above zero."""

    count: int = 0
    total: float = 0.0
    most: float = 0.0

    def add(self, value: float) -> None:
        if value > 0:
            self.count += 1
            self.total += value
            self.most = max(self.most, value)

    def merge(self, other: Mean) -> None:
        self.count += other.count
        self.total += other.total
        self.most = max(self.most, other.most)

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0


@dataclass
class Fit:
    """A straight line through points, by least squares, in five sums."""

    count: int = 0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    xy: float = 0.0

    def add(self, x: float, y: float) -> None:
        self.count += 1
        self.x += x
        self.y += y
        self.xx += x * x
        self.xy += x * y

    def add_all(self, points: Iterable[tuple[float, float]]) -> None:
        """Add many at once, which is what makes it fast."""
        count, sum_x, sum_y, sum_xx, sum_xy = 0, 0.0, 0.0, 0.0, 0.0
        for x, y in points:
            count += 1
            sum_x += x
            sum_y += y
            sum_xx += x * x
            sum_xy += x * y
        self.count += count
        self.x += sum_x
        self.y += sum_y
        self.xx += sum_xx
        self.xy += sum_xy

    def line(self) -> tuple[float, float] | None:
        """Return its value at 0 and its slope; None if the points lie at about the same x."""
        if self.count < 8 or self.x <= 0:
            return None
        spread = self.xx / self.count - (self.x / self.count) ** 2
        if spread < (0.1 * self.x / self.count) ** 2:
            return None
        slope = (self.xy / self.count - self.x * self.y / self.count**2) / spread
        return self.y / self.count - slope * self.x / self.count, slope
