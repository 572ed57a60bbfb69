"""From the events of a journal to the state of a run: the only place where its numbers are added up."""

from __future__ import annotations

import dataclasses
import heapq
import threading
from collections import Counter
from collections.abc import Iterable

from wq_runner.journal import (
    Accepted,
    Decided,
    Event,
    HostBlocked,
    PhaseEnded,
    PhaseStarted,
    Resumed,
    RunEnded,
    RunStarted,
    TaskEnded,
    TaskSubmitted,
    Workers,
)
from wq_runner.model import Category
from wq_runner.monitor.next_time import ChunkTally
from wq_runner.monitor.sketch import Mean, Sketch
from wq_runner.monitor.tallies import (
    PROBLEMS_KEPT,
    DatasetTally,
    Files,
    HostTally,
    ProblemTally,
    Rate,
    kind_of,
    memory_of,
    one_line,
)
from wq_runner.monitor.timeline import Timeline
from wq_runner.monitor.usage import Usage, attempt_seconds
from wq_runner.monitor.view import (
    RUNNING,
    Cost,
    HostTime,
    Memory,
    Moved,
    Phase,
    Progress,
    RunView,
    Tasks,
    WorkersNow,
    state_of,
)

PROCESSING = Category.PROCESSING.value
PREPROCESSING = Category.PREPROCESSING.value
TOP = 20
"""The longest lists of hosts and files."""

_WINDOW = 60.0  # seconds over which a rate is measured, or three tasks if they are longer
_GAUGES = ("workers", "busy", "cores", "cores_used", "memory", "memory_used", "running", "waiting")
_COUNTS = ("events", "tasks", "failures", "read", "sent", "received", "lost")
_EVENTS, _TASKS, _READ = (_COUNTS.index(name) for name in ("events", "tasks", "read"))
_OUT_OF_RESOURCES = "out of "


