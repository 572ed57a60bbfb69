"""A number of equal workers, as a batch system is asked for them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Job:
    """Memory and disk of a worker in bytes; `time` in seconds, None is the queue's own limit.

    `environ` goes to the workers, `queue` is a partition or what the site calls it.
    """

    count: int
    cores: int = 1
    memory: int = 4_000_000_000
    disk: int = 8_000_000_000
    timeout: int = 900
    queue: str = ""
    requirements: str = ""
    batch_options: str = ""
    time: float | None = None

    @property
    def megabytes(self) -> int:
        return int(self.memory / 1e6)

    @property
    def worker_arguments(self) -> tuple[str, ...]:
        """What `work_queue_worker` is told of its size and patience."""
        return (
            f"--cores={self.cores}",
            f"--memory={self.megabytes}",
            f"--disk={int(self.disk / 1e6)}",
            f"--timeout={self.timeout}",
        )
