"""What the manager's process and the queue's process say to each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wq_runner.engine.protocol import EngineStatus
from wq_runner.model import Outcome, Task

ENGINE_MODES = ("max", "min-waste", "max-throughput")
"""The engine's own ways to learn allocations."""


@dataclass(frozen=True, kw_only=True)
class QueueSettings:
    """How the queue presents itself, and what starts on workers.

    `ports` is the range to take the first free one of; `tls` encrypts it, with the files of a key and a
    certificate that whoever starts the queue makes and removes; with `here`, only workers of
    this machine come, and nobody else can. `name` advertises it to the catalog, None is by host and port
    only. `command` starts Python on a worker, on the file `payload`; `inputs` are files that it needs (a path
    here, a name there), which stay in the caches of workers; `proxy`, an X509 proxy, goes with each task
    anew. A task that does nothing for `stall_time` seconds is ended there. `monitor` wraps tasks in the
    engine's resource_monitor: ``off``, ``measure`` or ``watchdog``. `resources_mode` is one of the engine's
    own ways to learn allocations, or one of ours, which it need not know.
    """

    payload: Path

    ports: tuple[int, int] = (9123, 9130)
    name: str | None = None
    catalog: str | None = None
    password_file: Path | None = None
    tls: bool = False
    certificate: tuple[Path, Path] | None = None
    here: bool = False
    stats_log: Path | None = None
    transactions_log: Path | None = None
    command: str = "python3"
    inputs: tuple[tuple[Path, str], ...] = ()
    proxy: Path | None = None
    stall_time: float | None = None
    monitor: str = "off"
    resources_mode: str = "auto"
    keepalive_interval: int = 30
    keepalive_timeout: int = 30

    @property
    def engine_learns(self) -> bool:
        return self.resources_mode in ENGINE_MODES

    @property
    def monitored(self) -> bool:
        """Whether tasks run in the engine's monitor, which it needs to learn."""
        return self.monitor != "off" or self.engine_learns


@dataclass(frozen=True, kw_only=True)
class Submit:
    task: Task


@dataclass(frozen=True, kw_only=True)
class Avoid:
    """Send nothing to the workers of a host, or use them again."""

    host: str
    avoid: bool


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


Request = QueueSettings | Submit | Avoid | Finish
Reply = Started | Failed | Finished | Report
