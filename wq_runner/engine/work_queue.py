"""The engine proper: Work Queue in a supervised child process.

The child may crash in C, hang or be killed, from its first moment on; it is then started again on the same
port, workers find it there by themselves, and what had not ended is submitted again.
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
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from wq_runner import system
from wq_runner.engine import certificate
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
from wq_runner.engine.silence import Silence
from wq_runner.errors import EngineError, OutputError
from wq_runner.model import Outcome, Task
from wq_runner.remote.meter import bytes_read, cpu_seconds

log = logging.getLogger(__name__)

RESTARTS_IN_A_ROW = 5  # without any task finished in between
CHECK_EVERY = 10.0  # seconds, should workers come and go all the time
ROOM = 8_000_000  # bytes that must be free for results when a worker is lost
_BLOCK = bytes(1_000_000)
SILENCE = 20.0  # seconds without a word or any progress of the child, after which it hangs
REBIND_TIMEOUT = 30.0  # seconds in which a port of a dead child may still be taken


class WorkQueueEngine:
    """A Work Queue manager. `port` is known once it has started."""

    def __init__(self, settings: QueueSettings, *, child_log: Path | None = None) -> None:
        self._settings = settings
        self._ports = settings.ports
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

    def carry(self, proxy: Path) -> None:
        """Have tasks take a proxy along, of a queue that has not started."""
        self._settings = dataclasses.replace(self._settings, proxy=proxy)

    def start(self) -> None:
        if self._child is None:
            if self._settings.tls:  # one for all its processes, as its workers come back to the next
                self._settings = dataclasses.replace(self._settings, certificate=certificate.make())
            self._child = self._at_a_port()
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
                case Failed(reason=reason, hint=hint):
                    raise EngineError(reason, hint=hint)
                case Started():
                    pass
        if not outcomes and (self._child.gone or self._child.hangs()):
            self._restart()
        elif self._settings.here:
            self._fit()
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
        certificate.remove(self._settings.certificate)
        self._settings = dataclasses.replace(self._settings, certificate=None)

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
        how = self._child.end()
        self._restarts += 1
        self._count_restart(how)
        log.warning("the queue's process %s; starting it again on the same port", how)
        self._begin_again()

    def _fit(self) -> None:
        """Have tasks that wait ask for no more disk than workers have, where no larger ones can come.

        Those of this machine that are replaced promise less when the disk has become full. The engine cannot
        take back a task that waits, so it begins again; as none runs, that costs nothing.
        """
        status, there = self._status, self._status.largest.disk
        if not there or not status.workers or not status.tasks_waiting or status.tasks_running:
            return
        large = [one for one in self._unfinished.values() if (one.resources.disk or 0) > there]
        if large and self._child is not None:
            log.warning("workers have %.0f MB of disk now, and tasks ask for no more", there)
            for task in large:
                fitting = dataclasses.replace(task.resources, disk=there)
                self._unfinished[task.id] = dataclasses.replace(task, resources=fitting)
            self._child.close()
            self._restarts += 1
            self._begin_again()

    def _begin_again(self) -> None:
        self._child = self._same_port()
        self._status = EngineStatus(restarts=self._restarts)
        for host in self._avoided:
            self._child.send(Avoid(host=host, avoid=True))
        for task in self._unfinished.values():
            self._child.send(Submit(task=task))

    def _count_restart(self, how: str) -> None:
        self._restarts_in_a_row += 1
        if self._restarts_in_a_row > RESTARTS_IN_A_ROW:
            raise EngineError(
                f"the queue's process ended {self._restarts_in_a_row} times without finishing a task "
                f"(the last one {how})",
                hint=f"what it printed is in {self._child_log}" if self._child_log else "",
            )

    def _at_a_port(self) -> _Child:
        """Start at the port of before, where workers look; if that is taken, at any that was asked for."""
        if self._settings.ports != self._ports:
            with contextlib.suppress(EngineError):
                return self._started()
            self._settings = dataclasses.replace(self._settings, ports=self._ports)
        return self._started()

    def _started(self) -> _Child:
        """Return a child that listens; one that ends or hangs before is no reason to give up."""
        while True:
            child = _Child(self._settings, self._child_log)
            how = child.await_start()
            if how is None:
                return child
            self._count_restart(how)
            log.warning("the queue's process %s before it listened; starting it again", how)

    def _same_port(self) -> _Child:
        deadline = time.monotonic() + REBIND_TIMEOUT
        while True:
            try:
                return self._started()
            except EngineError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)


def _gone(status: EngineStatus) -> int:
    """Return how many workers left, for whatever reason."""
    return status.workers_joined - status.workers


class _Child:
    """One life of the queue's process, started on construction.

    Threads read and write what is said, so that neither side can block the other.
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
        self._requests: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self.gone = False
        self.port = 0
        self._silence = Silence()
        self._threads = [_thread(self._read), _thread(self._write)]
        self.send(settings)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, request: Request) -> None:
        # a child that is gone is noticed where its replies are read
        self._requests.put(request)

    def receive(self, timeout: float) -> list[Reply]:
        """Return all replies there are, after waiting for the first one."""
        replies: list[Reply] = []
        with contextlib.suppress(queue.Empty):
            reply = self._replies.get(timeout=timeout)
            while reply is not None:
                replies.append(reply)
                reply = self._replies.get_nowait()
            self.gone = True
        if replies:
            self._silence.broken()
        return replies

    def hangs(self) -> bool:
        """Whether it neither says nor does anything any more, as of now. Call it again and again.

        It may be silent for long while it moves a file to a slow worker, but not without reading any of it.
        """
        return (
            self._silence.goes_on(time.monotonic(), (cpu_seconds(self.pid), bytes_read(self.pid))) > SILENCE
        )

    def close(self, *, release_workers: bool = False) -> int:
        """End the process and return its exit code."""
        self.send(Finish(release_workers=release_workers))
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(3)
        return self._kill()

    def end(self) -> str:
        """End one that died or hangs, and say which of these it was."""
        if self._process.poll() is None and not self.gone:
            self._process.kill()  # it may be stopped, and hear nothing else
            self._kill()
            return f"did nothing for {SILENCE:.0f} s"
        return f"died (exit code {self.close()})"

    def await_start(self) -> str | None:
        """Wait until it listens, and return None; how it ended, if it did that first.

        Raises
        ------
        EngineError
            If it says that the queue cannot start.
        """
        while True:
            for reply in self.receive(0.5):
                match reply:
                    case Started(port=port):
                        self.port = port
                        return None
                    case Failed(reason=reason, hint=hint):
                        self.close()
                        raise EngineError(reason, hint=hint)
                    case Finished() | Report():
                        pass
            if self.gone or self.hangs():
                return self.end()

    def _kill(self) -> int:
        system.stop(self._process)
        self._requests.put(None)
        for thread in self._threads:
            thread.join()
        self._connection.close()
        return self._process.returncode

    def _read(self) -> None:
        try:
            while True:
                self._replies.put(self._connection.recv())
        except (EOFError, OSError):
            self._replies.put(None)

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            while (request := self._requests.get()) is not None:
                self._connection.send(request)


def _thread(target: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=target, name="queue", daemon=True)
    thread.start()
    return thread
