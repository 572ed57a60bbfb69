"""What the events of a journal add up to."""

from __future__ import annotations

import dataclasses

import journals
import pytest
from journals import START, Timed, ended, item, long, view_of, workers

from wq_runner.monitor import words
from wq_runner.monitor.collect import Collector
from wq_runner.monitor.view import USES, RunView
from wq_runner.run_events import (
    Accepted,
    Decided,
    PhaseStarted,
    Plan,
    ReadElsewhere,
    Resumed,
    RunEnded,
    RunStarted,
    TaskEnded,
    TaskSubmitted,
)


def test_events_and_attempts(simple: RunView) -> None:
    assert (simple.total.planned, simple.total.done, simple.total.skipped) == (800, 700, 100)
    assert [(one.name, one.done, one.skipped, one.retried) for one in simple.datasets] == [
        ("A", 400, 0, 0),
        ("B", 300, 100, 1),
    ]
    assert (simple.tasks.submitted, simple.tasks.ended, simple.tasks.useful) == (9, 9, 7)
    assert (simple.failures, simple.retries) == (2, {"lost worker": 1})
    assert (simple.state, simple.code, simple.message) == ("partial", 3, "the result is partial")


def test_uses_of_core_time_are_all_of_it(simple: RunView) -> None:
    time = simple.core_time
    assert sum(getattr(time, use) for use in USES) == pytest.approx(time.available)
    # each useful attempt: 10 s, 0.5 s before the payload and 1 s before its first item
    assert time.startup == pytest.approx(7 * 1.5)
    assert time.retries == pytest.approx(2 * 10)


def test_an_attempt_of_which_a_part_failed_is_split() -> None:
    begin: list[Timed] = [
        (START, RunStarted(command=(), version="1")),
        (START, PhaseStarted(category="processing", datasets={"A": Plan(items=2, events=200)})),
        (START, TaskSubmitted(task=1, category="processing", dataset="A", items=2, events=200)),
    ]
    # 10 s: 1.5 start-up, 4 for the chunk that worked, the rest for the one that did not
    view = view_of([*begin, (START + 10, ended(1, at=START + 10, processing=4.0))])
    assert view.core_time.startup == pytest.approx(1.5)
    assert view.core_time.processing == pytest.approx(4.0)
    assert view.core_time.retries == pytest.approx(4.5)


def test_what_runs_now_is_not_idle() -> None:
    view = view_of(
        [
            (START, RunStarted(command=(), version="1")),
            (START, PhaseStarted(category="processing", datasets={"A": Plan(items=2, events=200)})),
            (START, TaskSubmitted(task=1, category="processing", dataset="A", items=1, events=100)),
            (START, workers(2, running=1)),
            (START + 30, workers(2, running=1, bytes_sent=1)),
        ]
    )
    assert view.core_time.available == pytest.approx(60)
    assert view.core_time.running == pytest.approx(30)
    assert view.core_time.idle == pytest.approx(30)


def test_resumed_events_are_done_but_not_at_a_rate() -> None:
    view = view_of(
        [
            (START, RunStarted(command=(), version="1")),
            (START, Resumed(datasets={"A": Plan(items=3, events=300)})),
            (START, PhaseStarted(category="processing", datasets={"A": Plan(items=1, events=100)})),
            (START + 10, ended(5, at=START + 10)),
            (
                START + 10,
                Accepted(task=5, category="processing", dataset="A", events=100, items=(item("f", 0, 100),)),
            ),
        ]
    )
    (dataset,) = view.datasets
    assert (dataset.planned, dataset.done, dataset.resumed, dataset.chunks) == (400, 400, 300, 4)
    assert dataset.mean_rate == pytest.approx(10)


def test_a_run_that_starts_again_is_a_new_one() -> None:
    collector = Collector()
    collector.take_all(journals.simple())
    collector.take(START + 1000, RunStarted(command=("again",), version="2"))
    view = collector.view()
    assert (view.command, view.state, view.failures, view.total.done) == (("again",), "running", 0, 0)


