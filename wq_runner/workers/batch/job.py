"""What a batch system is asked for: a number of equal workers, or jobs of an export."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from wq_runner.units import MB


@dataclass(frozen=True, kw_only=True)
class Job:
    """Memory and disk of a worker in bytes; `time` in seconds, None is the queue's own limit.

    `environ` goes to the workers, `queue` is a partition or what the site calls it.
    """

    count: int
    cores: int = 1
    memory: int = 4000 * MB
    disk: int = 8000 * MB
    timeout: int = 900
    queue: str = ""
    requirements: str = ""
    batch_options: str = ""
    time: float | None = None

    @property
    def megabytes(self) -> int:
        return self.memory // MB

    @property
    def worker_arguments(self) -> tuple[str, ...]:
        """What `work_queue_worker` is told of its size and patience."""
        return (
            f"--cores={self.cores}",
            f"--memory={self.megabytes}",
            f"--disk={self.disk // MB}",
            f"--timeout={self.timeout}",
        )


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Jobs of an export that are submitted together, each of which runs `script` with its name.

    `inputs` returns what the job of a name reads; `results` is where it finds and leaves its own.
    """

    name: str
    jobs: Sequence[str]
    script: Path
    results: Path
    logs: Path
    inputs: Callable[[str], Sequence[Path]]
