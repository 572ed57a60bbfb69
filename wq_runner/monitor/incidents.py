"""What tasks report beside their results, from failures to prints: what is alike is counted together."""

from __future__ import annotations

import re
from collections import Counter, deque
from dataclasses import dataclass, field

from wq_runner.monitor.view import (
    ColumnsRead,
    Elsewhere,
    LeftFiles,
    Print,
    Problem,
    WarningSeen,
)
from wq_runner.run_events import (
    ColumnsUsed,
    Decided,
    LeftBehind,
    Printed,
    ReadElsewhere,
    Warned,
)

PROBLEMS_KEPT = 50
NAMES_KEPT = 8
PRINTS_KEPT, PRINT_KEPT = 5, 2000  # the last ones, and characters of each
TRACEBACK_KEPT = 20_000  # characters
_NAMED = 5  # files that are lost, of all
_OF_COLUMNS = ("hits", "misses", "hit", "missed", "kept")


@dataclass
class ProblemTally:
    """Failures that are alike."""

    example: Decided
    first: float
    last: float = 0.0
    count: int = 0
    events: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    datasets: dict[str, None] = field(default_factory=dict)
    hosts: dict[str, None] = field(default_factory=dict)

    def add(self, now: float, event: Decided) -> None:
        self.example = event
        self.last = now
        self.count += 1
        self.events += event.events
        self.actions[event.action] += 1
        for names, name in ((self.datasets, event.dataset), (self.hosts, event.host)):
            if name and len(names) < NAMES_KEPT:
                names[name] = None

    def summary(self) -> Problem:
        return Problem(
            cause=self.example.cause,
            reason=one_line(self.example.reason),
            count=self.count,
            events=self.events,
            actions=dict(self.actions),
            datasets=tuple(self.datasets),
            hosts=tuple(self.hosts),
            place=place_of(self.example),
            first=self.first,
            last=self.last,
            traceback=self.example.traceback[-TRACEBACK_KEPT:],
        )


@dataclass
class ElsewhereTally:
    """What was read from one server instead of another."""

    chunks: int = 0
    events: int = 0
    opened: int = 0
    path: str = ""
    reason: str = ""

    def add(self, event: ReadElsewhere, *, opened: bool) -> None:
        if opened:
            self.opened += event.items
        else:
            self.chunks += event.items
            self.events += event.events
        if event.reason or not self.path:
            self.path, self.reason = event.path, event.reason

    def summary(self, server: str, instead: str) -> Elsewhere:
        return Elsewhere(
            server=server,
            instead=instead,
            chunks=self.chunks,
            events=self.events,
            opened=self.opened,
            path=self.path,
            reason=one_line(self.reason),
        )


@dataclass
class LeftTally:
    """What processors left in the directories of tasks."""

    files: int = 0
    bytes: int = 0
    names: tuple[str, ...] = ()

    def add(self, event: LeftBehind) -> None:
        self.files += event.files
        self.bytes += event.bytes
        self.names = tuple(dict.fromkeys((*self.names, *event.names)))[:_NAMED]

    def summary(self) -> LeftFiles | None:
        return LeftFiles(files=self.files, bytes=self.bytes, names=self.names) if self.files else None


@dataclass
class ColumnTally:
    """What came from columns that workers keep."""

    counts: Counter[str] = field(default_factory=Counter)
    saved: float = 0.0
    notes: dict[str, str] = field(default_factory=dict)

    def add(self, event: ColumnsUsed) -> None:
        self.counts.update({name: getattr(event, name) for name in _OF_COLUMNS})
        self.saved += event.saved
        for note in event.notes:
            if len(self.notes) < PROBLEMS_KEPT:
                self.notes.setdefault(note, event.host)

    def summary(self) -> ColumnsRead | None:
        if not self.notes and not self.counts.total():
            return None
        counts = {name: self.counts[name] for name in _OF_COLUMNS}
        notes = tuple(f"{host}: {note}" for note, host in self.notes.items())
        return ColumnsRead(**counts, saved=self.saved, notes=notes)


@dataclass
class SaidTally:
    """What tasks warn of and print."""

    warnings: dict[tuple[str, str], WarningSeen] = field(default_factory=dict)
    prints: deque[Print] = field(default_factory=lambda: deque(maxlen=PRINTS_KEPT))
    printed: int = 0

    def add(self, event: Warned | Printed) -> None:
        if isinstance(event, Printed):
            self.printed += 1
            if event.text:
                text = event.text if len(event.text) <= PRINT_KEPT else f"…{event.text[-PRINT_KEPT:]}"
                self.prints.append(Print(task=event.task, dataset=event.dataset, host=event.host, text=text))
            return
        key = (event.kind, re.sub(r"\d+", "#", event.text))
        if key not in self.warnings and len(self.warnings) >= 2 * PROBLEMS_KEPT:
            return
        before = self.warnings.get(key)
        names = before.datasets if before else ()
        if event.dataset and event.dataset not in names and len(names) < NAMES_KEPT:
            names = (*names, event.dataset)
        self.warnings[key] = WarningSeen(
            kind=event.kind,
            text=before.text if before else event.text,
            place=before.place if before else event.place,
            count=event.count + (before.count if before else 0),
            datasets=names,
        )


def kind_of(event: Decided) -> tuple[str, str]:
    """Return what failures must share to be counted together: cause, and code or words without numbers."""
    if event.traceback:
        *frames, last = event.traceback.strip().splitlines()
        return event.cause, "\n".join(frames) + last.split(":", 1)[0]
    # paths and numbers differ from file to file
    return event.cause, re.sub(r"\d+", "#", re.sub(r"\S*/\S+", "/", event.reason))


def place_of(event: Decided) -> str:
    """Say where a failure was, for people."""
    if not event.items:
        return event.dataset
    path, _, start, stop, _ = event.items[0]
    more = f" and {len(event.items) - 1} more" if len(event.items) > 1 else ""
    events = f", events {start}-{stop}" if stop > start else ""
    return f"{path or event.dataset}{events}{more}"


def one_line(text: str, most: int = 500) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
