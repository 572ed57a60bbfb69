"""Commands of ours as copies of a process that has imported what they need, for tests that run many of them.

A command spends more than a second of a core on imports, its local workers another one, and most tests only
ask what it says and leaves. A copy is the command from there on, with its own environment, directory and
streams. A command that is started beside a test, or with variables that libraries read as they are imported,
is no copy but the program itself.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from wq_runner.executors import preimport
from wq_runner.remote import ready
from wq_runner.workers.local import LocalSpec

_IMPORTED = (
    *("coffea.nanoevents", "coffea.processor.executor", "hist", "rich.live", "rich.progress", "yaml"),
    *(
        "wq_runner.cli.run",
        "wq_runner.steps.run",
        "wq_runner.coffea_adapter.runner",
        "wq_runner.engine.inline",
    ),
)
_ONE_THREAD = {
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
"""For a process that is copied: a copy has none of the other threads."""
# what libraries read, and what tells the processes of one test from others
_AT_IMPORT = (
    "COVERAGE_",
    "JE_",
    "LD_",
    "MKL_",
    "NUMBA_",
    "NUMEXPR_",
    "OMP_",
    "OPENBLAS_",
    "PYTHON",
    "WQ_TESTS_",
)


class Copies:
    """The process that copies itself, with these variables as well, until this one closes it or ends."""

    def __init__(self, **environ: str) -> None:
        self._environ = {**os.environ, **environ}
        self._asking = threading.Lock()
        self._ends = contextlib.ExitStack()
        self._ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno()), self._ready()],
                env={**self._environ, **_ONE_THREAD},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        self._ends.callback(process.wait)
        self._ends.enter_context(self._ours)

    def _ready(self) -> str:
        """Start what the local workers of all copies ask for servers, and return its directory."""
        self._ends.enter_context(preimport.imports(LocalSpec(count=1)))
        return os.environ.pop(ready.DIRECTORY)

    def close(self) -> None:
        self._ends.close()

    def can_be(self, environ: Mapping[str, str]) -> bool:
        """Whether a command with this environment may be a copy: it imports the same, in the same way."""
        return _at_import(environ) == _at_import(self._environ)

    def run(
        self,
        command: Sequence[object],
        *,
        cwd: Path,
        environ: Mapping[str, str],
        timeout: float,
        first: Sequence[Path] = (),
    ) -> tuple[int, str, str]:
        """Run a Python program to its end; return its code, as `subprocess` does, and what it said.

        `first` is where it imports modules from before all others.

        Raises
        ------
        TimeoutError
            Where it does not end. It is killed then.
        """
        request = {
            "command": [str(word) for word in command],
            "cwd": str(cwd),
            "environ": dict(environ),
            "first": [str(path) for path in first],
        }
        ours, theirs = socket.socketpair()
        with ours, _memory("out") as out, _memory("err") as err, ours.makefile() as answers:
            with theirs, self._asking:
                socket.send_fds(self._ours, [b"+"], [out, err, theirs.fileno()])
                self._ours.sendall(json.dumps(request).encode() + b"\n")
            began = answers.readline()
            assert began, "the process that copies itself is gone"
            pid = int(began)
            ours.settimeout(timeout)
            try:
                code = os.waitstatus_to_exitcode(int(answers.readline()))
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise
            return code, _text(out), _text(err)


@contextlib.contextmanager
def _memory(name: str) -> Iterator[int]:
    descriptor = os.memfd_create(name)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _at_import(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(_AT_IMPORT)}


def _text(descriptor: int) -> str:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode()


# -- in the process that copies itself --


def serve(asked: socket.socket, directory: str) -> list[str] | None:
    """Return the program and its arguments in each copy; None in the process itself, at its end."""
    for name in _IMPORTED:
        importlib.import_module(name)
    preimport.imports = functools.partial(_ask, directory)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait for the copies
    assert ready.may_fork(), os.listdir("/proc/self/task")  # noqa: PTH208 - their ids
    while descriptors := socket.recv_fds(asked, 1, 3)[1]:
        request = b""
        while not request.endswith(b"\n"):
            request += asked.recv(1 << 16)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            asked.close()
            return _copy(json.loads(request), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
    return None


@contextlib.contextmanager
def _ask(directory: str, workers: LocalSpec | None) -> Iterator[None]:
    """Have local workers ask the process of this directory, where else one of their own is started."""
    if workers is not None:
        os.environ[ready.DIRECTORY] = directory
    try:
        yield
    finally:
        os.environ.pop(ready.DIRECTORY, None)


def _copy(request: dict[str, Any], out: int, err: int, told: int) -> list[str]:
    """Return in the copy what it is to run; the other process says how that ended."""
    if pid := os.fork():
        os.write(told, f"{pid}\n".encode())
        os.write(told, f"{os.waitpid(pid, 0)[1]}\n".encode())
        os._exit(0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    for descriptor in (out, err, told):
        os.close(descriptor)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environ"])
    random.seed()
    sys.modules["numpy"].random.seed()
    sys.path[1:1] = request["first"]
    command: list[str] = request["command"]
    return command


def _become(command: list[str]) -> None:
    """Run a program in the place of the one that this process was started with."""
    main = types.ModuleType("__main__")
    main.__file__ = command[0]
    sys.modules["__main__"] = sys.modules["__mp_main__"] = main  # the second is multiprocessing's name of it
    sys.argv = command
    sys.path[0] = str(Path(command[0]).parent)
    exec(compile(Path(command[0]).read_text(), command[0], "exec"), vars(main))


if __name__ == "__main__":
    copied = serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])
    if copied is not None:
        _become(copied)
