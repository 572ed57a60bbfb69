"""Run coffea processors at scale as a Work Queue manager."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wq_runner.execution.executor import WorkQueueExecutor

__all__ = ["WorkQueueExecutor"]


def __getattr__(name: str) -> Any:
    # lazily, so that `wq-run --help` does not wait for coffea
    if name == "WorkQueueExecutor":
        from wq_runner.execution.executor import WorkQueueExecutor

        return WorkQueueExecutor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
