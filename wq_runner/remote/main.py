"""The command of a task: ``python -S -E payload.pyz FUNCTION ITEMS RESULT`` in the task's directory.

It is started without site-packages, in some milliseconds, and asks a warm server to do the task. Only
where there is none to be had does it become a whole Python, ``payload.pyz --cold ...``, and do it.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from . import ready
from .ancestor import Ancestor, find_worker
from .environ import changed
from .guard import Job, Teller, Watch, limits_of
from .ready import may_fork
from .warm import Place, Server, ask

# libraries that would take all cores of the host, whatever the task was given
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_MAX_THREADS")

# a thread that pyarrow starts when it is imported, and that no copy of the process would have
_NO_THREAD = ("JE_ARROW_MALLOC_CONF", "background_thread:false")

_PROXY = "X509_USER_PROXY"

_LISTENER = 3  # the descriptor at which a server inherits its socket


def main(payload: str, *arguments: str) -> None:
    """Do one task, or serve them; `payload` is the file that runs."""
    match arguments:
        case ("--serve", function, sandbox):
            _serve(Path(function), Path(sandbox))
        case ("--ready", directory):
            _set_up()
            ready.main(Path(directory), serve)
        case ("--cold", function, items, result):
            _cold(_job(function, items, result))
        case (function, items, result):
            _start(payload, _job(function, items, result))
        case _:
            raise SystemExit("usage: payload.pyz FUNCTION ITEMS RESULT")


def _job(function: str, items: str, result: str) -> Job:
    _set_up()
    if os.environ.get(_PROXY):
        # from the task's own directory, wherever the processor goes
        os.environ[_PROXY] = str(Path.cwd() / os.environ[_PROXY])
    return Job(Path(function), Path(items), Path(result), limits_of(dict(os.environ)))


def _set_up() -> None:
    for name in THREADS:
        os.environ.setdefault(name, os.environ.get("CORES", "1") or "1")
    os.environ.setdefault(*_NO_THREAD)


def _start(payload: str, job: Job) -> None:
    place = Place.of(job.function)
    if place is not None and ask(job, place, [sys.executable, payload, "--serve"]):
        return
    job.result.unlink(missing_ok=True)
    files = [str(job.function), str(job.items), str(job.result)]
    os.execv(sys.executable, [sys.executable, payload, "--cold", *files])


def _cold(job: Job) -> None:
    """Do one task, in a child that is watched from here."""

    def work(tell: Teller) -> None:
        from .work import execute

        execute(job.function, job.items, job.result, tell, outside=tell.outside)

    watch = Watch(job, work)
    watch.finish()
    os.write(1, watch.printed.encode())  # bounded: the engine brings it to the manager


def _serve(function: Path, sandbox: Path) -> None:
    worker = find_worker()  # as long as the task that started this process lives
    # the socket is there already: the first clients wait in its queue until we are warm
    with socket.socket(fileno=_LISTENER) as listener:
        serve(listener, function, sandbox, worker)


def serve(listener: socket.socket, function: Path, sandbox: Path, worker: Ancestor | None) -> None:
    """Import what the function needs, then fork a child for each task."""
    from .functions import warm_up
    from .work import execute

    before = dict(os.environ)
    loaded = warm_up(function)
    changes = changed(before)
    if not may_fork():
        return  # clients see the connection close, and do without

    def work(job: Job, tell: Teller) -> None:
        execute(job.function, job.items, job.result, tell, loaded, outside=tell.outside)

    Server(listener, sandbox, work, worker, changes).serve()
