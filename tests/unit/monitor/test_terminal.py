"""Bars and lines: readable with any number of datasets, on any terminal."""

from __future__ import annotations

import dataclasses
import io
import re
import time

import journals
import pytest
from hypothesis import given
from hypothesis import strategies as st
from journals import START, Timed, workers
from rich.console import Console

from wq_runner.monitor import display, terminal, words
from wq_runner.monitor.collect import Collector
from wq_runner.monitor.view import Phase, Progress, RunView, WorkersNow
from wq_runner.run_events import PhaseEnded, PhaseStarted, Plan, RunStarted


def drawn(view: RunView, *, width: int = 100, height: int = 24) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=width).print(terminal.render(view, width=width, height=height))
    return stream.getvalue().splitlines()


def half_way() -> RunView:
    events = [one for one in journals.simple() if one[0] <= START + 31]
    collector = Collector()
    collector.take_all(events)
    return collector.view(START + 31)


def test_what_a_terminal_says() -> None:
    title, total, first, second, *rest = drawn(half_way())
    assert title == "processing  0 of 2 datasets done"
    assert first.startswith("A ")
    assert second.startswith("B ")
    assert total.startswith("all ")
    assert "400" in first
    assert "/s" in first
    assert "left" in second
    text = " ".join(" ".join(rest).split())
    assert "2 of 2 workers busy, 2 of 2 cores" in text
    assert "2 tasks running 1 waiting" in text
    assert "memory 0.7 used / 3.7 allocated / 3.7 GB" in text
    assert "read 4.9 kB, sent" in text
    assert "1 retried (lost worker)" in text
    assert "last problem B: it went away" in text


@pytest.mark.parametrize("count", [1, 15, 16, 300])
@pytest.mark.parametrize("width", [60, 100, 200])
def test_many_datasets_fit(count: int, width: int) -> None:
    view = dataclasses.replace(
        half_way(),
        datasets=tuple(
            Progress(name=f"A_rather_long_name_of_a_dataset_{n}", planned=10, done=min(10, n), started=n > 0)
            for n in range(count)
        ),
    )
    lines = drawn(view, width=width, height=24)
    assert len(lines) <= 24
    assert all(len(line) <= width for line in lines)
    running = sum(0 < n < 10 for n in range(count))
    assert sum(line.startswith("A_rather") for line in lines) >= min(running, 10)
    if count == 300:  # a line for all, and those that run below it
        assert sum("━" in line for line in lines) == 1 + running
        assert "291 more: 290 done, 1 waiting" in lines


def test_each_phase_has_its_name_and_its_bar() -> None:
    view = half_way()
    whole = dataclasses.replace(view.total, done=view.total.planned)
    going = (Phase(category="processing", started=START),)
    opening = dataclasses.replace(view, phase="preprocessing", unit="files")
    styles = {}
    for name, one in (
        ("opening files", opening),
        ("processing", view),
        ("merging", dataclasses.replace(view, total=whole, phases=going)),
    ):
        stream = io.StringIO()
        Console(file=stream, width=100, force_terminal=True, color_system="standard").print(
            terminal.render(one, width=100, height=24)
        )
        assert re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue()).startswith(name)
        assert words.one_line(one).startswith(f"{name:<12} ")
        [styles[name], *_] = re.findall(r"(\x1b\[[0-9;]*m)━", stream.getvalue())
    assert len(set(styles.values())) == 3


def test_text_is_read_on_light_terminals_too() -> None:
    view = dataclasses.replace(half_way(), damaged_lines=1)
    stream = io.StringIO()
    console = Console(file=stream, width=200, force_terminal=True, color_system="standard")
    for state in ("running", "partial", "complete", "failed"):
        console.print(terminal.report(dataclasses.replace(view, state=state), width=200, height=40))
    colored = re.findall(r"\x1b\[(?:1;)?3[36]m[^\x1b━╸╺]+", stream.getvalue())
    assert colored == []  # yellow and cyan are for bars alone


@given(
    names=st.lists(st.text("ab_", min_size=1, max_size=40), min_size=1, max_size=20, unique=True),
    width=st.integers(3, 50),
)
def test_names_are_cut_in_the_middle(names: list[str], width: int) -> None:
    found = words.shortened(names, width)
    assert all(len(text) <= width for text in found.values())
    for name, text in found.items():
        begin, dots, end = text.partition("…")
        assert text == name if not dots else name.startswith(begin)
        assert name.endswith(end)


