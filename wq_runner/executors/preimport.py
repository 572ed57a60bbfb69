"""Imports for local workers, begun before the manager knows what it is going to run."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from wq_runner import system
from wq_runner.remote import leftovers
from wq_runner.remote.ready import DIRECTORY
from wq_runner.workers.local import LocalSpec

# with the modules of this interpreter alone, and none of the current directory
_CODE = "import sys; del sys.path[0]; from wq_runner.remote.main import main; main(*sys.argv)"


@contextlib.contextmanager
def imports(workers: LocalSpec | None) -> Iterator[None]:
    """As long as this lasts, tasks on local workers find a process that has imported what they need.

    `workers` are those that run this very Python, if the run starts such.
    """
    if workers is None:
        yield
        return
    with tempfile.TemporaryDirectory(prefix=leftovers.prefix("ready")) as directory:
        process = system.start(
            [sys.executable, "-c", _CODE, "--ready", directory],
            env={**os.environ, "CORES": str(workers.cores)},
            output=subprocess.DEVNULL,
        )
        os.environ[DIRECTORY] = directory
        try:
            yield
        finally:
            os.environ.pop(DIRECTORY, None)
            system.stop(process)
