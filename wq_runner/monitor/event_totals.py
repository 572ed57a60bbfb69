"""What the events of a journal add up to, while a run goes: the only place where its numbers are added up."""

from __future__ import annotations

from collections import Counter, defaultdict

from wq_runner.model import Category
from wq_runner.monitor.incidents import (
    PROBLEMS_KEPT,
    ColumnTally,
    ElsewhereTally,
    LeftTally,
    ProblemTally,
    SaidTally,
    kind_of,
    one_line,
)
from wq_runner.monitor.lanes import LaneTally
from wq_runner.monitor.next_time import ChunkTally
from wq_runner.monitor.sketch import Mean, Sketch
from wq_runner.monitor.tallies import DatasetTally, Files, HostTally, Rate
from wq_runner.monitor.timeline import Timeline
from wq_runner.monitor.usage import Usage, attempt_seconds
from wq_runner.monitor.view import Phase
from wq_runner.run_events import (
    Accepted,
    ColumnsUsed,
    Decided,
    Event,
    HostBlocked,
    LeftBehind,
    PhaseEnded,
    PhaseStarted,
    Printed,
    ReadElsewhere,
    Resumed,
    RunEnded,
    RunStarted,
    TaskEnded,
    TaskSubmitted,
    Warned,
    Workers,
    Written,
)

PROCESSING = Category.PROCESSING.value

_GAUGES = ("workers", "busy", "cores", "cores_used", "memory", "memory_used", "running", "waiting")
_COUNTS = ("events", "tasks", "failures", "read", "sent", "received", "lost")
_EVENTS, _TASKS, _READ = (_COUNTS.index(name) for name in ("events", "tasks", "read"))
_OUT_OF_RESOURCES = "out of "


