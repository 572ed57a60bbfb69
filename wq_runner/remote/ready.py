"""A process that imports what tasks will need, while the manager that started it still imports the same.

Local workers would otherwise begin to import when the manager has ended. The first task for a function asks
this process for a warm server, and gets one that has only the function left to load. Nobody needs it: where
it is not there, the task starts a server from nothing.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import private
from .ancestor import Ancestor
from .environ import Changes, changed, set_environment

DIRECTORY = "WQ_RUNNER_READY"  # the variable with the directory of its socket
_SOCKET = "socket"
_MODULES = ("coffea.nanoevents", "coffea.processor.executor")
# what the first use of a vector imports, in each task anew if it is not here
_LATER = ("numpy.ma", "vector._compute.planar", "vector._compute.spatial", "vector._compute.lorentz")
# what events of NanoAOD can do: coffea 0.7 compiles it as it is imported, for a second of each server's time
_METHODS = "coffea.nanoevents.methods.nanoaod"
_PATIENCE = 60.0  # seconds for it to have imported
_LOOK_EVERY = 0.5  # seconds between looks whether its parent lives
_BACKLOG = 128

Serve = Callable[[socket.socket, Path, Path, Ancestor | None], None]
"""Serves tasks of a function on a listener; the sandbox and the process of the worker say for how long."""


def ask(listener: socket.socket, function: Path, sandbox: Path, worker: Ancestor | None) -> bool:
    """Have a server made that accepts at this listener, and return whether there will be one."""
    directory = os.environ.get(DIRECTORY)
    if not directory:
        return False
    request = {
        "function": str(function),
        "sandbox": str(sandbox),
        "worker": [worker.pid, worker.born] if worker else None,
        "environment": dict(os.environ),
    }
    try:
        with (
            private.address(Path(directory), _SOCKET) as address,
            socket.socket(socket.AF_UNIX) as connection,
        ):
            connection.settimeout(_PATIENCE)
            connection.connect(address)
            socket.send_fds(connection, [json.dumps(request).encode() + b"\n"], [listener.fileno()])
            return connection.recv(1) == b"+"
    except OSError:
        return False


def import_all() -> None:
    """Import what the tasks of any analysis need, without a look for cycles among what is going to stay."""
    was_enabled = gc.isenabled()
    gc.disable()
    for name in _MODULES:
        importlib.import_module(name)
    for name in _LATER:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()
    if was_enabled:  # else the analysis does without
        gc.enable()


def main(directory: Path, serve: Serve) -> None:
    """Import, then fork a server for each request, until the parent is gone."""
    parent = os.getppid()
    with socket.socket(socket.AF_UNIX) as listener:
        with private.address(directory, _SOCKET) as address:
            private.listen(listener, address, _BACKLOG)
        before = dict(os.environ)
        import_all()
        with contextlib.suppress(Exception):  # few need it, and those will say it
            importlib.import_module(_METHODS)
        gc.freeze()
        changes = changed(before)
        while may_fork() and os.getppid() == parent:
            if select.select([listener], [], [], _LOOK_EVERY)[0]:
                connection = private.accept(listener)
                if connection is None:
                    continue
                with connection, contextlib.suppress(OSError, ValueError, KeyError):
                    _answer(connection, listener, serve, changes)


def may_fork() -> bool:
    """Whether this process has one thread only, so that a copy of it is whole."""
    return len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208 - only their number


def _answer(connection: socket.socket, own: socket.socket, serve: Serve, changes: Changes) -> None:
    message, descriptors, _, _ = socket.recv_fds(connection, 1 << 20, 1)
    while message and not message.endswith(b"\n"):
        message += connection.recv(1 << 20)
    request = json.loads(message)
    with socket.socket(fileno=descriptors[0]) as listener:
        child = os.fork()
        if child == 0:
            if os.fork() == 0:  # nobody's child, so that nobody has to wait for it
                connection.close()
                own.close()
                _become(request, listener, serve, changes)
            os._exit(0)
    os.waitpid(child, 0)
    connection.send(b"+")


def _become(request: dict[str, Any], listener: socket.socket, serve: Serve, changes: Changes) -> None:
    try:
        os.setsid()
        os.chdir("/")
        set_environment(request["environment"], changes)
        worker = Ancestor(*request["worker"]) if request["worker"] else None
        serve(listener, Path(request["function"]), Path(request["sandbox"]), worker)
    finally:
        os._exit(0)