def test_names_that_differ_are_told_apart() -> None:
    name = "{}_TuneCP5_13TeV-{}-pythia8_RunIISummer20UL18NanoAODv9"
    cms = [name.format(f"QCD_HT{low}to{low + 100}", "madgraphMLM") for low in range(100, 900, 100)]
    cms += [f"/SingleMuon/Run2018{era}-UL2018_MiniAODv2_NanoAODv9-v2/NANOAOD" for era in "ABCD"]
    found = words.shortened(cms, 30)
    assert len(set(found.values())) == len(cms)


def test_those_that_run_are_shown_first() -> None:
    datasets = [
        Progress(name=str(n), planned=10, done=10 if n < 50 else 0, started=n < 50 or n == 77)
        for n in range(100)
    ]
    assert [one.name for one in terminal.choose(datasets, 5)] == ["77"]
    assert terminal.choose(datasets[:5], 5) == datasets[:5]


@pytest.mark.parametrize(
    ("workers_now", "text"),
    [
        (WorkersNow(), "no worker has come in 5:00"),
        (WorkersNow(joined=3), "all 3 workers that came have left"),
        (
            WorkersNow(joined=1, connected=1, largest_cores=1, largest_memory=1e9),
            "7 tasks wait although",
        ),
        (WorkersNow(joined=50, connected=1, lost=49), "49 workers were lost before any task was done"),
    ],
    ids=["none came", "all left", "too large", "lost again and again"],
)
def test_why_nothing_runs(workers_now: WorkersNow, text: str) -> None:
    view = RunView(
        phase="processing",
        total=Progress(name="", planned=10, done=0),
        workers=workers_now,
        tasks=dataclasses.replace(RunView().tasks, waiting=7),
        started=START,
        updated=START + 300,
    )
    assert any(text in line for line in words.explain(view))
    assert words.explain(dataclasses.replace(view, state="complete")) == []


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "0:05"), (65, "1:05"), (3723, "1:02:03"), (200_000, "2 d 7 h")]
)
def test_time_left(seconds: float, text: str) -> None:
    assert words.clock(seconds) == text


@pytest.mark.parametrize(("part", "text"), [(0, "0%"), (0.001, "<1%"), (0.999, "99%"), (1, "100%")])
def test_shares_do_not_lie(part: float, text: str) -> None:
    assert words.percent(part) == text


@pytest.mark.parametrize("is_terminal", [True, False])
def test_displays_show_phases(is_terminal: bool) -> None:
    collector = Collector()
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=is_terminal, width=100, height=30)
    shown = display.display(console, lambda now: collector.view(now, brief=True))
    began = PhaseStarted(category="processing", datasets={"A": Plan(items=4, events=400)})
    events: list[Timed] = [
        (START, RunStarted(command=(), version="1")),
        (START, began),
        (START + 1, workers(2)),
    ]
    for when, event in [*events, (START + 2, PhaseEnded(category="processing", seconds=2))]:
        collector.take(when, event)
        shown(when, event)
        time.sleep(0.05)
    shown.close()
    text = stream.getvalue()
    if is_terminal:
        assert "━" in text
        assert "2 workers busy" in text
    else:
        assert text.startswith("processing   0 of 400 events (0%)")
        assert "\x1b" not in text


def test_a_terminal_that_fails_does_not_matter() -> None:
    def broken(now: float | None) -> RunView:
        raise RuntimeError("broken")

    shown = display.display(Console(file=io.StringIO(), force_terminal=True), broken)
    shown(START, PhaseStarted(category="processing", datasets={}))
    shown(START, PhaseEnded(category="processing", seconds=1))
    shown.close()


def test_drawing_is_paid_by_few_frames() -> None:
    view = half_way()
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    before = time.thread_time()
    for _ in range(20):
        console.print(terminal.render(view, width=120, height=40))
    assert (time.thread_time() - before) / 20 < 0.02


def test_a_long_name_of_a_dataset_does_not_hide_its_problem() -> None:
    name = "TTTo2L2Nu_TuneCP5_13TeV-powheg-pythia8_RunIISummer20UL18NanoAODv9_part125_v1-v2_NANOAODSIM"
    view = dataclasses.replace(
        journals.view_of(journals.simple()), last_problem=f"{name}: cannot be read: timed out"
    )
    stream = io.StringIO()
    Console(file=stream, width=100).print(terminal.render(view, width=100, height=30))
    assert "last problem  TTTo2L2Nu_TuneCP5…" in stream.getvalue()
    assert "NANOAODSIM: cannot be read: timed out" in stream.getvalue()
