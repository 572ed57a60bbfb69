"""Run coffea processors at scale as a Work Queue manager."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from wq_runner.api.call import Result, close, run
    from wq_runner.coffea_adapter.executor import WorkQueueExecutor
    from wq_runner.executors.custom import ExecutorFactory

__all__ = ["ExecutorFactory", "Result", "WorkQueueExecutor", "__version__", "close", "run"]


def __getattr__(name: str) -> Any:
    # lazily, so that `wq-run --help` does not wait for coffea
    if name == "WorkQueueExecutor":
        from wq_runner.coffea_adapter.executor import WorkQueueExecutor

        return WorkQueueExecutor
    if name == "ExecutorFactory":
        from wq_runner.executors.custom import ExecutorFactory

        return ExecutorFactory
    if name == "__version__":
        from importlib import metadata

        return metadata.version("wq-runner")
    if name in __all__:
        from wq_runner.api import call

        return getattr(call, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})  # for completion, before any of them was imported
