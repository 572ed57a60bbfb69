"""Tasks in a pool of processes on this machine, without any manager."""

from __future__ import annotations

import concurrent.futures
import os
import signal
import threading
import time

from wq_runner.engine.inline import run_here
from wq_runner.engine.protocol import EngineStatus
from wq_runner.model import Ending, Outcome, Task


class PoolEngine:
    """As many processes as `workers`, which stay warm from task to task."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool: concurrent.futures.Executor | None = None
        self._running: dict[concurrent.futures.Future[Outcome], Task] = {}

    @property
    def status(self) -> EngineStatus:
        running = min(len(self._running), self._workers)
        return EngineStatus(
            workers=self._workers,
            workers_joined=self._workers,
            workers_busy=running,
            cores=self._workers,
            cores_used=running,
            tasks_running=running,
            tasks_waiting=len(self._running) - running,
        )

    def start(self) -> None:
        import loky  # comes with coffea; does not re-run the user's script as spawn does

        if self._pool is None:
            self._pool = loky.ProcessPoolExecutor(
                max_workers=self._workers, initializer=_end_with, initargs=(os.getpid(),)
            )

    def submit(self, task: Task) -> None:
        self.start()
        assert self._pool is not None
        self._running[self._pool.submit(run_here, task)] = task

    def wait(self, timeout: float) -> list[Outcome]:
        done, _ = concurrent.futures.wait(
            self._running, timeout=timeout, return_when=concurrent.futures.FIRST_COMPLETED
        )
        return [self._outcome(future) for future in done]

    def _outcome(self, future: concurrent.futures.Future[Outcome]) -> Outcome:
        task = self._running.pop(future)
        error = future.exception()
        if error is None:
            return future.result()
        if isinstance(error, concurrent.futures.BrokenExecutor):
            # one process died and took the pool with it: the others' tasks end the same way
            self._pool = None
        return Outcome(
            task_id=task.id, ending=Ending.NO_RESULT, exit_code=-1, detail=str(error), finished=time.time()
        )

    def avoid(self, host: str, *, avoid: bool) -> None:
        """Do nothing: there is one host only."""

    def close(self) -> None:
        self._running.clear()
        if self._pool is not None:
            self._pool.shutdown(wait=False, kill_workers=True)  # type: ignore[call-arg] # loky's
            self._pool = None


def _end_with(parent: int) -> None:
    """End this process when its parent is gone, which a parent that was killed cannot ask for.

    A terminal's Ctrl-C and hang-up reach all its processes, but are for the parent to answer.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
