"""Of any run, at any moment: all that show it tell the same numbers, and sums hold."""

from __future__ import annotations

import io
import json
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import journals
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markup import Numbers
from prometheus_client.parser import text_string_to_metric_families
from random_runs import RandomRun
from rich.console import Console

from wq_runner.monitor import metrics, page, report, status, terminal, words
from wq_runner.monitor import runs as loading
from wq_runner.monitor.collect import Collector
from wq_runner.monitor.sketch import Sketch
from wq_runner.monitor.view import USES, RunView
from wq_runner.run_events import TaskSubmitted
from wq_runner.system import RunPaths

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
        dataset, unit = ("dataset", one.name), ("unit", view.unit)
        assert samples["done_total", dataset, unit] == one.done
        assert samples["planned", dataset, unit] == one.planned
    assert samples["run_seconds",] == view.seconds
    for place, name in (("done_total", "done"), ("planned", "planned"), ("skipped_total", "skipped")):
        assert sum(value for key, value in samples.items() if key[0] == place) == getattr(view.total, name)
    assert [samples[("attempts_total", ("useful", one))] for one in ("yes", "no")] == [
        run.truth.useful,
        run.truth.attempts - run.truth.useful,
    ]
    assert samples["failures_total",] == run.truth.failures
    assert {key[1][1]: value for key, value in samples.items() if key[0] == "retries_total"} == dict(
        run.truth.retries
    )
    assert samples[("bytes_total", ("direction", "read"))] == run.truth.read
    spent = {key[1][1]: value for key, value in samples.items() if key[0] == "core_seconds_total"}
    assert sum(spent.values()) + view.core_time.running + view.core_time.idle == pytest.approx(
        samples["core_seconds_available_total",]
    )
    assert samples[("workers", ("state", "connected"))] == view.workers.connected
    for name in ("tasks", "workers", "moved", "memory", "hosts", "problems"):
        assert written[name] == as_json(getattr(view, name)), name
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


def as_json(value: Any) -> Any:
    """Return frozen values as they are written."""
    return json.loads(json.dumps(value, default=vars))


@AGREE
@given(run=runs, over=st.booleans())
def test_what_is_told_of_parts_adds_up_to_the_whole(run: RandomRun, over: bool) -> None:
    view = finished(run, over=over)
    assert sum(one.tasks for one in view.hosts) == run.truth.attempts
    assert sum(one.attempts for one in view.lanes.lanes) == run.truth.attempts
    assert sum(one.failed for one in view.lanes.lanes) == run.truth.attempts - run.truth.useful
    assert sum(one.count for one in view.problems) == run.truth.failures
    assert sum(sum(one.actions.values()) for one in view.problems) == run.truth.failures
    for category in {one.category for one in view.memory}:
        [whole] = [one.tasks for one in view.memory if one.category == category and not one.dataset]
        parts = [one.tasks for one in view.memory if one.category == category and one.dataset]
        assert not parts or sum(parts) == whole
    told = view.lanes.done.get("")
    new = view.total.planned - view.total.resumed
    if told and new:
        assert told[-1] == pytest.approx((view.total.done - view.total.resumed) / new, abs=1e-4)


@settings(AGREE, max_examples=10)
@given(run=runs, over=st.booleans())
def test_who_reads_the_file_sees_what_the_run_itself_sees(run: RandomRun, over: bool) -> None:
    """As wq-status and wq-report do, which have the journal alone."""
    view = finished(run, over=over)
    with tempfile.TemporaryDirectory() as place:
        directory = journals.write(Path(place) / "run", run.events)
        seen = loading.load(RunPaths(root=directory))
    for name in ("tasks", "failures", "retries", "moved"):
        assert getattr(seen, name) == getattr(view, name), name
    counts = ("name", "planned", "done", "skipped", "resumed", "chunks", "chunks_done", "retried")
    for one, other in zip((seen.total, *seen.datasets), (view.total, *view.datasets), strict=True):
        assert [getattr(one, name) for name in counts] == [getattr(other, name) for name in counts]
    read, counted = ([(one.cause, one.reason, one.count) for one in each.problems] for each in (seen, view))
    assert read == counted
    # times are written to the millisecond
    assert {one.host: one.tasks for one in seen.hosts} == {one.host: one.tasks for one in view.hosts}
    assert seen.seconds == pytest.approx(view.seconds, abs=0.01) or not over
    assert seen.total.mean_rate == pytest.approx(view.total.mean_rate, rel=0.02) or not over
    if over:
        assert seen.state == view.state
        assert vars(seen.core_time) == pytest.approx(vars(view.core_time), rel=0.02, abs=0.05)


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
