"""Terminal, page, report, metrics, status.json and journal tell the same numbers."""

from __future__ import annotations

import io
import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path

import journals
import pytest
from markup import Numbers
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from wq_runner.monitor import metrics, page, report, runs, status, terminal, words
from wq_runner.monitor.view import RunView
from wq_runner.system import RunPaths
from wq_runner.units import format_count


class Journal:
    """The numbers of a journal, added up from its lines without any of the program's code."""

    def __init__(self, path: Path) -> None:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        of = {
            kind: [one for one in lines if one["event"] == kind] for kind in {one["event"] for one in lines}
        }
        ended = of["TaskEnded"]
        useful = [one for one in ended if one["done"]]
        self.events = sum(one["events"] for one in of["Accepted"])
        self.planned = sum(plan["events"] for one in of["PhaseStarted"] for plan in one["datasets"].values())
        self.attempts = len(ended)
        self.useful = len(useful)
        self.failures = len(of["Decided"])
        self.retried = sum(one["action"] == "retry" for one in of["Decided"])
        cores = [(one["time"], one["cores"]) for one in of["Workers"]] + [(lines[-1]["time"], 0)]
        self.available = sum(
            cores_now * (after - now) for (now, cores_now), (after, _) in itertools.pairwise(cores)
        )
        self.startup = sum(
            (one["finished"] - one["started"] - one["wall"] + one["startup"]) for one in useful
        )
        self.retries = sum(one["finished"] - one["started"] for one in ended if not one["done"])
        self.processing = sum(one["finished"] - one["started"] for one in useful) - self.startup
        self.read = sum(one["bytes_read"] for one in ended)


@pytest.fixture(params=["short", "long"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    events = journals.simple() if request.param == "short" else journals.long(1500)
    return journals.write(tmp_path / "run", events)


@pytest.fixture
def truth(directory: Path) -> Journal:
    return Journal(directory / "journal.jsonl")


@pytest.fixture
def view(directory: Path) -> RunView:
    return runs.load(RunPaths(root=directory))


def test_view(view: RunView, truth: Journal) -> None:
    assert (view.total.done, view.total.planned) == (truth.events, truth.planned)
    assert (view.tasks.ended, view.tasks.useful, view.failures) == (
        truth.attempts,
        truth.useful,
        truth.failures,
    )
    time = view.core_time
    for name in ("startup", "retries", "processing"):
        assert getattr(time, name) == pytest.approx(getattr(truth, name), rel=1e-4), name
    assert time.available == pytest.approx(max(truth.available, time.available - time.idle), rel=1e-4)


def test_status_json(view: RunView, truth: Journal) -> None:
    found = json.loads(status.to_json(view))
    assert found["total"]["done"] == truth.events
    assert found["tasks"]["ended"] == truth.attempts
    assert found["failures"] == truth.failures
    assert found["core_time"] == vars(view.core_time)
    assert sum(found["series"]["counts"]["events"]) == truth.events
    assert sum(found["series"]["counts"]["failures"]) == truth.failures


@pytest.mark.parametrize("make", [
    lambda view: page.status_page(view, name="run", every=5),
    lambda view: report.report_page(view, {}, name="run"),
], ids=["page", "report"])  # fmt: skip
def test_pages(make: Callable[[RunView], str], view: RunView, truth: Journal) -> None:
    numbers = Numbers(make(view))
    assert numbers.found["events_done"] == truth.events
    assert numbers.found["events_planned"] == truth.planned
    assert numbers.found["attempts"] == truth.attempts
    assert numbers.found["failures"] == truth.failures
    assert numbers.found["core_hours"] == pytest.approx(view.core_time.available / 3600)
    for use in ("processing", "startup", "retries"):
        assert numbers.found[f"core_hours_{use}"] == pytest.approx(getattr(truth, use) / 3600, rel=1e-4)
    assert f"{truth.useful:,} brought a result" in numbers.text


def test_metrics(view: RunView, truth: Journal) -> None:
    found = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.metrics(view))
        for sample in family.samples
    }

    def total(name: str) -> float:
        return sum(value for (found_name, *_), value in found.items() if found_name == f"wq_runner_{name}")

    assert total("done_total") == truth.events
    assert total("planned") == truth.planned
    assert total("attempts_total") == truth.attempts
    assert total("failures_total") == truth.failures
    assert total("retries_total") == truth.retried
    assert found["wq_runner_core_seconds_total", ("use", "startup")] == pytest.approx(truth.startup, rel=1e-4)
    assert found["wq_runner_bytes_total", ("direction", "read")] == truth.read


def test_terminal(view: RunView, truth: Journal) -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=200)
    console.print(terminal.report(view, width=200, height=100))
    text = stream.getvalue()
    total = next(line for line in text.splitlines() if line.startswith("all "))
    assert words.amount(view.total, "events") in total
    assert re.sub(r" .*", "", format_count(truth.events)) in total
    assert f"{truth.attempts:,} attempts, {truth.failures:,} failures" in text
    assert f"{truth.retried:,} retried (lost worker)" in text
    assert words.core_hours(view.core_time) in text
    assert words.core_time(view.core_time.available) in text
    assert format_count(truth.events) in words.one_line(view)
