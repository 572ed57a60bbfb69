"""Tasks one after the other in this process: for debugging, and for a look at one chunk."""

from __future__ import annotations

import dataclasses
import time
from collections import deque

from wq_runner.engine.protocol import EngineStatus
from wq_runner.model import Ending, Outcome, Task
from wq_runner.remote import prints, seeds, work
from wq_runner.remote.work import Failed


class InlineEngine:
    """Does a task when it is waited for; `failed` sees each exception where it was raised."""

    def __init__(self) -> None:
        self.failed: Failed = work.unseen
        self._waiting: deque[Task] = deque()

    @property
    def status(self) -> EngineStatus:
        return EngineStatus(workers=1, workers_joined=1, cores=1, tasks_waiting=len(self._waiting))

    def start(self) -> None:
        pass

    def submit(self, task: Task) -> None:
        self._waiting.append(task)

    def wait(self, timeout: float) -> list[Outcome]:  # noqa: ARG002 - the protocol's
        if not self._waiting:
            return []
        with seeds.apart(), prints.overheard() as printed:
            outcome = run_here(self._waiting.popleft(), self.failed)
        return [dataclasses.replace(outcome, output=printed.text)]

    def avoid(self, host: str, *, avoid: bool) -> None:
        """Do nothing: there is one host only."""

    def close(self) -> None:
        self._waiting.clear()


def run_here(task: Task, failed: Failed = work.unseen) -> Outcome:
    """Do a task in this process."""
    started = time.time()
    work.execute(task.function, task.items, task.result, failed=failed)
    return Outcome(
        task_id=task.id,
        ending=Ending.RETURNED,
        host="localhost",
        allocated=task.resources,
        submitted=started,
        started=started,
        finished=time.time(),
    )
