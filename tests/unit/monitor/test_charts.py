"""Small pictures: what is counted has no fractions at its edges."""

from __future__ import annotations

import re

import pytest

from wq_runner.monitor import charts, sections
from wq_runner.monitor.sketch import Sketch


@pytest.mark.parametrize(
    ("values", "labels", "ticks"),
    [
        ([1], ["1"], ["1"]),
        ([1, 2, 3], ["1", "2", "3"], ["1", "2", "3"]),
        ([7] * 5, ["7"], ["7"]),
        ([5, 6, 40], ["5", "6", "39 to 41"], None),
        ([95_000], None, None),
    ],
)
def test_what_is_counted_is_whole(
    values: list[int], labels: list[str] | None, ticks: list[str] | None
) -> None:
    sketch = Sketch()
    for value in values:
        sketch.add(value)
    text = str(charts.histogram("events", sketch.distribution(), shown=sections.short, whole=True))
    found = [label.rpartition(":")[0] for label in re.findall(r"<title>([^<]*)</title></rect>", text)]
    below = re.findall(r'class="x" text-anchor="\w+">([^<]*)</text>', text)
    assert not [
        one
        for one in (*found, *below, *re.findall(r"note\">(.*?)<", text))
        if re.search(r"\d\.\d", one) and " k" not in one
    ]
    assert labels is None or found == labels
    assert ticks is None or below == ticks


@pytest.mark.parametrize("most", [1, 700, 1_500_000, 22_763_536_384, 1023, 10 * 2**20])
def test_sizes_on_an_axis_are_round(most: int) -> None:
    top = charts.nice_size(most)
    assert top >= most
    said = [sections.short_size(part * top) for part in (0, 0.5, 1)]
    assert [one for one in said if not re.fullmatch(r"[0-9]+(\.5)? [kMGT]?B", one)] == []
