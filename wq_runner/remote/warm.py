"""A process that stays on the worker with everything imported, and forks a child for each task.

Python and the imports of an analysis take a second or more: too much for every task. So the first
task on a worker starts a server, one for each function, and the tasks are clients of it: they hand
over their directory and their standard streams, and wait.

The server opens nothing before it forks, for threads and connections do not survive that, and a
child is a copy that ends with its task, so nothing of one task reaches the next. The server watches
the children as `guard` does. A child ends with its client, and all ends with the worker.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import select
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from . import private, ready
from .ancestor import Ancestor, find_worker
from .environ import Changes, set_environment
from .guard import LOOK_EVERY, Job, Limits, Teller, Watch

IDLE_TIME = 300.0  # seconds without a task after which the server ends
WORKER_LOOK_EVERY = 1.0
_BACKLOG = 128


@dataclass(frozen=True)
class Place:
    """Where the server of a function listens, in the worker's own directory."""

    directory: Path
    key: str

    @classmethod
    def of(cls, function: Path) -> Place | None:
        """Return the place for a function's file; None where no engine says which worker this is."""
        directory = os.environ.get("WORK_QUEUE_SANDBOX")
        if not directory or os.environ.get("WQ_RUNNER_WARM") == "0":
            return None
        content = function.read_bytes() + sys.executable.encode()
        return cls(Path(directory), hashlib.blake2b(content, digest_size=8).hexdigest())

    @property
    def name(self) -> str:
        return f"warm-{self.key}"


# -- the client: what the engine runs as the task


def ask(job: Job, place: Place, serve: list[str]) -> bool:
    """Have the server do the job; return whether it did. `serve` is the command that starts one.

    Whatever goes wrong, the answer is no, and the task is done without a server; but if the worker is gone,
    which ended the server, nobody wants it any more.
    """
    worker = find_worker()
    try:
        with _connect(place, job.function, serve) as connection:
            request = {
                "directory": str(Path.cwd()),
                "job": [str(job.function), str(job.items), str(job.result)],
                "limits": [job.limits.memory, job.limits.stall],
                "environment": dict(os.environ),
            }
            socket.send_fds(connection, [json.dumps(request).encode() + b"\n"], [1, 2])
            while not select.select([connection], [], [], WORKER_LOOK_EVERY)[0]:
                _end_with(worker)
            if connection.recv(1) == b"+":
                return True
    except OSError:
        pass
    _end_with(worker)
    return False


def _end_with(worker: Ancestor | None) -> None:
    """End with the worker, and its connection with us."""
    if worker is not None and not worker.lives():
        raise SystemExit(1)


def _connect(place: Place, function: Path, serve: list[str]) -> socket.socket:
    with private.address(place.directory, place.name) as address:
        with contextlib.suppress(OSError):
            return _client(address)
        private.close_to_others(place.directory)  # all that the worker runs lies there
        with private.open_file(place.directory / f"{place.name}.lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with contextlib.suppress(OSError):
                return _client(address)  # another task of this worker was faster
            with contextlib.suppress(FileNotFoundError):
                os.unlink(address)  # noqa: PTH108 - by its short name
            with socket.socket(socket.AF_UNIX) as listener:
                private.listen(listener, address, _BACKLOG)
                _start(listener, function, serve)
            return _client(address)


def _client(address: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def _start(listener: socket.socket, function: Path, serve: list[str]) -> None:
    """Start a server that outlives this task: it inherits the socket, and nothing else."""
    copy = Path(f"function-{os.getpid()}")
    kept = Path(os.environ["WORK_QUEUE_SANDBOX"]) / copy
    private.write(kept, function.read_bytes())
    if ready.ask(listener, kept, kept.parent, find_worker()):
        return
    payload = kept.with_suffix(".pyz")
    private.write(payload, Path(serve[1]).read_bytes())
    if os.fork() == 0:
        try:
            os.setsid()
            os.chdir("/")
            with Path("/dev/null").open("r+b") as nothing:
                for descriptor in (0, 1, 2):
                    os.dup2(nothing.fileno(), descriptor)
            os.dup2(listener.fileno(), 3)
            os.closerange(4, 4096)  # the worker's connection among them, which must close with the worker
            os.set_inheritable(3, True)
            os.execv(
                serve[0], [serve[0], str(payload), *serve[2:], str(kept), os.environ["WORK_QUEUE_SANDBOX"]]
            )
        finally:
            os._exit(1)


# -- the server


@dataclass(frozen=True)
class _Running:
    """A job, and where the client wants what it prints: the engine brings that to the manager."""

    watch: Watch
    output: int


class Server:
    """Accepts jobs on an inherited socket, until its worker is gone or there was nothing for long.

    `execute` does a job in a child; it is called with the job and the function that tells progress.
    `changes` are what imports made of the environment, which tasks bring from their worker.
    """

    def __init__(
        self,
        listener: socket.socket,
        sandbox: Path,
        execute: Callable[[Job, Teller], None],
        worker: Ancestor | None = None,
        changes: Changes = MappingProxyType({}),
    ) -> None:
        self._listener = listener
        self._sandbox = sandbox
        self._execute = execute
        self._worker = worker
        self._changes = changes
        self._jobs: dict[socket.socket, _Running] = {}
        self._busy = time.monotonic()

    def serve(self) -> None:
        while self._is_wanted():
            waiting: list[socket.socket | int] = [self._listener, *self._jobs]
            waiting += [number for job in self._jobs.values() for number in job.watch.descriptors]
            ready, _, _ = select.select(waiting, [], [], LOOK_EVERY if self._jobs else WORKER_LOOK_EVERY)
            if self._listener in ready:
                self._accept()
            for connection, job in tuple(self._jobs.items()):
                if connection in ready:  # a client says nothing more: it is gone
                    job.watch.kill("lost", "the task was ended")
                    self._end(connection)
                elif job.watch.look():
                    with contextlib.suppress(OSError):
                        os.write(job.output, job.watch.printed.encode())
                    with contextlib.suppress(OSError):
                        connection.send(b"+")
                    self._end(connection)
        for job in self._jobs.values():
            job.watch.kill("lost", "the worker is gone")

    def _is_wanted(self) -> bool:
        if not self._sandbox.is_dir() or (self._worker is not None and not self._worker.lives()):
            return False
        return bool(self._jobs) or time.monotonic() - self._busy < IDLE_TIME

    def _accept(self) -> None:
        connection = private.accept(self._listener)
        if connection is None:
            return
        with contextlib.suppress(OSError, ValueError, KeyError):
            message, streams, _, _ = socket.recv_fds(connection, 1 << 20, 2)
            while not message.endswith(b"\n"):
                more = connection.recv(1 << 20)
                if not more:
                    raise OSError("the client is gone")
                message += more
            output, *others = streams
            self._jobs[connection] = _Running(self._fork(json.loads(message), streams), output)
            for stream in others:
                os.close(stream)
            return
        connection.close()

    def _fork(self, request: dict[str, Any], streams: list[int]) -> Watch:
        directory = Path(request["directory"])
        function, items, result = (directory / name for name in request["job"])
        job = Job(function, items, result, Limits(*request["limits"]))

        def work(tell: Teller) -> None:
            self._listener.close()
            for stream in streams:
                os.close(stream)
            set_environment(request["environment"], self._changes)
            os.chdir(directory)
            self._execute(job, tell)

        return Watch(job, work)

    def _end(self, connection: socket.socket) -> None:
        os.close(self._jobs.pop(connection).output)
        connection.close()
        self._busy = time.monotonic()
