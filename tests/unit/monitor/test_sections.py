"""Tables of equal numbers and level curves are a line each; what differs is there by name."""

from __future__ import annotations

import dataclasses
import re

import journals
import pytest

from wq_runner.monitor import html, sections
from wq_runner.monitor.view import USES, Memory, Progress, RunView, Series

USUAL = Memory(category="processing", dataset="", tasks=5, typical=4e8, high=5e8, most=6e8, allocated=1e9)


@pytest.fixture
def view() -> RunView:
    return journals.view_of(journals.simple())


def with_memory(view: RunView, *apart: Memory, alike: int) -> str:
    usual = [dataclasses.replace(USUAL, dataset=f"D{number}") for number in range(alike)]
    return sections.memory(dataclasses.replace(view, memory=(USUAL, *usual, *apart)))


def test_datasets_whose_memory_is_alike_are_one_line(view: RunView) -> None:
    large = dataclasses.replace(USUAL, dataset="large", typical=9e8)
    lost = dataclasses.replace(USUAL, dataset="lost", exhausted=2)
    text = with_memory(view, large, lost, alike=40)
    assert text.count("<tr>") == 1 + 4  # its head, all, the two that differ, the others
    for word in ("all of processing", ">large<", ">lost<", "40 datasets alike"):
        assert word in text


def test_few_datasets_are_told_one_by_one(view: RunView) -> None:
    text = with_memory(view, alike=12)
    assert text.count("<tr>") == 1 + 1 + 12
    assert "alike" not in text


def test_level_curves_are_a_line(view: RunView) -> None:
    level: dict[str, tuple[float, ...]] = dict.fromkeys(view.series.gauges, (2.0,) * 20)
    level["running"] = tuple(map(float, range(20)))
    counts = dict.fromkeys(view.series.counts, (0.0,) * 20)
    series = Series(start=0.0, width=1.0, last_width=1.0, gauges=level, counts=counts)
    text = sections.over_time(dataclasses.replace(view, series=series))
    assert "<figcaption>tasks<" in text
    assert "<figcaption>workers and cores<" not in text
    assert "the same all the time: events per second (events/s 0); " in text
    assert "workers and cores (cores busy 2, cores 2, workers 2)" in text


def test_every_use_of_core_time_has_its_color() -> None:
    style = html.static("style.css")
    for scheme in style.split("prefers-color-scheme: dark")[:2]:
        colors = [re.search(rf"--c{place}: (#[0-9a-f]+);", scheme) for place in range(len(USES))]
        assert len({found[1] for found in colors if found}) == len(USES)
    assert all(f".c{place} {{ --c: var(--c{place}); }}" in style for place in range(len(USES)))


def test_files_that_are_opened_are_told_from_events() -> None:
    total = Progress(name="", planned=10, done=4)
    opening = RunView(phase="preprocessing", unit="files", total=total)
    processing = RunView(phase="processing", total=total)
    assert 'class="whole opening"' in sections.summary(opening)
    assert 'class="whole"' in sections.summary(processing)
    assert ">opening files</span>" in sections.head(opening, "x")
    assert ">processing</span>" in sections.head(processing, "x")
