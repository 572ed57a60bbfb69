"""Of any run, at any moment: all that show it tell the same numbers, and sums hold."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from random_runs import RandomRun
from rich.console import Console
from test_agree import Numbers

from wq_runner.journal import TaskSubmitted
from wq_runner.monitor import metrics, page, report, status, terminal, words
from wq_runner.monitor.collect import Collector
from wq_runner.monitor.sketch import Sketch
from wq_runner.monitor.view import USES, RunView

AGREE = settings(
    max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
runs = st.builds(RandomRun, st.integers(0, 2**32 - 1), datasets=st.integers(1, 5), tasks=st.integers(0, 60))


def finished(run: RandomRun, *, over: bool) -> RunView:
    run.play()
    if over:
        run.end()
    return view_of(run)


def view_of(run: RandomRun, later: float = 0.0) -> RunView:
    collector = Collector()
    collector.take_all(run.events)
    return collector.view(run.now + later)


def moments(run: RandomRun) -> Iterator[RunView]:
    """Yield what is seen at each moment of a run that goes on."""
    collector = Collector()
    for when, event in run.events:
        collector.take(when, event)
        yield collector.view(when, brief=True)


@AGREE
@given(run=runs, over=st.booleans())
def test_a_view_is_what_the_journal_adds_up_to(run: RandomRun, over: bool) -> None:
    view, truth = finished(run, over=over), run.truth
    assert view.total.done == sum(truth.done.values())
    assert view.total.planned == sum(truth.planned.values())
    assert view.total.skipped == sum(truth.skipped.values())
    assert view.total.resumed == sum(truth.resumed.values())
    for one in view.datasets:
        assert (one.planned, one.done) == (truth.planned[one.name], truth.done[one.name])
        assert one.skipped == truth.skipped[one.name]
    assert (view.tasks.ended, view.tasks.useful) == (truth.attempts, truth.useful)
    assert view.failures == truth.failures
    assert dict(view.retries) == dict(truth.retries)
    assert view.moved.read == truth.read
    assert (view.opening.done if view.opening else 0) == truth.opened


@AGREE
@given(run=runs, over=st.booleans(), later=st.sampled_from([0.0, 3.0, 600.0]))
def test_sums_hold(run: RandomRun, over: bool, later: float) -> None:
    finished(run, over=over)
    view = view_of(run, later)
    for name in ("planned", "done", "skipped", "resumed", "chunks", "chunks_done", "retried"):
        assert getattr(view.total, name) == sum(getattr(one, name) for one in view.datasets), name
    uses = [getattr(view.core_time, use) for use in USES]
    assert view.core_time.available == pytest.approx(sum(uses))
    assert all(use >= -1e-6 for use in uses), view.core_time
    spent = sum(uses) - view.core_time.idle - view.core_time.running - view.core_time.transfer
    assert spent == pytest.approx(run.truth.core_seconds, rel=1e-3, abs=1e-3)
    assert sum(view.series.counts["events"]) == sum(run.truth.done.values()) - sum(run.truth.resumed.values())
    assert sum(view.series.counts["tasks"]) == run.truth.attempts
    assert sum(view.series.counts["failures"]) == run.truth.failures
    assert view.tasks.ended <= view.tasks.submitted
    assert view.workers.busy <= view.workers.connected


@settings(AGREE, max_examples=15)
@given(run=runs, over=st.booleans())
def test_all_that_show_a_run_agree(run: RandomRun, over: bool) -> None:
    view = finished(run, over=over)
    written = json.loads(status.to_json(view))
    assert written["total"] == vars(view.total)
    assert written["core_time"] == vars(view.core_time)
    samples = {
        (sample.name.removeprefix("wq_runner_"), *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.metrics(view))
        for sample in family.samples
    }
    for one in view.datasets:
        labels = (("dataset", one.name), ("unit", view.unit))
        assert samples[("done_total", *labels)] == one.done
        assert samples[("planned", *labels)] == one.planned
    assert samples["run_seconds",] == view.seconds
    assert samples.get(("left_seconds",)) == view.total.left
    texts = {
        "page": Numbers(page.status_page(view, name="run", every=5)),
        "report": Numbers(report.report_page(view, {}, name="run")),
    }
    for numbers in texts.values():
        found = numbers.found
        assert (found["events_done"], found["events_planned"]) == (view.total.done, view.total.planned)
        assert (found["attempts"], found["failures"]) == (view.tasks.ended, view.failures)
        uses = {use: getattr(view.core_time, use) for use in USES}
        shown = {use: found.get(f"core_hours_{use}", 0.0) * 3600 for use in USES}
        assert shown == pytest.approx(uses)
        assert words.clock(view.seconds) in numbers.text
    stream = io.StringIO()
    Console(file=stream, width=200).print(terminal.report(view, width=200, height=100))
    told = stream.getvalue()
    assert words.clock(view.seconds) in told
    for one in (*view.datasets, *([view.total] if len(view.datasets) > 1 else [])):
        line = next(line for line in told.splitlines() if line.startswith(one.name or "all "))
        assert words.amount(one, view.unit) in line
        assert words.left(one) in line
        if one.left is not None:
            assert words.clock(one.left) in texts["page"].text
    if view.core_time.available:
        assert words.core_hours(view.core_time) in told
        for numbers in texts.values():
            assert words.core_time(view.core_time.available) in numbers.text


@AGREE
@given(run=runs)
def test_no_dataset_takes_longer_than_all_nor_longer_while_it_waits(run: RandomRun) -> None:
    run.play()
    before: dict[str, tuple[tuple[int, int, int], float]] = {}
    for view in moments(run):
        for one in view.datasets:
            if one.left is None:
                before.pop(one.name, None)
                continue
            assert view.total.left is not None
            assert one.left <= view.total.left
            here = (one.done, one.skipped, one.planned)
            then, left = before.get(one.name, (here, math.inf))
            if then == here:
                assert one.left <= left + 1e-6
            # one that is bound by all is no longer bound when all take longer; one that was not begun is
            # done after those before it, as far as that is known
            bound = one.left == view.total.left or not one.started
            before[one.name] = (here, math.inf if bound else one.left)


@AGREE
@given(run=runs, wait=st.sampled_from([10.0, 3600.0]))
def test_no_rate_holds_the_wait_for_workers(run: RandomRun, wait: float) -> None:
    """What came before the first worker changes nothing that is said of the speed."""
    run.play()
    run.end()
    view = view_of(run)
    begin = next((place for place, (_, one) in enumerate(run.events) if isinstance(one, TaskSubmitted)), 0)
    run.events = [*run.events[:begin], *((when + wait, event) for when, event in run.events[begin:])]
    run.now += wait
    later = view_of(run)
    assert later.total.mean_rate == pytest.approx(view.total.mean_rate, rel=1e-3)
    for one, other in zip(later.datasets, view.datasets, strict=True):
        assert one.mean_rate == pytest.approx(other.mean_rate, rel=1e-3)


@AGREE
@given(size=st.floats(1e-3, 1e12), number=st.integers(1, 50))
def test_the_median_of_equal_tasks_is_their_size(size: float, number: int) -> None:
    sketch = Sketch()
    for _ in range(number):
        sketch.add(size)
    found = sketch.distribution()
    assert found.median == found.high == found.most == size
