"""What the manager's process and the queue's process say to each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wq_runner.engine.protocol import EngineStatus
from wq_runner.model import Outcome, Task


@dataclass(frozen=True, kw_only=True)
class QueueSettings:
    """How the queue presents itself.

    `ports` is the range to take the first free one of; `name` advertises it to the catalog, None is
    by host and port only. `command` starts Python on a worker.
    """

    ports: tuple[int, int] = (9123, 9130)
    name: str | None = None
    catalog: str | None = None
    password_file: Path | None = None
    stats_log: Path | None = None
    transactions_log: Path | None = None
    command: str = "python3"
    keepalive_interval: int = 30
    keepalive_timeout: int = 30


@dataclass(frozen=True, kw_only=True)
class Submit:
    task: Task


@dataclass(frozen=True, kw_only=True)
class Finish:
    """Close the queue; `release_workers` asks the workers to leave as well."""

    release_workers: bool = False


@dataclass(frozen=True, kw_only=True)
class Started:
    port: int


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The queue could not start: said once, instead of Started."""

    reason: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class Finished:
    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class Report:
    status: EngineStatus


Request = QueueSettings | Submit | Finish
Reply = Started | Failed | Finished | Report
