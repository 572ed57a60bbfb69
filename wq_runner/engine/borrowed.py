"""Tasks on somebody else's executor: a pool of concurrent.futures, or any executor of coffea."""

from __future__ import annotations

import concurrent.futures
import os
import queue
import threading
from collections.abc import Callable
from typing import Any

from wq_runner.engine.futures import Future, FuturesEngine
from wq_runner.engine.protocol import EngineStatus
from wq_runner.model import Ending

_Waiting = queue.SimpleQueue[tuple[concurrent.futures.Future[Any], Any] | None]


class BorrowedPool(FuturesEngine):
    """A pool that is there already, and is left open."""

    def __init__(self, pool: concurrent.futures.Executor) -> None:
        super().__init__()
        self._pool = pool
        self._workers = int(getattr(pool, "_max_workers", 0) or os.cpu_count() or 1)

    def start(self) -> None:
        self._status = self._look()

    def _call(self, function: Any, argument: Any) -> Future:
        return self._pool.submit(function, argument)

    def _look(self) -> EngineStatus:
        return EngineStatus(workers=self._workers, workers_joined=self._workers, cores=self._workers)

    def _ending(self, error: Exception) -> Ending | None:
        broken = isinstance(error, concurrent.futures.BrokenExecutor)
        return Ending.DIED if broken else None

    def _stop(self) -> None:
        for _, future in self._running.values():
            if isinstance(future, concurrent.futures.Future):
                future.cancel()  # unless it runs


class CoffeaExecutor(FuturesEngine):
    """An executor that can only be called, and answers for all of its items at once.

    So tasks go in waves: whatever waits while one runs is the next.
    """

    def __init__(self, executor: Any) -> None:
        super().__init__()
        self._executor = executor.copy(status=False, function_name="deliver")
        self._workers = int(getattr(executor, "workers", None) or 1)
        self._waiting: _Waiting = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._thread is None:
            # a queue of its own: the thread of before may still wait for its wave
            self._waiting = queue.SimpleQueue()
            self._thread = threading.Thread(
                target=self._work, args=(self._waiting,), name="waves", daemon=True
            )
            self._thread.start()
            self._status = self._look()

    def _call(self, function: Any, argument: Any) -> Future:
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self._waiting.put((future, _Numbered(function, argument)))
        return future

    def _look(self) -> EngineStatus:
        return EngineStatus(workers=self._workers, workers_joined=self._workers, cores=self._workers)

    def _ending(self, error: Exception) -> Ending | None:  # noqa: ARG002 - it says nothing of the one task
        return Ending.DIED

    def _stop(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            self._waiting.put(None)

    def _work(self, waiting: _Waiting) -> None:
        while (first := waiting.get()) is not None:
            wave = [first]
            while not waiting.empty():
                following = waiting.get()
                if following is None:
                    return
                wave.append(following)
            self._do(wave)

    def _do(self, wave: list[tuple[concurrent.futures.Future[Any], Any]]) -> None:
        try:
            found, error = self._executor(list(enumerate(call for _, call in wave)), _numbered, None)
        except Exception as raised:
            found, error = {}, raised
        for number, (future, _) in enumerate(wave):
            if number in (found or {}):
                future.set_result(found[number])
            else:
                future.set_exception(
                    error if isinstance(error, Exception) else RuntimeError("the executor left it out")
                )


class _Numbered:
    """A call, to be made on a worker."""

    def __init__(self, function: Callable[[Any], Any], argument: Any) -> None:
        self.function = function
        self.argument = argument


def _numbered(item: tuple[int, _Numbered]) -> dict[int, Any]:
    number, call = item
    return {number: call.function(call.argument)}
