"""Bounded summaries of many numbers."""

from __future__ import annotations

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wq_runner.monitor.sketch import Fit, Sketch
from wq_runner.monitor.timeline import Timeline


@given(st.lists(st.tuples(st.floats(0, 50), st.integers(0, 9)), min_size=1, max_size=80), st.integers(2, 12))
def test_nothing_is_lost_when_bins_are_merged(steps: list[tuple[float, int]], limit: int) -> None:
    line = Timeline(100.0, ("g",), ("c",), limit=limit)
    now, integral, value, total = 100.0, 0.0, 0.0, 0
    for wait, number in steps:
        integral += value * wait
        now, value, total = now + wait, float(number), total + number
        line.set(now, {"g": value})
        line.count(now, {"c": number})
    series = line.series()
    assert series.bins <= limit
    assert sum(series.counts["c"]) == total
    widths = [series.width] * (series.bins - 1) + [series.last_width]
    drawn = sum(mean * width for mean, width in zip(series.gauges["g"], widths, strict=True))
    assert drawn == pytest.approx(integral, abs=1e-2 * (1 + now - 100.0))


def test_a_clock_that_goes_back_stands_still() -> None:
    line = Timeline(0.0, ("g",), ("c",))
    line.set(10.0, {"g": 1.0})
    line.count(5.0, {"c": 1})
    line.set(4.0, {"g": 3.0})
    assert line.series().counts["c"][-1] == 1


def test_quantiles_are_near() -> None:
    chance = random.Random(1)
    numbers = [chance.lognormvariate(3, 1) for _ in range(5000)]
    sketch = Sketch()
    for number in numbers:
        sketch.add(number)
    sketch.add(0)
    assert sketch.count == 5000
    assert sketch.mean == pytest.approx(statistics.mean(numbers))
    assert sketch.quantile(0.5) == pytest.approx(statistics.median(numbers), rel=0.06)
    found = sketch.distribution(bins=20)
    assert sum(found.counts) == 5000
    assert len(found.counts) <= 20
    assert len(found.edges) == len(found.counts) + 1
    assert found.edges[0] <= min(numbers)
    assert found.edges[-1] >= max(numbers)


def test_a_line_is_found_only_where_there_is_one() -> None:
    fit, flat = Fit(), Fit()
    for events in range(1000, 20_000, 1000):
        fit.add(events, 0.5 + 1e-4 * events)
        flat.add(1000, 2.0)
    assert fit.line() == pytest.approx((0.5, 1e-4))
    assert flat.line() is None
