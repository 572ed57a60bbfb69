"""The state of a run at one moment, from what its events have added up to."""

from __future__ import annotations

import dataclasses
import heapq
import itertools
from collections.abc import Sequence

from wq_runner.model import Category
from wq_runner.monitor.event_totals import PROCESSING, Sums
from wq_runner.monitor.sketch import Sketch
from wq_runner.monitor.tallies import DatasetTally, memory_of
from wq_runner.monitor.view import (
    RUNNING,
    Cost,
    HostTime,
    Memory,
    Moved,
    Progress,
    RunView,
    Tasks,
    WorkersNow,
    state_of,
)

TOP = 20
"""The longest lists of hosts and files."""

_PREPROCESSING = Category.PREPROCESSING.value
_WINDOW = 60.0  # seconds over which a rate is measured, or three tasks if they are longer


def brief(sums: Sums, now: float) -> RunView:
    """Return what a terminal shows; it costs little, however long the run is."""
    sums.advance(now)
    ended = sums.ended
    window = max(_WINDOW, 3 * sums.seconds.mean)
    shown = sums.shown()
    total = _total(sums, shown, now, window)
    unit = "events" if any(tally.in_events for tally in shown) else "files"
    if sums.phase == PROCESSING and unit == "files":
        unit = "items"
    return RunView(
        state=RUNNING if ended is None else state_of(ended.code),
        command=sums.started.command,
        version=sums.started.version,
        host=sums.started.host,
        pid=sums.started.pid,
        started=sums.begun,
        updated=now,
        ended=None if ended is None else sums.now,
        code=None if ended is None else ended.code,
        message="" if ended is None else ended.message,
        phase=sums.phase,
        phases=tuple(sums.phases),
        unit=unit,
        total=total,
        datasets=_expected(total, shown, [one.progress(now, window, live=ended is None) for one in shown]),
        opening=_opening(sums, now, window),
        workers=_workers_now(sums),
        tasks=_tasks_now(sums),
        moved=Moved(**{name: sums.moved[name] for name in ("read", "sent", "received")}),
        core_time=sums.usage.core_time(now, live=ended is None),
        failures=sums.failures,
        retries=dict(sums.retries.most_common()),
        last_problem=sums.last_problem,
        elsewhere=tuple(
            tally.summary(server, instead) for (server, instead), tally in sums.elsewhere.items()
        ),
        left_behind=sums.left_behind.summary(),
        columns=sums.columns.summary(),
    )


def detailed(sums: Sums, view: RunView) -> RunView:
    """Return all that is known, beside what is in a brief view."""
    problems = sorted(sums.problems.values(), key=lambda one: one.last, reverse=True)
    means = _mean_seconds(sums)
    return dataclasses.replace(
        view,
        memory=_memory_use(sums),
        chunk_memory=tuple(tally.summary(name) for name, tally in sums.chunk_memory.items()),
        problems=tuple(one.summary() for one in problems),
        other_problems=sums.other_problems,
        slow_files=sums.files.slowest(TOP, means),
        hosts=_top_hosts(sums, means),
        host_count=len(sums.hosts),
        blocked_hosts=dict(sums.blocked),
        warnings=tuple(sorted(sums.said.warnings.values(), key=lambda one: one.count, reverse=True)),
        prints=tuple(sums.said.prints),
        printed=sums.said.printed,
        task_seconds=sums.seconds.distribution(),
        task_events=sums.events.distribution(),
        chunks_per_task=sums.chunks.mean,
        task_memory=_memory(sums, PROCESSING).distribution(),
        result_bytes=sums.results.distribution(),
        cost=_cost(sums),
        series=sums.timeline.series(),
        lanes=sums.lanes.summary(view.updated, _asked(view)),
    )


def _asked(view: RunView) -> dict[str, int]:
    """Return what this process has to do of each dataset, and of all."""
    return {one.name: one.planned - one.resumed for one in (view.total, *view.datasets)}


def _top_hosts(sums: Sums, means: dict[str, float]) -> tuple[HostTime, ...]:
    """Return the slowest hosts, those that failed most and those that worked most, the slowest first."""
    every = [tally.summary(name, means) for name, tally in sums.hosts.items()]
    top = {
        one.host: one
        for ranked in (
            heapq.nsmallest(TOP, every, key=lambda one: one.speed),
            heapq.nlargest(TOP, every, key=lambda one: one.failed),
            heapq.nlargest(TOP, every, key=lambda one: one.core_seconds),
        )
        for one in ranked
    }
    return tuple(sorted(top.values(), key=lambda one: one.speed))


def _expected(
    total: Progress, tallies: Sequence[DatasetTally], found: Sequence[Progress]
) -> tuple[Progress, ...]:
    """Say when those are done that wait: after those before them. None takes longer than all together."""
    work = _work_left(tallies)
    whole = sum(work) or 1.0
    made: list[Progress] = []
    for one, until in zip(found, itertools.accumulate(work), strict=True):
        left = one.left
        if total.left is None or one.finished:
            left = None
        elif not one.started:
            left = total.left * until / whole
        elif left is not None:
            left = min(left, total.left)
        made.append(one if left == one.left else dataclasses.replace(one, left=left))
    return tuple(made)


