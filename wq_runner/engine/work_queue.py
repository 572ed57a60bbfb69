"""The engine proper: Work Queue in a supervised child process.

The child may crash in C or be killed; it is then started again on the same port, workers find it
there by themselves, and what had not ended is submitted again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

from wq_runner import system
from wq_runner.engine.messages import (
    Avoid,
    Failed,
    Finish,
    Finished,
    QueueSettings,
    Reply,
    Report,
    Request,
    Started,
    Submit,
)
from wq_runner.engine.protocol import EngineStatus
from wq_runner.errors import EngineError, OutputError
from wq_runner.model import Outcome, Task

log = logging.getLogger(__name__)

START_TIMEOUT = 60.0
RESTARTS_IN_A_ROW = 5  # without any task finished in between
CHECK_EVERY = 10.0  # seconds, should workers come and go all the time
ROOM = 8_000_000  # bytes that must be free for results when a worker is lost
_BLOCK = bytes(1_000_000)
REBIND_TIMEOUT = 30.0  # seconds in which a port of a dead child may still be taken


class WorkQueueEngine:
    """A Work Queue manager. `port` is known once it has started."""

    def __init__(self, settings: QueueSettings, *, child_log: Path | None = None) -> None:
        self._settings = settings
        self._child_log = child_log
        self._child: _Child | None = None
        self._unfinished: dict[int, Task] = {}
        self._avoided: set[str] = set()
        self._status = EngineStatus()
        self._restarts = 0
        self._restarts_in_a_row = 0
        self._disk_checked = -CHECK_EVERY

    @property
    def port(self) -> int:
        if self._child is None:
            raise EngineError("the queue has not started")
        return self._child.port

    @property
    def status(self) -> EngineStatus:
        return self._status

    @property
    def child_pid(self) -> int | None:
        return self._child.pid if self._child else None

    def start(self) -> None:
        if self._child is None:
            self._child = _Child(self._settings, self._child_log)
            self._settings = dataclasses.replace(self._settings, ports=(self._child.port,) * 2)

    def submit(self, task: Task) -> None:
        self.start()
        assert self._child is not None
        self._unfinished[task.id] = task
        self._child.send(Submit(task=task))

    def wait(self, timeout: float) -> list[Outcome]:
        if self._child is None:
            return []
        outcomes: list[Outcome] = []
        for reply in self._child.receive(timeout):
            match reply:
                case Finished(outcome=outcome):
                    # a task that a dead child had finished may come twice
                    if self._unfinished.pop(outcome.task_id, None) is not None:
                        outcomes.append(outcome)
                        self._restarts_in_a_row = 0
                case Report(status=status):
                    gone = _gone(status) > _gone(self._status)
                    self._status = dataclasses.replace(status, restarts=self._restarts)
                    if gone:
                        self._check_disk()
                case Started() | Failed():
                    pass
        if self._child.gone and not outcomes:
            self._restart()
        return outcomes

    def avoid(self, host: str, *, avoid: bool) -> None:
        (self._avoided.add if avoid else self._avoided.discard)(host)
        if self._child is not None:
            self._child.send(Avoid(host=host, avoid=avoid))

    def close(self, *, release_workers: bool = False) -> None:
        if self._child is not None:
            self._child.close(release_workers=release_workers)
            self._child = None
        self._unfinished.clear()
        self._avoided.clear()

    def _check_disk(self) -> None:
        """Prove that results can be written.

        The engine takes a result that it cannot write for a lost worker, and would send the worker
        away and the task out again for ever. (Newer engines crash.)
        """
        if not self._unfinished or time.monotonic() < self._disk_checked + CHECK_EVERY:
            return
        self._disk_checked = time.monotonic()
        directory = next(iter(self._unfinished.values())).result.parent
        try:
            with tempfile.TemporaryFile(dir=directory, buffering=0) as probe:
                for _ in range(ROOM // len(_BLOCK)):
                    probe.write(_BLOCK)
        except OSError as error:
            raise OutputError(
                f"results cannot be written to {directory}: {error.strerror or error}",
                hint="make room, or choose another directory with -o",
            ) from error

    def _restart(self) -> None:
        assert self._child is not None
        self._check_disk()
        code = self._child.close()
        self._restarts += 1
        self._restarts_in_a_row += 1
        if self._restarts_in_a_row > RESTARTS_IN_A_ROW:
            raise EngineError(
                f"the queue's process died {self._restarts_in_a_row} times without finishing a task "
                f"(last exit code {code})",
                hint=f"what it printed is in {self._child_log}" if self._child_log else "",
            )
        log.warning("the queue's process died (exit code %s); starting it again on the same port", code)
        self._child = self._same_port()
        self._status = EngineStatus(restarts=self._restarts)
        for host in self._avoided:
            self._child.send(Avoid(host=host, avoid=True))
        for task in self._unfinished.values():
            self._child.send(Submit(task=task))

    def _same_port(self) -> _Child:
        deadline = time.monotonic() + REBIND_TIMEOUT
        while True:
            try:
                return _Child(self._settings, self._child_log)
            except EngineError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)


def _gone(status: EngineStatus) -> int:
    """Return how many workers left, for whatever reason."""
    return status.workers_joined - status.workers


class _Child:
    """One life of the queue's process, started on construction.

    A thread reads what it says, so that neither side can block the other.
    """

    def __init__(self, settings: QueueSettings, log_file: Path | None) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = system.start(
                [sys.executable, "-m", "wq_runner.engine.queue_process", str(theirs.fileno())],
                output=log_file if log_file is not None else subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._connection = Connection(ours.detach())
        self._replies: queue.SimpleQueue[Reply | None] = queue.SimpleQueue()
        self.gone = False
        self._reader = threading.Thread(target=self._read, name="queue-reader", daemon=True)
        self._reader.start()
        self.send(settings)
        self.port = self._await_start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, request: Request) -> None:
        # a child that is gone is noticed where its replies are read
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, OSError):
            self._connection.send(request)

    def receive(self, timeout: float) -> list[Reply]:
        """Return all replies there are, after waiting for the first one."""
        replies: list[Reply] = []
        with contextlib.suppress(queue.Empty):
            reply = self._replies.get(timeout=timeout)
            while reply is not None:
                replies.append(reply)
                reply = self._replies.get_nowait()
            self.gone = True
        return replies

    def close(self, *, release_workers: bool = False) -> int:
        """End the process and return its exit code."""
        self.send(Finish(release_workers=release_workers))
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(3)
        system.stop(self._process)
        self._reader.join()
        self._connection.close()
        return self._process.returncode

    def _read(self) -> None:
        try:
            while True:
                self._replies.put(self._connection.recv())
        except (EOFError, OSError):
            self._replies.put(None)

    def _await_start(self) -> int:
        for reply in self.receive(START_TIMEOUT):
            match reply:
                case Started(port=port):
                    return port
                case Failed(reason=reason, hint=hint):
                    self.close()
                    raise EngineError(reason, hint=hint)
                case Finished() | Report():
                    pass
        code = self.close()
        raise EngineError(f"the queue's process did not start (exit code {code})")
