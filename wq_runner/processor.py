"""coffea's `processor` with our WorkQueueExecutor in place of its own: the one import that a script changes.

>>> from wq_runner import processor  # instead of: from coffea import processor
"""

from __future__ import annotations

from typing import Any

from wq_runner.coffea_adapter.executor import WorkQueueExecutor

__all__ = ["WorkQueueExecutor", "work_queue_executor"]

work_queue_executor = WorkQueueExecutor  # as coffea 0.7 calls it for run_uproot_job


def __getattr__(name: str) -> Any:
    from coffea import processor

    return getattr(processor, name)