class Sums:
    """Takes the events of one run, in their order."""

    def __init__(self, started: RunStarted, now: float) -> None:
        self.begun = now
        self.now = now
        self.started = started
        self.ended: RunEnded | None = None
        self.phases: list[Phase] = []
        self.phase = ""
        self.tallies: dict[tuple[str, str], DatasetTally] = {}
        self.workers: Workers | None = None
        self.joined = self.lost = 0
        self.first_worker: float | None = None
        self.moved: Counter[str] = Counter()
        self.tasks: Counter[str] = Counter()
        self.retries: Counter[str] = Counter()
        self.problems: dict[tuple[str, str], ProblemTally] = {}
        self.failures = 0
        self.other_problems = 0
        self.last_problem = ""
        self.hosts: defaultdict[str, HostTally] = defaultdict(HostTally)
        self.blocked: dict[str, str] = {}
        self.said = SaidTally()
        self.elsewhere: defaultdict[tuple[str, str], ElsewhereTally] = defaultdict(ElsewhereTally)
        self.left_behind = LeftTally()
        self.columns = ColumnTally()
        self.chunk_memory: dict[str, ChunkTally] = {}
        self.files = Files()
        self.rate = Rate()
        self.usage = Usage(now)
        self.lanes = LaneTally(now)
        self.timeline = Timeline(now, _GAUGES, _COUNTS)
        self.seconds, self.events, self.results = Sketch(), Sketch(), Sketch()
        self.chunks = Mean()

    def take(self, now: float, event: Event) -> None:
        """Add one event; one that is earlier than the last happened together with it."""
        now = self.now = max(now, self.now)
        match event:
            case TaskEnded():
                self._task_ended(now, event)
            case Accepted():
                self._accepted(now, event)
            case TaskSubmitted():
                self.tasks["submitted"] += 1
                self.usage.submitted(now, event)
                self._tally(event.category, event.dataset).begun = True
            case Workers():
                self._set_workers(now, event)
            case Decided():
                self._decided(now, event)
            case PhaseStarted() | PhaseEnded():
                self._set_phase(now, event)
            case (
                ReadElsewhere()
                | LeftBehind()
                | ColumnsUsed()
                | Warned()
                | Printed()
                | HostBlocked()
                | Written()
            ):
                self._told(event)
            case Resumed(datasets=datasets):
                for name, plan in datasets.items():
                    self._tally(PROCESSING, name).resume(plan)
            case RunEnded():
                self.ended = event
                self.usage.advance(now)
                self.timeline.advance(now)
            case _:
                pass  # of a later version

    def _told(
        self, event: ReadElsewhere | LeftBehind | ColumnsUsed | Warned | Printed | HostBlocked | Written
    ) -> None:
        match event:
            case ReadElsewhere(server=server, instead=instead, category=category):
                self.elsewhere[server, instead].add(event, opened=category != PROCESSING)
            case LeftBehind():
                self.left_behind.add(event)
            case ColumnsUsed():
                self.columns.add(event)
            case Warned() | Printed():
                self.said.add(event)
            case HostBlocked(host=host, reason=reason):
                self.blocked[host] = reason
            case Written(datasets=names, path=path):
                for name in names:
                    self._tally(PROCESSING, name).output = path

    def advance(self, now: float) -> None:
        """Let the time pass in which nothing happened."""
        if self.begun:
            self.timeline.advance(now)
            self.usage.advance(now)

    def of(self, category: str) -> list[DatasetTally]:
        return [tally for (found, _), tally in self.tallies.items() if found == category]

    def shown(self) -> list[DatasetTally]:
        """Return the datasets of the processing once it began, those of the phase that runs before."""
        return self.of(PROCESSING) or self.of(self.phase)

    def _tally(self, category: str, dataset: str) -> DatasetTally:
        found = self.tallies.get((category, dataset))
        if found is None:
            found = DatasetTally(category=category, name=dataset, in_events=category == PROCESSING)
            self.tallies[category, dataset] = found
        return found

    def _set_phase(self, now: float, event: PhaseStarted | PhaseEnded) -> None:
        if isinstance(event, PhaseEnded):
            self.phases = [
                Phase(category=one.category, started=one.started, seconds=event.seconds)
                if one.category == event.category and one.seconds is None
                else one
                for one in self.phases
            ]
            return
        self.phase = event.category
        self.phases.append(Phase(category=event.category, started=now))
        # items without events are files, or an executor's own arguments, unless others have events: then
        # they are files that are empty
        in_events = event.category == PROCESSING and (
            any(plan.events for plan in event.datasets.values())
            or any(tally.in_events and tally.planned for tally in self.of(PROCESSING))
        )
        for name, plan in event.datasets.items():
            tally = self._tally(event.category, name)
            tally.in_events = in_events
            tally.planned += tally.amount(plan.events, plan.items)
            tally.chunks += plan.items
            if in_events:
                # journals of earlier versions do not say it of datasets that have events, too
                tally.empty_left += plan.empty if plan.events else plan.items
        # what was done before is first, then what comes, in the order in which it is to be finished
        for name in event.datasets:
            self.tallies[event.category, name] = self.tallies.pop((event.category, name))

    def _task_ended(self, now: float, event: TaskEnded) -> None:
        self.tasks["ended"] += 1
        self.tasks["useful"] += event.done > 0
        tally = self._tally(event.category, event.dataset)
        most = self.usage.since(now, event.task)
        seconds = attempt_seconds(event, most)
        chunks = self.usage.ended(event, seconds, most)
        core_seconds = seconds * event.cores
        begun = now - seconds  # by our own clock, and not by that of its worker
        tally.rate.begin(begun)
        if tally.first is None or begun < tally.first:
            tally.first = begun
        tally.core_seconds += core_seconds
        self.lanes.ended(now, seconds, event)
        tally.useful_amount += tally.amount(event.events, event.done)
        tally.memory.add(event.memory)
        tally.allocated.add(event.allocated)
        if event.host:
            self.hosts[event.host].add(event, core_seconds)
        self.moved["read"] += event.bytes_read
        counts = self.timeline.counts(now)
        counts[_TASKS] += 1
        counts[_READ] += event.bytes_read
        if event.category == PROCESSING:
            self.rate.begin(begun)
            tally.seconds += event.processing if event.events else 0.0
            tally.events += event.events
            self.seconds.add(seconds)
            self.chunks.add(chunks)
            self.events.add(event.events)
            self.results.add(event.bytes_received)

    def _accepted(self, now: float, event: Accepted) -> None:
        tally = self._tally(event.category, event.dataset)
        amount = tally.amount(event.events, len(event.items))
        tally.done += amount
        tally.chunks_done += len(event.items)
        tally.empty_left -= tally.empty(event.items)
        tally.rate.add(now, amount)
        tally.last = now
        if event.category != PROCESSING:
            return
        self.rate.add(now, amount)
        self.lanes.accepted(now, event.dataset, event.events)
        self.timeline.counts(now)[_EVENTS] += event.events
        if event.seconds:
            self.files.add(event.dataset, zip(event.items, event.seconds, strict=False))
            sizes = [stop - start for _, _, start, stop, _ in event.items]
            tally.cost.add_all(zip(sizes, event.seconds, strict=False))
        if any(event.memory):
            chunks = self.chunk_memory.setdefault(event.dataset, ChunkTally())
            for (_, _, start, stop, _), memory in zip(event.items, event.memory, strict=False):
                if memory > 0:
                    chunks.add(stop - start, memory)

    def _decided(self, now: float, event: Decided) -> None:
        tally = self._tally(event.category, event.dataset)
        self.failures += 1
        self.timeline.count(now, {"failures": 1})
        match event.action:
            case "skip":
                self.tasks["skipped"] += 1
                tally.skipped += tally.amount(event.events, len(event.items))
                tally.chunks_skipped += len(event.items)
                tally.empty_left -= tally.empty(event.items)
                tally.last = now
            case "abort":
                pass
            case "again":  # what is planned instead is counted when it is
                tally.planned -= tally.amount(event.events, len(event.items))
                tally.chunks -= len(event.items)
                tally.empty_left -= tally.empty(event.items)
                tally.output = ""
                self.retries[event.cause] += 1
            case action:
                self.tasks["split" if action == "split" else "retried"] += 1
                self.retries[event.cause] += 1
                tally.retried += 1
        if event.cause.startswith(_OUT_OF_RESOURCES):
            tally.exhausted += 1
            tally.lost += self.usage.lost_by(event.task)
        self.last_problem = one_line(f"{event.dataset}: {event.reason}" if event.dataset else event.reason)
        kind = kind_of(event)
        if kind not in self.problems and len(self.problems) >= PROBLEMS_KEPT:
            self.other_problems += 1
            return
        self.problems.setdefault(kind, ProblemTally(example=event, first=now)).add(now, event)

    def _set_workers(self, now: float, event: Workers) -> None:
        before = self.workers
        restarted = before is None or event.restarts != before.restarts
        for name, value, old in (
            ("sent", event.bytes_sent, 0 if restarted or before is None else before.bytes_sent),
            ("received", event.bytes_received, 0 if restarted or before is None else before.bytes_received),
        ):
            self.moved[name] += max(0, value - old)
            self.timeline.count(now, {name: max(0, value - old)})
        self.joined += max(0, event.joined - (0 if restarted or before is None else before.joined))
        lost = max(0, event.lost - (0 if restarted or before is None else before.lost))
        self.lost += lost
        self.timeline.count(now, {"lost": lost})
        if event.workers and self.first_worker is None:
            self.first_worker = now
        self.usage.set_workers(now, event)
        self.workers = event
        self.timeline.set(now, {name: float(getattr(event, name)) for name in _GAUGES})
