"""Progress in the terminal: bars where there is one, lines where it is a file."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from wq_runner.journal import Accepted, Decided, Event, PhaseEnded, PhaseStarted, Plan, Workers
from wq_runner.units import format_count, format_seconds, format_size

LINE_EVERY = 30.0  # seconds between lines where there is no terminal
_UNITS = {"preprocessing": "files", "processing": "events"}


@dataclass
class Tally:
    """How far one dataset is, in events (in files while they are opened)."""

    total: int
    done: int = 0
    lost: int = 0

    @property
    def finished(self) -> bool:
        return self.done + self.lost >= self.total


class State:
    """What the events of a journal say of the phase that runs."""

    def __init__(self) -> None:
        self.category = ""
        self.began = 0.0
        self.datasets: dict[str, Tally] = {}
        self.workers: Workers | None = None
        self.retries: Counter[str] = Counter()
        self.last_problem = ""

    def take(self, now: float, event: Event) -> None:
        match event:
            case PhaseStarted(category=category, datasets=datasets):
                self.category, self.began = category, now
                self.datasets = {name: Tally(total=self._amount(plan)) for name, plan in datasets.items()}
            case Accepted(dataset=dataset, events=events, items=items):
                self.datasets[dataset].done += events if self._in_events else len(items)
            case Decided(action="skip", dataset=dataset, events=events, items=items, reason=reason):
                self.datasets[dataset].lost += events if self._in_events else len(items)
                self.last_problem = reason
            case Decided(action=action, cause=cause, reason=reason) if action != "abort":
                self.retries[cause] += 1
                self.last_problem = reason
            case Workers():
                self.workers = event

    @property
    def total(self) -> Tally:
        every = self.datasets.values()
        return Tally(
            total=sum(one.total for one in every),
            done=sum(one.done for one in every),
            lost=sum(one.lost for one in every),
        )

    @property
    def unit(self) -> str:
        return _UNITS.get(self.category, "items") if self._in_events else "files"

    @property
    def _in_events(self) -> bool:
        return self.category != "preprocessing"

    def _amount(self, plan: Plan) -> int:
        return plan.events if self._in_events and plan.events else plan.items

    def status_line(self) -> str:
        """Return workers, tasks, memory and retries in one line."""
        parts = []
        now = self.workers
        if now is not None:
            parts.append(f"{now.busy} of {now.workers} workers busy" if now.workers else "no workers yet")
            parts.append(f"{now.running} tasks running {now.waiting} waiting")
            if now.memory:
                parts.append(f"{format_size(now.memory_used)} of {format_size(now.memory)} allocated")
            if now.restarts:
                parts.append(f"{now.restarts} engine restarts")
        parts += [f"{count} retried ({cause})" for cause, count in self.retries.items()]
        return " · ".join(parts)


class Display(Protocol):
    """Something that shows events; a listener of the journal."""

    def __call__(self, now: float, event: Event) -> None: ...

    def close(self) -> None:
        """Leave the terminal as it should be."""


def display(console: Console) -> Display:
    """Return bars for a terminal, lines for anything else."""
    return Bars(console) if console.is_terminal else Lines(console)


class Lines:
    """A line now and then, for logs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._state = State()
        self._next = 0.0

    def __call__(self, now: float, event: Event) -> None:
        self._state.take(now, event)
        if isinstance(event, PhaseStarted):
            self._next = now + LINE_EVERY / 10
        if isinstance(event, PhaseEnded) or (now >= self._next and self._state.datasets):
            self._next = now + LINE_EVERY
            self._console.print(self._line(now), highlight=False, soft_wrap=True)

    def _line(self, now: float) -> str:
        total = self._state.total
        rate = total.done / max(now - self._state.began, 1e-3)
        share = 100 * (total.done + total.lost) / max(total.total, 1)
        text = (
            f"{self._state.category:<13}{format_count(total.done)} of {format_count(total.total)} "
            f"{self._state.unit} ({share:.0f}%), {format_count(rate)}/s"
        )
        status = self._state.status_line()
        return f"{text}; {status}" if status else text

    def close(self) -> None:
        pass


class Bars:
    """A bar for each dataset and a line of status, redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._state = State()
        self._live: Live | None = None

    def __call__(self, now: float, event: Event) -> None:
        self._state.take(now, event)
        if isinstance(event, PhaseStarted):
            self._start()
        elif isinstance(event, PhaseEnded):
            self.close()
        elif self._live is not None:
            self._update()

    def close(self) -> None:
        if self._live is not None:
            self._update()
            self._live.stop()
            self._live = None

    def _start(self) -> None:
        self.close()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            _Amount(self._state.unit),
            _Rate(),
            console=self._console,
            expand=True,
        )
        self._bars = {
            name: self._progress.add_task(name or self._state.category, total=max(tally.total, 1))
            for name, tally in self._state.datasets.items()
        }
        self._status = Text("")
        self._live = Live(
            Group(self._progress, self._status), console=self._console, refresh_per_second=4, transient=False
        )
        self._live.start()

    def _update(self) -> None:
        for name, tally in self._state.datasets.items():
            done = tally.total if tally.finished else tally.done
            self._progress.update(self._bars[name], completed=max(done, int(tally.finished)))
        self._status.plain = self._state.status_line()


class _Amount(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        total = format_count(task.total or 0)
        return Text(f"{format_count(task.completed)}/{total} {self._unit}", justify="right")


class _Rate(ProgressColumn):
    """Rate since the start and time left; `done` at the end."""

    def render(self, task: Task) -> Text:
        if task.finished:
            return Text("done", justify="right", style="green")
        elapsed = time.monotonic() - (task.start_time or time.monotonic())
        if not task.completed or elapsed <= 0:
            return Text("", justify="right")
        rate = task.completed / elapsed
        left = ((task.total or 0) - task.completed) / rate
        return Text(f"{format_count(rate)}/s  {format_seconds(left)} left", justify="right")
