"""What engines have in common that run calls of functions and give futures: Dask, Parsl, anybody's pool."""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import os
import queue
import time
from typing import Any, Protocol

from wq_runner.engine.care import Care, answered
from wq_runner.engine.protocol import EngineStatus
from wq_runner.model import Ending, Outcome, Task
from wq_runner.remote.failure import shortened
from wq_runner.remote.parcel import Delivery, Parcel, deliver

LOOK_EVERY = 1.0  # seconds between questions for the state of the workers


class Future(Protocol):
    """What all of them return; `result` is there when the callback is called."""

    def add_done_callback(self, fn: Any) -> Any: ...

    def result(self) -> Any: ...


class FuturesEngine(abc.ABC):
    """Sends tasks as parcels, and turns what comes back into outcomes."""

    def __init__(self, care: Care | None = None) -> None:
        self._care = care or Care()
        self._running: dict[int, tuple[Task, Future]] = {}
        self._ended: queue.SimpleQueue[tuple[int, Future]] = queue.SimpleQueue()
        self._apart = False  # whether some worker did not see our files
        self._refused: list[Outcome] = []
        self._status = EngineStatus()
        self._looked = -LOOK_EVERY

    # -- what each of them does in its own way

    @abc.abstractmethod
    def start(self) -> None:
        """Make the engine ready to accept tasks.

        Raises
        ------
        EngineError
            If it cannot start.
        """

    @abc.abstractmethod
    def _call(self, function: Any, argument: Any) -> Future:
        """Have the function called on a worker."""

    @abc.abstractmethod
    def _look(self) -> EngineStatus:
        """Ask for the state of the workers; what is known of the tasks is added here."""

    @abc.abstractmethod
    def _ending(self, error: Exception) -> Ending | None:
        """Say how a call ended that raised, which the function never does by itself.

        None if the worker cannot call it at all: a package is missing there, or is another one.
        """

    @abc.abstractmethod
    def _stop(self) -> None:
        """Give back everything. May be called twice."""

    # -- the protocol

    @property
    def status(self) -> EngineStatus:
        busy = min(len(self._running), self._status.cores)
        return dataclasses.replace(
            self._status,
            workers_busy=min(busy, self._status.workers),
            cores_used=busy,
            tasks_running=busy,
            tasks_waiting=len(self._running) - busy,
        )

    def submit(self, task: Task) -> None:
        self.start()
        if task.inputs and self._apart:
            self._refused.append(_not_sent(task))
            return
        self._send(task, self._parcel(task))

    def wait(self, timeout: float) -> list[Outcome]:
        if time.monotonic() >= self._looked + LOOK_EVERY:
            self._status = self._look()
            self._looked = time.monotonic()
        outcomes, self._refused = self._refused, []
        with contextlib.suppress(queue.Empty):
            ended = self._ended.get(timeout=0 if outcomes else timeout)
            while True:
                outcome = self._outcome(*ended)
                outcomes += [outcome] if outcome else []
                ended = self._ended.get_nowait()
        return outcomes

    def avoid(self, host: str, *, avoid: bool) -> None:  # noqa: B027 - that is all there is to it
        """Do nothing: where a task runs is not ours to say."""

    def close(self) -> None:
        self._stop()
        self._running.clear()
        self._refused.clear()
        self._status = EngineStatus()
        self._looked = -LOOK_EVERY

    # -- sending and receiving

    def _parcel(self, task: Task, content: bytes | None = None) -> Parcel:
        limits = self._care.limits(task)
        return Parcel(str(task.function), task.items, str(task.result), content, os.getpid(), limits)

    def _send(self, task: Task, parcel: Parcel) -> None:
        future = self._call(deliver, parcel)
        self._running[task.id] = (task, future)
        future.add_done_callback(lambda done: self._ended.put((task.id, done)))

    def _outcome(self, number: int, future: Future) -> Outcome | None:
        task, current = self._running.get(number, (None, None))
        if task is None or current is not future:
            return None  # given up
        del self._running[number]
        try:
            delivery: Delivery = future.result()
        except Exception as error:
            return answered(task) or self._failed(task, error)
        if delivery.lacking:
            self._apart = True
            if task.inputs:
                return _not_sent(task)
            content = task.function.read_bytes()
            self._send(task, self._parcel(task, content))
            return None
        if delivery.answer is not None:
            task.result.write_bytes(delivery.answer)
        return Outcome(
            task_id=task.id,
            ending=Ending.RETURNED,
            host=delivery.host,
            output=delivery.printed,
            allocated=task.resources,
            submitted=delivery.started,
            started=delivery.started,
            finished=delivery.finished,
            bytes_received=len(delivery.answer or b""),
        )

    def _failed(self, task: Task, error: Exception) -> Outcome:
        ending = self._ending(error)
        text = shortened(f"{type(error).__name__}: {error}")
        return Outcome(
            task_id=task.id,
            ending=ending or Ending.NO_RESULT,
            exit_code=0 if ending else 1,
            output=text,
            detail=text,
            finished=time.time(),
        )


def _not_sent(task: Task) -> Outcome:
    """Refuse a task with inputs, which are results to be added up: rather here than through a scheduler."""
    return Outcome(
        task_id=task.id,
        ending=Ending.TRANSFER,
        detail="the workers do not see the files of this run",
        finished=time.time(),
    )
