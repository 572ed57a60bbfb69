"""Tasks that wait though workers are there: noticed, and said with the numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from wq_runner.engine.protocol import EngineStatus
from wq_runner.model import Resources
from wq_runner.units import MB, format_size

PATIENCE = 15.0  # seconds; workers come and go, and the engine takes a moment to place tasks

_SHOWN: dict[str, Callable[[float], str]] = {
    "cores": lambda value: f"{value:.0f} core{'' if value == 1 else 's'}",
    "memory": lambda value: f"{format_size(value * MB)} memory",
    "disk": lambda value: f"{format_size(value * MB)} disk",
    "gpus": lambda value: f"{value:.0f} gpu{'' if value == 1 else 's'}",
}


class Placing:
    """Looks at the tasks that are submitted, again and again."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._said = ""
        self._nothing_since: float | None = None

    def look(self, now: float, status: EngineStatus, tasks: Iterable[Resources]) -> str:
        """Return what is to be said, once; empty if nothing is."""
        asked = [task for task in tasks if too_large(task, status.largest)]
        stuck = bool(status.tasks_waiting and not status.tasks_running)
        if not (status.workers and asked and stuck):
            self._nothing_since = None
        elif self._nothing_since is None:
            self._nothing_since = now
        if not status.workers or not (asked or stuck):
            self._since = None
            return ""
        if self._since is None:
            self._since = now
        if now - self._since < PATIENCE:
            return ""
        text = describe(status, asked[0] if asked else None)
        if text == self._said:
            return ""
        self._said = text
        return text

    def hopeless(self, now: float) -> str:
        """Return why nothing can run any more, unless larger workers come; empty if something can."""
        if self._nothing_since is None or now - self._nothing_since < PATIENCE:
            return ""
        return self._said


def too_large(task: Resources, worker: Resources) -> list[str]:
    """Return the names of what a task asks for and not even the largest worker has."""
    return [
        name
        for name in _SHOWN
        if (getattr(task, name) or 0) > (getattr(worker, name) or 0) and getattr(worker, name) is not None
    ]


def describe(status: EngineStatus, task: Resources | None) -> str:
    """Say why tasks wait: what one asks for, and what there is."""
    largest = status.largest
    there = ", ".join(show(getattr(largest, name) or 0) for name, show in _SHOWN.items())
    there = f"the largest of {status.workers} connected has {there}"
    if task is None:
        return (
            f"{status.tasks_waiting} tasks wait and none runs, though there are workers; {there}. "
            "Their memory or disk may be in use, or their hosts are not used for a while"
        )
    asked = ", ".join(show(getattr(task, name)) for name, show in _SHOWN.items() if getattr(task, name))
    options = ", ".join(f"--{name}" for name in too_large(task, largest))
    return (
        f"no connected worker can hold a task: it asks for {asked}; {there}. "
        f"Start larger workers, or ask for less ({options})"
    )