def test_counters_that_begin_anew_with_the_engine_are_summed() -> None:
    view = view_of(
        [
            (START, RunStarted(command=(), version="1")),
            (START + 1, workers(4, joined=5, lost=1, bytes_sent=100)),
            (START + 2, workers(0, joined=0, lost=0, bytes_sent=0, restarts=1)),
            (START + 3, workers(4, joined=4, lost=2, bytes_sent=30, restarts=1)),
        ]
    )
    assert (view.workers.joined, view.workers.lost, view.moved.sent) == (9, 3, 130)
    assert view.workers.engine_restarts == 1


def test_time_left_comes_from_what_each_dataset_costs() -> None:
    begin: list[Timed] = [
        (START, RunStarted(command=(), version="1")),
        (START, workers(2)),
        (
            START,
            PhaseStarted(category="processing", datasets=dict.fromkeys("AB", Plan(items=10, events=1000))),
        ),
    ]
    for task, (dataset, seconds) in enumerate((("A", 10.0), ("B", 20.0))):
        when = START + 20
        begin.append((when, ended(task, dataset, at=when, seconds=seconds)))
        done = Accepted(
            task=task, category="processing", dataset=dataset, events=100, items=(item("f", 0, 100),)
        )
        begin.append((when, done))
    view = view_of(begin)
    # 900 events of 0.1 and of 0.2 core seconds on 2 cores
    assert view.total.left == pytest.approx((90 + 180) / 2)
    assert view.datasets[0].rate == pytest.approx(10)
    assert view.datasets[0].left == pytest.approx(90)


def test_a_rate_forgets_what_was_long_ago() -> None:
    collector = Collector()
    collector.take(START, RunStarted(command=(), version="1"))
    collector.take(START, PhaseStarted(category="processing", datasets={"A": Plan(items=10, events=10_000)}))
    for second in range(1, 20):
        event = Accepted(
            task=second, category="processing", dataset="A", events=100, items=(item("f", 0, 100),)
        )
        collector.take(START + second, event)
    assert collector.view(START + 20).total.rate == pytest.approx(95, rel=0.1)
    assert collector.view(START + 200).total.rate == 0


def test_memory_by_dataset_and_what_exhaustion_cost() -> None:
    events = journals.simple()[:-1]
    when = events[-1][0]
    gone = ended(50, at=when, seconds=30, ending="exhausted", done=0, events=0, memory=1_900_000_000)
    out = Decided(
        task=50, category="processing", dataset="A", action="split", cause="out of resources", reason="",
        events=100, items=(item("f", 0, 100),),
    )  # fmt: skip
    view = view_of([*events, (when, gone), (when, out)])
    whole, first, second = view.memory
    assert (whole.dataset, first.dataset, second.dataset) == ("", "A", "B")
    assert (first.exhausted, first.lost, second.exhausted) == (1, 30.0, 0)
    assert first.most == 1_900_000_000
    assert second.typical == pytest.approx(4e8, rel=0.1)
    assert second.allocated == 2e9


def test_slow_files_and_hosts_stand_out() -> None:
    begin: list[journals.Timed] = [(START, RunStarted(command=(), version="1"))]
    for task in range(20):
        slow = task == 7
        host = "slow" if slow else f"node{task % 3}"
        seconds = 90.0 if slow else 10.0
        when = START + task + 100
        begin.append((when, ended(task, at=when, seconds=seconds, host=host)))
        begin.append(
            (
                when,
                Accepted(
                    task=task,
                    category="processing",
                    dataset="A",
                    events=100,
                    items=(item(f"file{task}", 0, 100),),
                    seconds=(seconds,),
                ),
            )
        )
    view = view_of(begin)
    assert view.slow_files[0].path == "file7"
    assert view.slow_files[0].excess == pytest.approx(90 - (19 * 8 + 88) / 20, rel=0.01)
    assert view.hosts[0].host == "slow"
    assert view.hosts[0].speed < 0.2
    assert view.hosts[-1].speed > 1


