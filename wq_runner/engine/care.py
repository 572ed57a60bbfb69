"""What a pool's tasks may take before their process is ended, and what is said of them then."""

from __future__ import annotations

import time
from dataclasses import dataclass

from wq_runner.model import Ending, Outcome, Task
from wq_runner.remote.guard import Limits
from wq_runner.units import MB


@dataclass(frozen=True, kw_only=True)
class Care:
    """Seconds without any progress, and whether a task's memory is a limit: only where it is asked for.

    A process that stays has in its memory what earlier tasks left there, so what was learned is none.
    """

    stall: float | None = None
    memory: bool = False

    def limits(self, task: Task) -> Limits:
        memory = task.resources.memory if self.memory else None
        return Limits(memory=int(memory * MB) if memory else None, stall=self.stall or None)


def answered(task: Task) -> Outcome | None:
    """Return how a task ended whose process was ended by who watches it; None if nobody did so."""
    if not task.result.exists():
        return None
    return Outcome(task_id=task.id, ending=Ending.RETURNED, allocated=task.resources, finished=time.time())
