"""A number of equal workers, as a batch system is asked for them."""

from __future__ import annotations

from dataclasses import dataclass

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