def test_a_file_is_slow_only_beside_others() -> None:
    for seconds, slow in (((1.3, 1.3), 0), ((1.3, 9.0), 1)):
        view = view_of(
            [
                (START, RunStarted(command=(), version="1")),
                *(
                    event
                    for task, one in enumerate(seconds)
                    for event in (
                        (START + 20, ended(task, at=START + 20, processing=one, events=3)),
                        (START + 20, _accepted(task, "A", 3, one)),
                    )
                ),
            ]
        )
        assert len(view.slow_files) == slow


def _accepted(task: int, dataset: str, events: int, seconds: float = 0.0) -> Accepted:
    return Accepted(
        task=task,
        category="processing",
        dataset=dataset,
        events=events,
        items=(item(f"{dataset}{task}", 0, events),),
        seconds=(seconds,) if seconds else (),
    )


@pytest.mark.parametrize("before", [0, 7], ids=["from the start", "of what is left"])
def test_empty_files_are_no_events(before: int) -> None:
    plans = {"A": Plan(items=2, events=0 if before else 1), "none": Plan(items=1, events=0)}
    journal: list[journals.Timed] = [(START, RunStarted(command=(), version="1"))]
    if before:
        journal.append((START, Resumed(datasets={"A": Plan(items=1, events=before)})))
    journal.append((START, PhaseStarted(category="processing", datasets=plans)))
    events = before or 1
    view = view_of(journal)
    assert (view.unit, view.total.planned, view.total.done) == ("events", events, before)
    assert (view.datasets[1].finished, words.share_done(view.datasets[1])) == (False, 0.0)
    journal += [
        (START + 1, _accepted(1, "A", 0)),
        (START + 2, _accepted(2, "A", events - before)),
        (START + 3, _accepted(3, "none", 0)),
    ]
    view = view_of(journal)
    assert (view.total.planned, view.total.done, view.total.finished) == (events, events, True)
    assert [(one.planned, one.done, words.share_done(one)) for one in view.datasets] == [
        (events, events, 1.0),
        (0, 0, 1.0),
    ]


@pytest.mark.parametrize("others", [0, 5], ids=["of its own", "beside one with events"])
def test_an_empty_file_that_is_skipped_is_behind_us_and_lacks(others: int) -> None:
    plan = {"A": Plan(items=1 + bool(others), events=others, empty=1), "B": Plan(items=1, events=3)}
    skip = Decided(
        task=3, category="processing", dataset="A", action="skip", cause="input", reason="no such tree",
        events=0, items=(item("A3", 0, 0),),
    )  # fmt: skip
    journal: list[journals.Timed] = [
        (START, RunStarted(command=(), version="1")),
        (START, PhaseStarted(category="processing", datasets=plan)),
        (START + 1, _accepted(1, "B", 3)),
        *([(START + 1, _accepted(2, "A", others))] if others else []),
    ]
    view = view_of(journal)
    # all events are there, but it is not known yet what comes of the file
    assert (view.total.done, view.total.planned) == (3 + others, 3 + others)
    assert (view.total.finished, view.datasets[0].finished, words.phase(view)) == (False, False, "processing")
    assert words.percent(words.share_done(view.total)) == "99%"
    view = view_of([*journal, (START + 2, skip)])
    assert (view.total.finished, view.datasets[0].finished, words.phase(view)) == (True, True, "merging")
    assert [words.left(one) for one in view.datasets] == ["1 chunk skipped", "done"]
    assert (view.datasets[0].lacks, view.datasets[1].lacks, view.total.lacks) == (True, False, True)


def test_alike_failures_are_one_problem_whatever_file_and_number_they_name() -> None:
    def failed(number: int, text: str) -> Decided:
        trace = f'  File "processor.py", line 41, in process\nValueError: {text}'
        return Decided(
            task=number, category="processing", dataset="A", action="retry", cause="processor error",
            reason=f"ValueError: {text}", events=10, items=(item(f"f{number}", 0, 10),), traceback=trace,
        )  # fmt: skip

    events = [(START, RunStarted(command=(), version="1"))]
    view = view_of([*events, *((START + n, failed(n, f"bad value {n}")) for n in range(5))])
    (problem,) = view.problems
    assert (problem.count, problem.events) == (5, 50)
    assert problem.place == "f4, events 0-10"
    assert "line 41" in problem.traceback
    assert view.last_problem == "A: ValueError: bad value 4"


