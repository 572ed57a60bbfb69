"""Journals to test with: short ones that are written by hand, and random ones of any length."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from pathlib import Path

from wq_runner import journal
from wq_runner.monitor.collect import Collector
from wq_runner.monitor.view import RunView
from wq_runner.run_events import (
    Accepted,
    Decided,
    Event,
    PhaseEnded,
    PhaseStarted,
    Plan,
    RunEnded,
    RunStarted,
    TaskEnded,
    TaskSubmitted,
    Workers,
)

START = 1_700_000_000.0
Timed = tuple[float, Event]

NASTY = '<img src=x onerror="window.broken=1">&\x00\x1b[31m\'`${1}'
"""A name that must be text wherever it is shown."""


def workers(
    number: int, *, cores: int | None = None, running: int = 0, waiting: int = 0, **rest: float
) -> Workers:
    cores = number if cores is None else cores
    values = {
        "workers": number,
        "busy": min(running, number),
        "joined": number,
        "lost": 0,
        "cores": cores,
        "cores_used": min(running, cores),
        "memory": 2e9 * cores,
        "memory_used": 2e9 * min(running, cores),
        "waiting": waiting,
        "running": running,
        "restarts": 0,
        "largest_cores": 1,
        "largest_memory": 2e9,
    }
    return Workers(**{**values, **rest})  # type: ignore[arg-type]


def ended(task: int, dataset: str = "A", *, at: float, seconds: float = 10.0, **rest: object) -> TaskEnded:
    values = {
        "category": "processing",
        "ending": "returned",
        "host": "node1",
        "started": at - seconds,
        "finished": at,
        "wall": seconds - 0.5,
        "startup": 1.0,
        "processing": seconds - 2.0,
        "memory": 400_000_000,
        "bytes_read": 1000,
        "bytes_received": 50,
        "done": 1,
        "events": 100,
        "cores": 1.0,
        "allocated": 2e9,
    }
    return TaskEnded(task=task, dataset=dataset, **{**values, **rest})  # type: ignore[arg-type]


def item(path: str, start: int, stop: int) -> tuple[str, str, int, int, str]:
    return (path, "Events", start, stop, "ab")


def simple() -> list[Timed]:
    """A run of two datasets with 4 chunks of 100 events each, one retried, one skipped, on 2 workers."""
    found: list[Timed] = [
        (0, RunStarted(command=("wq-run", "samples.cfg"), version="1.0", host="login", pid=0)),
        (
            1,
            PhaseStarted(
                category="processing",
                datasets={"A": Plan(items=4, events=400), "B": Plan(items=4, events=400)},
            ),
        ),
        (1, workers(2)),
    ]
    task = 0
    for number, dataset in enumerate("AABBAABB"):
        task += 1
        begun, end = 1 + 5.0 * number, 11 + 5.0 * number
        file = f"/store/{dataset}{number // 4}.root"
        found.append(
            (begun, TaskSubmitted(task=task, category="processing", dataset=dataset, items=1, events=100))
        )
        found.append((begun, workers(2, running=2, waiting=1, bytes_sent=100 * (number + 1))))
        if number == 3:
            gone = ended(
                task,
                dataset,
                at=START + end,
                ending="lost",
                wall=0,
                startup=0,
                processing=0,
                memory=0,
                done=0,
                events=0,
            )
            found.append((end, gone))
            found.append((end, _decided(task, dataset, "retry", "lost worker", "it went away", file)))
            task += 1
            found.append(
                (end, TaskSubmitted(task=task, category="processing", dataset=dataset, items=1, events=100))
            )
            end += 10
        if number == 7:
            found.append((end, ended(task, dataset, at=START + end, done=0, events=0)))
            bad = _decided(
                task,
                dataset,
                "skip",
                "unreadable input",
                f"no such file {NASTY}",
                NASTY,
                "Traceback\n  in x\nOSError: no",
            )
            found.append((end, bad))
            continue
        found.append((end, ended(task, dataset, at=START + end, host=f"node{number % 2}")))
        accepted = Accepted(
            task=task,
            category="processing",
            dataset=dataset,
            events=100,
            items=(item(file, 0, 100),),
            seconds=(8.0,),
        )
        found.append((end, accepted))
    found.sort(key=lambda one: one[0])
    last = found[-1][0]
    found += [
        (last, workers(2)),
        (last, PhaseEnded(category="processing", seconds=last - 1)),
        (last + 1, RunEnded(code=3, message="the result is partial")),
    ]
    return [(START + when, event) for when, event in found]


def _decided(  # noqa: PLR0917
    task: int, dataset: str, action: str, cause: str, reason: str, path: str, traceback: str = ""
) -> Decided:
    return Decided(
        task=task,
        category="processing",
        dataset=dataset,
        action=action,
        cause=cause,
        reason=reason,
        events=100,
        items=(item(path, 0, 100),),
        host="node9",
        traceback=traceback,
    )


def long(tasks: int, *, datasets: int = 20, hosts: int = 500, seed: int = 1) -> Iterator[Timed]:
    """A run of many tasks of 3 chunks, 1% of which fail, 20 a second."""
    chance = random.Random(seed)
    names = [f"Dataset_{number}" for number in range(datasets)]
    now = START
    yield now, RunStarted(command=("wq-run",), version="1", host="login", pid=0)
    each = Plan(items=3 * tasks // datasets, events=3000 * tasks // datasets)
    yield now, PhaseStarted(category="processing", datasets=dict.fromkeys(names, each))
    for task in range(tasks):
        now += 0.05
        dataset, host = names[task % datasets], f"node{chance.randrange(hosts)}.example.org"
        items = tuple(item(f"root://x//store/{dataset}/{task}_{part}.root", 0, 1000) for part in range(3))
        yield now, TaskSubmitted(task=task, category="processing", dataset=dataset, items=3, events=3000)
        if chance.random() < 0.01:
            yield now, ended(task, dataset, at=now, host=host, ending="lost", done=0, events=0)
            yield now, Decided(
                task=task, category="processing", dataset=dataset, action="retry", cause="lost worker",
                reason=f"{host} went away", events=3000, items=items, host=host,
            )  # fmt: skip
        else:
            seconds = chance.lognormvariate(5, 0.5)
            yield now, ended(task, dataset, at=now, host=host, seconds=seconds, done=3, events=3000)
            yield (
                now,
                Accepted(
                    task=task,
                    category="processing",
                    dataset=dataset,
                    events=3000,
                    items=items,
                    seconds=(seconds / 3,) * 3,
                ),
            )
        if task % 20 == 0:
            yield now, workers(hosts, running=hosts - 1, waiting=100, bytes_sent=task * 1000)
    yield now, RunEnded(code=0)


def write(directory: Path, events: Iterable[Timed]) -> Path:
    """Write the journal of a run into a directory, and return the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    now = START
    record = journal.Journal(directory / "journal.jsonl", clock=lambda: now)
    for when, event in events:
        now = when
        record.record(event)
    record.close()
    return directory


def view_of(events: Iterable[Timed]) -> RunView:
    collector = Collector()
    collector.take_all(events)
    return collector.view()
