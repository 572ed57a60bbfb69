"""Random runs, as journals: workers come and go, tasks end in every way. The truth is kept beside."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

from journals import START, Timed, ended, workers

from wq_runner.run_events import (
    Accepted,
    Decided,
    Event,
    PhaseEnded,
    PhaseStarted,
    Plan,
    Resumed,
    RunEnded,
    RunStarted,
    TaskEnded,
    TaskSubmitted,
)

Item = tuple[str, str, int, int, str]
_WAYS = ("done",) * 6 + ("lost", "failed", "part", "out of memory", "again")


@dataclass
class Truth:
    """What a run has to show, by dataset where it has them."""

    planned: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    resumed: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    useful: int = 0
    failures: int = 0
    retries: Counter[str] = field(default_factory=Counter)
    read: int = 0
    opened: int = 0
    core_seconds: float = 0.0


@dataclass
class Task:
    """Items on their way."""

    number: int
    dataset: str
    items: list[Item]
    began: float | None = None


class RandomRun:
    """Plays a run. `events` is its journal so far, `truth` what it has to show, `now` its time."""

    def __init__(self, seed: int, *, datasets: int, tasks: int) -> None:
        self.chance = random.Random(seed)
        self.now = START
        self.events: list[Timed] = []
        self.truth = Truth()
        self.names = [f"Dataset_{number}" for number in range(datasets)]
        self._tasks = 0
        self._most = tasks
        self._waiting: list[Task] = []
        self._running: list[Task] = []
        self._here = self._joined = self._lost = self._restarts = 0
        self._cores_each = self.chance.choice([1, 1, 4])
        self._begin()

    def play(self) -> None:
        """Let things happen until everything is done, or no more attempts are allowed."""
        while (self._waiting or self._running) and self._tasks < self._most:
            self.step()

    def end(self) -> None:
        self._say(PhaseEnded(category="processing", seconds=self.now - START))
        self._here = 0
        self._tell_workers()
        self._say(RunEnded(code=0 if sum(self.truth.done.values()) == self._asked() else 3))

    def step(self) -> None:
        """Let the next thing happen."""
        self.now += self.chance.choice([0.0, 0.2, 1.0, 5.0, 30.0])
        if not self._here or self.chance.random() < 0.1:
            self._come_or_go()
        elif self._running and (not self._waiting or self.chance.random() < 0.6):
            self._end_one()
        else:
            self._start_one()
        self._tell_workers()

    def _asked(self) -> int:
        return sum(self.truth.planned.values())

    def _say(self, event: Event) -> None:
        self.events.append((self.now, event))

    def _begin(self) -> None:
        self._say(RunStarted(command=("wq-run", "samples.cfg"), version="1", host="login", pid=0))
        if self.chance.random() < 0.3:
            self._open_files()
        if self.chance.random() < 0.3:
            self._resume()
        plans = {}
        for name in self.names:
            items = self._new_items(name, self.chance.randrange(1, 6))
            plans[name] = Plan(items=len(items), events=sum(stop - start for _, _, start, stop, _ in items))
            self.truth.planned[name] += plans[name].events
            self._queue(name, items)
        self._say(PhaseStarted(category="processing", datasets=plans))

    def _open_files(self) -> None:
        plan = dict.fromkeys(self.names, Plan(items=1, events=0))
        self._say(PhaseStarted(category="preprocessing", datasets=plan))
        self._here = self._joined = 1
        for name in self.names:
            number = self._number()
            self._say(TaskSubmitted(task=number, category="preprocessing", dataset=name, items=1, events=0))
            self.now += 2
            self._came(
                Task(number=number, dataset=name, items=[], began=self.now - 2), done=1, kind="preprocessing"
            )
            items = ((f"/{name}.root", "Events", 0, 0, ""),)
            self._say(Accepted(task=number, category="preprocessing", dataset=name, events=0, items=items))
            self.truth.opened += 1
        self._say(PhaseEnded(category="preprocessing", seconds=self.now - START))

    def _resume(self) -> None:
        plans = {name: Plan(items=2, events=self.chance.randrange(1, 500)) for name in self.names}
        for name, plan in plans.items():
            for counts in (self.truth.planned, self.truth.done, self.truth.resumed):
                counts[name] += plan.events
        self._say(Resumed(datasets=plans))

    def _new_items(self, name: str, number: int) -> list[Item]:
        size = self.chance.choice([1, 10, 1000, 200_000])
        return [
            (f"/{name}.root", "Events", place * size, (place + 1) * size, "ab") for place in range(number)
        ]

    def _queue(self, dataset: str, items: list[Item]) -> None:
        while items:
            taken = self.chance.randrange(1, 4)
            self._waiting.append(Task(number=0, dataset=dataset, items=items[:taken]))
            items = items[taken:]

    def _number(self) -> int:
        self._tasks += 1
        return self._tasks

    def _come_or_go(self) -> None:
        if self._here and self.chance.random() < 0.3:
            self._here -= 1
            self._lost += 1
        elif self.chance.random() < 0.05:  # the engine starts again, and counts from nothing
            self._restarts += 1
            self._joined = self._here
            self._lost = 0
        else:
            self._here += 1
            self._joined += 1

    def _start_one(self) -> None:
        if not self._waiting:
            return
        task = self._waiting.pop(self.chance.randrange(len(self._waiting)))
        task.number = self._number()
        task.began = self.now
        self._running.append(task)
        self._say(
            TaskSubmitted(
                task=task.number,
                category="processing",
                dataset=task.dataset,
                items=len(task.items),
                events=_events(task.items),
            )
        )

    def _end_one(self) -> None:
        task = self._running.pop(self.chance.randrange(len(self._running)))
        way = self.chance.choice(_WAYS)
        if way == "done":
            self._came(task, done=len(task.items))
            self._accept(task, task.items)
        elif way == "part" and len(task.items) > 1:
            self._came(task, done=1)
            self._accept(task, task.items[:1])
            self._decide(task, task.items[1:], self.chance.choice(["retry", "skip"]), "processor error")
        elif way == "out of memory":
            self._came(task, done=0)
            self._decide(task, task.items, self.chance.choice(["retry", "split"]), "out of memory")
        elif way == "again":
            self._came(task, done=0)
            self._decide(task, task.items, "again", "other file")
        else:
            self._came(task, done=0)
            action = "skip" if way == "failed" and self.chance.random() < 0.5 else "retry"
            self._decide(task, task.items, action, "lost worker")

    def _came(self, task: Task, *, done: int, kind: str = "processing") -> None:
        assert task.began is not None
        seconds = (self.now - task.began) * self.chance.choice([1.0, 1.0, 0.5])
        shift = self.chance.choice([0.0, 0.0, 3.0, -7200.0])  # the clock of the worker
        read = self.chance.randrange(10**6)
        event: TaskEnded = ended(
            task.number,
            task.dataset,
            at=self.now + shift,
            seconds=seconds,
            category=kind,
            host=f"node{task.number % 3}",
            wall=seconds * 0.9 if done else 0.0,
            startup=seconds * 0.1 if done else 0.0,
            processing=seconds * 0.7 if done else 0.0,
            ending="returned" if done else "lost",
            bytes_read=read,
            memory=self.chance.randrange(10**9),
            done=done,
            events=_events(task.items[:done]),
        )
        self._say(event)
        self.truth.attempts += 1
        self.truth.useful += done > 0
        self.truth.read += read
        self.truth.core_seconds += seconds

    def _accept(self, task: Task, items: list[Item]) -> None:
        events = _events(items)
        self._say(
            Accepted(
                task=task.number,
                category="processing",
                dataset=task.dataset,
                events=events,
                items=tuple(items),
                seconds=(1.0,) * len(items),
                memory=(10**8,) * len(items),
            )
        )
        self.truth.done[task.dataset] += events

    def _decide(self, task: Task, items: list[Item], action: str, cause: str) -> None:
        self._say(
            Decided(
                task=task.number,
                category="processing",
                dataset=task.dataset,
                action=action,
                cause=cause,
                reason=f"{cause} of {task.number}",
                events=_events(items),
                items=tuple(items),
                host="node1",
            )
        )
        self.truth.failures += 1
        if action == "skip":
            self.truth.skipped[task.dataset] += _events(items)
            return
        self.truth.retries[cause] += 1
        if action == "again":  # the file is another one, with fewer events
            self.truth.planned[task.dataset] -= _events(items)
            items = self._new_items(task.dataset, 1)
            plan = Plan(items=1, events=_events(items))
            self.truth.planned[task.dataset] += plan.events
            self._say(PhaseStarted(category="processing", datasets={task.dataset: plan}))
        if action == "split":
            items = [half for item in items for half in _halves(item)]
        self._queue(task.dataset, items)

    def _tell_workers(self) -> None:
        cores = self._here * self._cores_each
        self._say(
            workers(
                self._here,
                cores=cores,
                running=min(len(self._running), cores),
                waiting=len(self._waiting) + max(0, len(self._running) - cores),
                joined=self._joined,
                lost=self._lost,
                restarts=self._restarts,
                busy=min(len(self._running), self._here),
            )
        )


def _events(items: list[Item]) -> int:
    return sum(stop - start for _, _, start, stop, _ in items)


def _halves(item: Item) -> list[Item]:
    path, tree, start, stop, uuid = item
    middle = (start + stop) // 2
    return [(path, tree, a, b, uuid) for a, b in ((start, middle), (middle, stop)) if b > a]