def read_elsewhere(instead: str, reason: str = "", *, category: str = "processing") -> ReadElsewhere:
    return ReadElsewhere(
        task=1, category=category, dataset="A", host="node1", server="root://a", instead=instead,
        items=2, events=200 if category == "processing" else 0, path=f"root://a//{reason}", reason=reason,
    )  # fmt: skip


def test_what_was_read_elsewhere_is_counted_by_servers_and_is_no_failure() -> None:
    events = [
        read_elsewhere("root://b", category="preprocessing"),
        read_elsewhere("root://b"),
        read_elsewhere("root://b", "timed out"),
        read_elsewhere("root://b"),
        read_elsewhere("root://c"),
    ]
    view = view_of([(START, RunStarted(command=(), version="1")), *((START + 1, event) for event in events)])
    b, c = view.elsewhere
    assert (b.server, b.instead, b.chunks, b.events, b.opened) == ("root://a", "root://b", 6, 600, 2)
    assert (b.path, b.reason) == ("root://a//timed out", "timed out")
    assert (c.instead, c.chunks) == ("root://c", 2)
    assert view.failures == 0
    assert "8 chunks read elsewhere" in words.status(view)
    rows = [text for name, text in words.afterwards(view) if name == "read"]
    assert rows == [
        "6 chunks from root://b instead of root://a: timed out",
        "2 chunks from root://c instead of root://a",
    ]


def test_files_being_opened_are_counted_in_files() -> None:
    accepted = Accepted(task=1, category="preprocessing", dataset="A", events=0, items=(item("f", 0, 0),))
    view = view_of(
        [
            (START, RunStarted(command=(), version="1")),
            (START, PhaseStarted(category="preprocessing", datasets={"A": Plan(items=3, events=0)})),
            (START + 1, accepted),
        ]
    )
    assert (view.unit, view.total.done, view.total.planned) == ("files", 1, 3)
    assert view.opening is not None
    assert view.opening.done == 1


def test_an_executors_journal_without_a_run_is_counted_too() -> None:
    view = view_of(journals.simple()[1:-1])
    assert (view.total.done, view.started) == (700, START + 1)


def test_unknown_and_empty_events_change_nothing() -> None:
    event = TaskEnded(task=1, category="c", dataset="", ending="lost", host="", started=0, finished=START)
    view = view_of([(START, RunStarted(command=(), version="")), (START, event), (START, RunEnded(code=1))])
    assert (view.core_time.available, view.state) == (0, "failed")


def test_order_of_ended_and_accepted_does_not_matter() -> None:
    events = journals.simple()
    shuffled = sorted(events, key=lambda one: (one[0], not isinstance(one[1], Accepted)))
    first, other = view_of(events), view_of(shuffled)
    for name in ("tasks", "failures", "moved"):
        assert getattr(first, name) == getattr(other, name)
    assert first.total.done == other.total.done


def test_a_brief_view_has_the_same_numbers() -> None:
    collector = Collector()
    collector.take_all(journals.simple())
    brief, whole = collector.view(brief=True), collector.view()
    for field in (
        "total",
        "datasets",
        "tasks",
        "core_time",
        "workers",
        "failures",
        "retries",
        "last_problem",
    ):
        assert getattr(brief, field) == getattr(whole, field)


def test_a_long_run_stays_small() -> None:
    view = view_of(list(long(5000)))
    assert view.series.bins <= 360
    assert sum(view.series.counts["tasks"]) == view.tasks.ended == 5000
    assert sum(view.series.counts["events"]) == view.total.done
    assert len(view.hosts) <= 60
    assert view.host_count == 500
    assert dataclasses.asdict(view)["format"] == 1
