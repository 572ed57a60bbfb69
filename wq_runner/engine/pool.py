"""Tasks in a pool of processes on this machine, without any manager."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import re
import signal
import threading
import time
from collections import deque

from wq_runner.engine.care import Care, answered
from wq_runner.engine.inline import run_here
from wq_runner.engine.protocol import EngineStatus
from wq_runner.model import Ending, Outcome, Task
from wq_runner.remote import prints
from wq_runner.remote.guard import Limits
from wq_runner.remote.minder import minded

Running = concurrent.futures.Future[Outcome]
_PATIENCE = 1.0  # seconds for threads to end; one whose reader was killed never does


class PoolEngine:
    """As many processes as `workers`, which stay warm from task to task.

    A process that dies takes the whole pool with it, and nobody can tell which of its tasks did that. So all
    that were in it are suspects, and run again one by one in a process of their own before any is blamed.
    """

    def __init__(self, workers: int, care: Care | None = None) -> None:
        self._workers = workers
        self._care = care or Care()
        self._pool: concurrent.futures.Executor | None = None
        self._apart: concurrent.futures.Executor | None = None
        self._running: dict[Running, Task] = {}
        self._suspects: deque[Task] = deque()
        self._alone: tuple[Running, Task] | None = None
        self._others = _feeders()

    @property
    def status(self) -> EngineStatus:
        tasks = len(self._running) + len(self._suspects) + bool(self._alone)
        busy = min(tasks, self._workers)
        return EngineStatus(
            workers=self._workers,
            workers_joined=self._workers,
            workers_busy=busy,
            cores=self._workers,
            cores_used=busy,
            tasks_running=busy,
            tasks_waiting=tasks - busy,
        )

    def start(self) -> None:
        if self._pool is None:
            self._pool = _pool(self._workers)

    def submit(self, task: Task) -> None:
        while True:
            self.start()
            assert self._pool is not None
            try:
                self._running[self._pool.submit(_run, task, self._care.limits(task))] = task
            except concurrent.futures.BrokenExecutor:  # its tasks come back from wait() as suspects
                self._pool = None
            else:
                return

    def wait(self, timeout: float) -> list[Outcome]:
        self._try_alone()
        watched = [*self._running, *([self._alone[0]] if self._alone else [])]
        done, _ = concurrent.futures.wait(
            watched, timeout=timeout, return_when=concurrent.futures.FIRST_COMPLETED
        )
        outcomes = [self._outcome(future) for future in done]
        return [outcome for outcome in outcomes if outcome is not None]

    def _try_alone(self) -> None:
        if self._alone is None and self._suspects:
            self._apart = self._apart or _pool(1)
            task = self._suspects.popleft()
            self._alone = (self._apart.submit(_run, task, self._care.limits(task)), task)

    def _outcome(self, future: Running) -> Outcome | None:
        if self._alone is not None and future is self._alone[0]:
            _, task = self._alone
            self._alone = None
            return self._of_suspect(future, task)
        task = self._running.pop(future)
        error = future.exception()
        if isinstance(error, concurrent.futures.BrokenExecutor):
            self._pool = None
            if (found := answered(task)) is not None:
                return found
            self._suspects.append(task)
            return None
        return _failed(task, error) if error is not None else future.result()

    def _of_suspect(self, future: Running, task: Task) -> Outcome:
        error = future.exception()
        if isinstance(error, concurrent.futures.BrokenExecutor):
            self._apart = None
            if (found := answered(task)) is not None:
                return found
        return _failed(task, error) if error is not None else future.result()

    def avoid(self, host: str, *, avoid: bool) -> None:
        """Do nothing: there is one host only."""

    def close(self) -> None:
        self._running.clear()
        self._suspects.clear()
        self._alone = None
        for pool in (self._pool, self._apart):
            if pool is not None:
                pool.shutdown(wait=True, kill_workers=True)  # type: ignore[call-arg] # loky's
        self._pool = self._apart = None
        _join_feeders(self._others)


def _run(task: Task, limits: Limits) -> Outcome:
    with prints.captured() as printed, minded(task.result, limits) as notify:
        outcome = run_here(task, notify=notify)
    return dataclasses.replace(outcome, output=printed.text)


def _pool(workers: int) -> concurrent.futures.Executor:
    import loky  # comes with coffea; does not re-run the user's script as spawn does

    pool: concurrent.futures.Executor = loky.ProcessPoolExecutor(
        max_workers=workers,
        initializer=_end_with,
        initargs=(os.getpid(),),
        # else loky prints 30 lines of frames for each process that dies; whoever set it wants them
        env={"PYTHONFAULTHANDLER": os.environ.get("PYTHONFAULTHANDLER", "")},
    )
    return pool


def _feeders() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "QueueFeederThread"}


def _join_feeders(others: set[threading.Thread]) -> None:
    """Wait for the threads that sent tasks to the processes, which loky leaves to themselves.

    They remove their semaphores as they end. Where the interpreter ends first, loky's tracker of resources
    prints on the terminal that some have leaked.
    """
    end = time.monotonic() + _PATIENCE
    for thread in _feeders() - others:
        thread.join(max(0.0, end - time.monotonic()))


def _failed(task: Task, error: BaseException) -> Outcome:
    # loky's text ends with how each of its processes did: SIGSEGV(-11), EXIT(3)
    ended = re.search(r"(SIG[A-Z]+|EXIT)\((-?\d+)\)", str(error))
    how = (
        f"exit code {ended[2]}"
        if ended and ended[1] == "EXIT"
        else ended[1]
        if ended
        else str(error) or type(error).__name__
    )
    return Outcome(
        task_id=task.id,
        ending=Ending.DIED,
        detail=f"the interpreter ended with {how}",
        finished=time.time(),
    )


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
