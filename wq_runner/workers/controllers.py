"""What answers for workers elsewhere: controllers of batch systems, catalogs, schedulers of Dask.

They are asked before anything is made for a run that would wait for them.
"""

from __future__ import annotations

import shutil
import socket
from urllib.parse import urlsplit

from wq_runner import system
from wq_runner.errors import BatchSystemError, EngineError
from wq_runner.workers.batch import SYSTEMS

PATIENCE = 30.0  # seconds; a controller that has a lot to do takes some
_CONNECT = 5.0


def silent(batch_system: str) -> EngineError | None:
    """Return the error of a batch system that does not answer; None if it does, or cannot be asked."""
    asked = SYSTEMS[batch_system]
    command = asked.ask
    if shutil.which(command[0]) is None:
        return None
    try:
        system.run(command, patience=PATIENCE)
    except system.CommandError as error:
        said = [line.strip() for line in error.output.splitlines() if line.strip()] or ["no word"]
        return BatchSystemError(
            f"{asked.title} does not answer here: {' '.join(command)}: {said[-1]}",
            hint="when it does, start again; workers of this machine need none: --workers local:4",
        )
    except OSError as error:
        return BatchSystemError(f"{command[0]} cannot be run: {error.strerror}")
    return None


def unreached(host: str, port: int) -> str:
    """Say why nobody can connect to an address; empty if somebody listens there."""
    try:
        socket.create_connection((host, port), timeout=_CONNECT).close()
    except OSError as error:
        return error.strerror or str(error) or type(error).__name__
    return ""


def silent_scheduler(url: str) -> EngineError | None:
    """Return the error of a scheduler of Dask at which nobody listens; None if somebody does."""
    found = urlsplit(url)
    try:
        host, port = found.hostname or "", found.port or 0
    except ValueError:
        host, port = "", 0
    if found.scheme not in {"tcp", "tls"} or not host or not port:
        return None  # Dask says what it makes of it
    why = unreached(host, port)
    if not why:
        return None
    return EngineError(
        f"no Dask scheduler answers at {url}: {why}",
        hint="look at what `dask scheduler` printed, and name it: -e dask@tcp://HOST:PORT",
        page="workers",
    )