class Collector:
    """Takes events one by one and tells the state at any time; for use by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reset(RunStarted(command=(), version=""), 0.0)

    def take(self, now: float, event: Event) -> None:
        """Add one event."""
        with self._lock:
            if not self._begun and not isinstance(event, RunStarted):
                self._reset(self._started, now)  # an executor's journal knows no run
            self._take(max(now, self._now), event)

    def take_all(self, events: Iterable[tuple[float, Event]]) -> None:
        for now, event in events:
            self.take(now, event)

    def view(self, now: float | None = None, *, brief: bool = False) -> RunView:
        """Return the state now, which is the time of the last event if none is given.

        A `brief` one lacks what a terminal has no room for, and costs little however long the run is.
        """
        with self._lock:
            now = max(now or 0.0, self._now) if self._ended is None else self._now
            found = self._brief(now)
            return found if brief else self._detailed(found)

    def _reset(self, started: RunStarted, now: float) -> None:
        self._begun = now
        self._now = now
        self._started = started
        self._ended: RunEnded | None = None
        self._phases: list[Phase] = []
        self._phase = ""
        self._tallies: dict[tuple[str, str], DatasetTally] = {}
        self._workers: Workers | None = None
        self._joined = self._lost = 0
        self._first_worker: float | None = None
        self._moved: Counter[str] = Counter()
        self._tasks: Counter[str] = Counter()
        self._retries: Counter[str] = Counter()
        self._problems: dict[tuple[str, str], ProblemTally] = {}
        self._failures = 0
        self._other_problems = 0
        self._last_problem = ""
        self._hosts: dict[str, HostTally] = {}
        self._blocked: dict[str, str] = {}
        self._chunk_memory: dict[str, ChunkTally] = {}
        self._files = Files()
        self._rate = Rate()
        self._usage = Usage(now)
        self._timeline = Timeline(now, _GAUGES, _COUNTS)
        self._seconds, self._events, self._results = Sketch(), Sketch(), Sketch()
        self._chunks = Mean()

    def _take(self, now: float, event: Event) -> None:  # noqa: PLR0912 - one for each kind
        self._now = now
        match event:
            case TaskEnded():
                self._task_ended(now, event)
            case Accepted():
                self._accepted(now, event)
            case TaskSubmitted():
                self._tasks["submitted"] += 1
                self._usage.submitted(now, event)
                self._tally(event.category, event.dataset).begun = True
            case Workers():
                self._set_workers(now, event)
            case Decided():
                self._decided(now, event)
            case PhaseStarted():
                self._phase_started(now, event)
            case PhaseEnded(category=category, seconds=seconds):
                self._phases = [
                    Phase(category=one.category, started=one.started, seconds=seconds)
                    if one.category == category and one.seconds is None
                    else one
                    for one in self._phases
                ]
            case HostBlocked(host=host, reason=reason):
                self._blocked[host] = reason
            case RunStarted():
                self._reset(event, now)
            case Resumed(datasets=datasets):
                for name, plan in datasets.items():
                    self._tally(PROCESSING, name).resume(plan)
            case RunEnded():
                self._ended = event
                self._usage.advance(now)
                self._timeline.advance(now)
            case _:
                pass  # of a later version

    def _tally(self, category: str, dataset: str) -> DatasetTally:
        found = self._tallies.get((category, dataset))
        if found is None:
            found = DatasetTally(category=category, name=dataset, in_events=category == PROCESSING)
            self._tallies[category, dataset] = found
        return found

    def _phase_started(self, now: float, event: PhaseStarted) -> None:
        self._phase = event.category
        self._phases.append(Phase(category=event.category, started=now))
        for name, plan in event.datasets.items():
            tally = self._tally(event.category, name)
            # items without events are files, or an executor's own arguments
            tally.in_events = event.category == PROCESSING and plan.events > 0
            tally.planned += tally.amount(plan.events, plan.items)
            tally.chunks += plan.items

    def _task_ended(self, now: float, event: TaskEnded) -> None:
        self._tasks["ended"] += 1
        self._tasks["useful"] += event.done > 0
        tally = self._tally(event.category, event.dataset)
        seconds = attempt_seconds(event)
        chunks = self._usage.ended(event, seconds)
        core_seconds = seconds * event.cores
        begun = event.started or now
        tally.rate.begin(begun)
        if tally.first is None or begun < tally.first:
            tally.first = begun
        tally.core_seconds += core_seconds
        tally.useful_amount += tally.amount(event.events, event.done)
        tally.memory.add(event.memory)
        tally.allocated.add(event.allocated)
        if event.host:
            self._hosts.setdefault(event.host, HostTally()).add(event, core_seconds)
        self._moved["read"] += event.bytes_read
        counts = self._timeline.counts(now)
        counts[_TASKS] += 1
        counts[_READ] += event.bytes_read
        if event.category == PROCESSING:
            self._rate.begin(begun)
            tally.seconds += event.processing if event.events else 0.0
            tally.events += event.events
            self._seconds.add(seconds)
            self._chunks.add(chunks)
            self._events.add(event.events)
            self._results.add(event.bytes_received)

    def _accepted(self, now: float, event: Accepted) -> None:
        tally = self._tally(event.category, event.dataset)
        amount = tally.amount(event.events, len(event.items))
        tally.done += amount
        tally.chunks_done += len(event.items)
        tally.rate.add(now, amount)
        tally.last = now
        if event.category != PROCESSING:
            return
        self._rate.add(now, amount)
        self._timeline.counts(now)[_EVENTS] += event.events
        if event.seconds:
            self._files.add(event.dataset, zip(event.items, event.seconds, strict=False))
            sizes = [stop - start for _, _, start, stop, _ in event.items]
            tally.cost.add_all(zip(sizes, event.seconds, strict=False))
        if any(event.memory):
            chunks = self._chunk_memory.setdefault(event.dataset, ChunkTally())
            for (_, _, start, stop, _), memory in zip(event.items, event.memory, strict=False):
                if memory > 0:
                    chunks.add(stop - start, memory)

    def _decided(self, now: float, event: Decided) -> None:
        tally = self._tally(event.category, event.dataset)
        self._failures += 1
        self._timeline.count(now, {"failures": 1})
        match event.action:
            case "skip":
                self._tasks["skipped"] += 1
                tally.skipped += tally.amount(event.events, len(event.items))
                tally.last = now
            case "abort":
                pass
            case action:
                self._tasks["split" if action == "split" else "retried"] += 1
                self._retries[event.cause] += 1
                tally.retried += 1
        if event.cause.startswith(_OUT_OF_RESOURCES):
            tally.exhausted += 1
            tally.lost += self._usage.lost_by(event.task)
        self._last_problem = one_line(f"{event.dataset}: {event.reason}" if event.dataset else event.reason)
        kind = kind_of(event)
        if kind not in self._problems and len(self._problems) >= PROBLEMS_KEPT:
            self._other_problems += 1
            return
        self._problems.setdefault(kind, ProblemTally(example=event, first=now)).add(now, event)

    def _set_workers(self, now: float, event: Workers) -> None:
        before = self._workers
        restarted = before is None or event.restarts != before.restarts
        for name, value, old in (
            ("sent", event.bytes_sent, 0 if restarted or before is None else before.bytes_sent),
            ("received", event.bytes_received, 0 if restarted or before is None else before.bytes_received),
        ):
            self._moved[name] += max(0, value - old)
            self._timeline.count(now, {name: max(0, value - old)})
        self._joined += max(0, event.joined - (0 if restarted or before is None else before.joined))
        lost = max(0, event.lost - (0 if restarted or before is None else before.lost))
        self._lost += lost
        self._timeline.count(now, {"lost": lost})
        if event.workers and self._first_worker is None:
            self._first_worker = now
        self._usage.set_workers(now, event)
        self._workers = event
        self._timeline.set(now, {name: float(getattr(event, name)) for name in _GAUGES})

    def _brief(self, now: float) -> RunView:
        if self._begun:
            self._timeline.advance(now)
            self._usage.advance(now)
        ended = self._ended
        window = max(_WINDOW, 3 * self._seconds.mean)
        shown = self._shown()
        unit = "events" if any(tally.in_events for tally in shown) else "files"
        if self._phase == PROCESSING and unit == "files":
            unit = "items"
        return RunView(
            state=RUNNING if ended is None else state_of(ended.code),
            command=self._started.command,
            version=self._started.version,
            host=self._started.host,
            pid=self._started.pid,
            started=self._begun,
            updated=now,
            ended=None if ended is None else self._now,
            code=None if ended is None else ended.code,
            message="" if ended is None else ended.message,
            phase=self._phase,
            phases=tuple(self._phases),
            unit=unit,
            total=self._total(shown, now, window),
            datasets=tuple(tally.progress(now, window, live=ended is None) for tally in shown),
            opening=self._opening(now, window),
            workers=self._workers_now(),
            tasks=self._tasks_now(),
            moved=Moved(**{name: self._moved[name] for name in ("read", "sent", "received")}),
            core_time=self._usage.core_time(now, live=ended is None),
            failures=self._failures,
            retries=dict(self._retries.most_common()),
            last_problem=self._last_problem,
        )

    def _detailed(self, view: RunView) -> RunView:
        problems = sorted(self._problems.values(), key=lambda one: one.last, reverse=True)
        means = self._mean_seconds()
        return dataclasses.replace(
            view,
            memory=self._memory_use(),
            chunk_memory=tuple(tally.summary(name) for name, tally in self._chunk_memory.items()),
            problems=tuple(one.summary() for one in problems),
            other_problems=self._other_problems,
            slow_files=self._files.slowest(TOP, means),
            hosts=self._top_hosts(means),
            host_count=len(self._hosts),
            blocked_hosts=dict(self._blocked),
            task_seconds=self._seconds.distribution(),
            task_events=self._events.distribution(),
            chunks_per_task=self._chunks.mean,
            task_memory=self._memory(PROCESSING).distribution(),
            result_bytes=self._results.distribution(),
            cost=self._cost(),
            series=self._timeline.series(),
        )

    def _of(self, category: str) -> list[DatasetTally]:
        return [tally for (found, _), tally in self._tallies.items() if found == category]

    def _shown(self) -> list[DatasetTally]:
        """Return the datasets of the processing once it began, those of the phase that runs before."""
        return self._of(PROCESSING) or self._of(self._phase)

    def _top_hosts(self, means: dict[str, float]) -> tuple[HostTime, ...]:
        """Return the slowest hosts, those that failed most and those that worked most, the slowest first."""
        every = [tally.summary(name, means) for name, tally in self._hosts.items()]
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

    def _total(self, shown: list[DatasetTally], now: float, window: float) -> Progress:
        total = _sum(shown, "")
        costs = [tally.core_cost for tally in shown if tally.core_cost is not None]
        cores = self._workers.cores if self._workers is not None else 0
        rate = (
            self._rate.over(window, now)
            if self._of(PROCESSING)
            else sum(t.rate.over(window, now) for t in shown)
        )
        total.rate = self._rate
        found = total.progress(now, window, live=self._ended is None)
        left = None
        if costs and cores and not found.finished:
            usual = sum(costs) / len(costs)
            left = (
                sum(
                    max(0, tally.planned - tally.done - tally.skipped) * (tally.core_cost or usual)
                    for tally in shown
                )
                / cores
            )
        done = found.finished or self._ended is not None
        return Progress(
            **{
                **vars(found),
                "rate": 0.0 if done else rate,
                "left": None if done else left,
            }
        )

    def _opening(self, now: float, window: float) -> Progress | None:
        opened = self._of(PREPROCESSING)
        return _sum(opened, "files").progress(now, window) if opened else None

    def _workers_now(self) -> WorkersNow:
        now = self._workers
        if now is None:
            return WorkersNow()
        return WorkersNow(
            connected=now.workers,
            busy=now.busy,
            joined=self._joined,
            lost=self._lost,
            cores=now.cores,
            cores_used=now.cores_used,
            memory=now.memory,
            memory_used=now.memory_used,
            memory_measured=now.running * self._memory(PROCESSING).mean,
            largest_cores=now.largest_cores,
            largest_memory=now.largest_memory,
            engine_restarts=now.restarts,
            since=self._first_worker,
        )

    def _tasks_now(self) -> Tasks:
        now = self._workers
        over = self._ended is not None or now is None
        return Tasks(
            running=0 if over or now is None else now.running,
            waiting=0 if over or now is None else now.waiting,
            **{
                name: self._tasks[name]
                for name in ("submitted", "ended", "useful", "retried", "split", "skipped")
            },
        )

    def _memory_use(self) -> tuple[Memory, ...]:
        """Return one entry for each category, then one for each dataset that was processed."""
        categories = dict.fromkeys(category for category, _ in self._tallies)
        whole = [memory_of(category, "", self._of(category)) for category in categories]
        return (*whole, *(tally.memory_use() for tally in self._of(PROCESSING)))

    def _memory(self, category: str) -> Sketch:
        found = Sketch()
        for tally in self._of(category):
            found.merge(tally.memory)
        return found

    def _mean_seconds(self) -> dict[str, float]:
        return {tally.name: tally.seconds / tally.events for tally in self._of(PROCESSING) if tally.events}

    def _cost(self) -> Cost:
        tallies = self._of(PROCESSING)
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
        resumed=sum(tally.resumed for tally in tallies),
        skipped=sum(tally.skipped for tally in tallies),
        retried=sum(tally.retried for tally in tallies),
        begun=any(tally.begun for tally in tallies),
        first=min(firsts, default=None),
        last=max((tally.last for tally in tallies), default=0.0),
    )