def _work_left(tallies: Sequence[DatasetTally]) -> list[float]:
    """Return the core seconds that are left of each; nothing is known before something came back."""
    costs = [tally.core_cost for tally in tallies if tally.core_cost is not None]
    usual = sum(costs) / len(costs) if costs else 0.0
    return [
        max(0, tally.planned - tally.done - tally.skipped) * (tally.core_cost or usual) for tally in tallies
    ]


def _total(sums: Sums, shown: list[DatasetTally], now: float, window: float) -> Progress:
    total = _sum(shown, "")
    known = any(tally.core_cost is not None for tally in shown)
    cores = sums.workers.cores if sums.workers is not None else 0
    rate = (
        sums.rate.over(window, now) if sums.of(PROCESSING) else sum(t.rate.over(window, now) for t in shown)
    )
    total.rate = sums.rate
    found = total.progress(now, window, live=sums.ended is None)
    left = sum(_work_left(shown)) / cores if known and cores and not found.finished else None
    done = found.finished or sums.ended is not None
    return Progress(
        **{
            **vars(found),
            "rate": 0.0 if done else rate,
            "left": None if done else left,
        }
    )


def _opening(sums: Sums, now: float, window: float) -> Progress | None:
    opened = sums.of(_PREPROCESSING)
    return _sum(opened, "files").progress(now, window) if opened else None


def _workers_now(sums: Sums) -> WorkersNow:
    now = sums.workers
    if now is None:
        return WorkersNow()
    return WorkersNow(
        connected=now.workers,
        busy=now.busy,
        joined=sums.joined,
        lost=sums.lost,
        cores=now.cores,
        cores_used=now.cores_used,
        memory=now.memory,
        memory_used=now.memory_used,
        memory_measured=now.running * _memory(sums, PROCESSING).mean,
        largest_cores=now.largest_cores,
        largest_memory=now.largest_memory,
        engine_restarts=now.restarts,
        here=now.here,
        since=sums.first_worker,
    )


def _tasks_now(sums: Sums) -> Tasks:
    now = sums.workers
    over = sums.ended is not None or now is None
    return Tasks(
        running=0 if over or now is None else now.running,
        waiting=0 if over or now is None else now.waiting,
        **{
            name: sums.tasks[name] for name in ("submitted", "ended", "useful", "retried", "split", "skipped")
        },
    )


def _memory_use(sums: Sums) -> tuple[Memory, ...]:
    """Return one entry for each category, then one for each dataset that was processed."""
    categories = dict.fromkeys(category for category, _ in sums.tallies)
    whole = [memory_of(category, "", sums.of(category)) for category in categories]
    return (*whole, *(tally.memory_use() for tally in sums.of(PROCESSING)))


def _memory(sums: Sums, category: str) -> Sketch:
    found = Sketch()
    for tally in sums.of(category):
        found.merge(tally.memory)
    return found


def _mean_seconds(sums: Sums) -> dict[str, float]:
    return {tally.name: tally.seconds / tally.events for tally in sums.of(PROCESSING) if tally.events}


def _cost(sums: Sums) -> Cost:
    tallies = sums.of(PROCESSING)
    lines = [(tally.cost.line(), tally.cost.count) for tally in tallies]
    known = [(line, count) for line, count in lines if line is not None]
    chunks = sum(tally.cost.count for tally in tallies)
    seconds, events = sum(tally.cost.y for tally in tallies), sum(tally.cost.x for tally in tallies)
    fixed = None
    if known:
        fixed = max(0.0, sum(line[0] * count for line, count in known) / sum(count for _, count in known))
    return Cost(
        chunks=chunks,
        events=int(events),
        seconds=seconds,
        fixed=fixed,
        per_event=(seconds - (fixed or 0.0) * chunks) / events if events else 0.0,
    )


def _sum(tallies: list[DatasetTally], name: str) -> DatasetTally:
    firsts = [tally.first for tally in tallies if tally.first is not None]
    return DatasetTally(
        category="",
        name=name,
        planned=sum(tally.planned for tally in tallies),
        chunks=sum(tally.chunks for tally in tallies),
        done=sum(tally.done for tally in tallies),
        chunks_done=sum(tally.chunks_done for tally in tallies),
        chunks_skipped=sum(tally.chunks_skipped for tally in tallies),
        empty_left=sum(max(0, tally.empty_left) for tally in tallies),
        resumed=sum(tally.resumed for tally in tallies),
        skipped=sum(tally.skipped for tally in tallies),
        retried=sum(tally.retried for tally in tallies),
        begun=any(tally.begun for tally in tallies),
        first=min(firsts, default=None),
        last=max((tally.last for tally in tallies), default=0.0),
    )
