"""What an engine is to the rest of the program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from wq_runner.model import Outcome, Resources, Task


@dataclass(frozen=True, kw_only=True)
class EngineStatus:
    """The engine now. Sizes in bytes; cumulative counts are since the engine started.

    `cores` is what the connected workers have together; `largest` is the largest worker, `smallest` what each
    of them has at least, where that is known. `here` says that this process is the only one.
    """

    workers: int = 0
    workers_busy: int = 0
    workers_joined: int = 0
    workers_lost: int = 0
    cores: int = 0
    cores_used: int = 0
    memory: float = 0
    memory_used: float = 0
    largest: Resources = Resources()
    smallest: Resources = Resources()
    tasks_waiting: int = 0
    tasks_running: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    restarts: int = 0
    here: bool = False


class Engine(Protocol):
    """Runs tasks. Each submitted task ends in exactly one outcome, unless the engine is closed first."""

    @property
    def status(self) -> EngineStatus:
        """The last known state; asking costs nothing."""

    def start(self) -> None:
        """Make the engine ready to accept tasks.

        Raises
        ------
        EngineError
            If it cannot start.
        """

    def submit(self, task: Task) -> None:
        """Queue a task."""

    def wait(self, timeout: float) -> list[Outcome]:
        """Return what ended, as soon as something did, and nothing after `timeout` seconds.

        Raises
        ------
        EngineError
            If the engine is lost for good.
        """

    def avoid(self, host: str, *, avoid: bool) -> None:
        """Send nothing to the workers of a host, or use them again."""

    def close(self) -> None:
        """Drop what is queued or running and give back everything. May be called twice."""
