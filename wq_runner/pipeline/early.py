"""Imports for local workers, begun before the manager knows what it is going to run."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from wq_runner import system
from wq_runner.config.options import RunOptions
from wq_runner.errors import UsageError
from wq_runner.remote import leftovers
from wq_runner.remote.ready import DIRECTORY
from wq_runner.workers.local import LocalSpec

# with the modules of this interpreter alone, and none of the current directory
_CODE = "import sys; del sys.path[0]; from wq_runner.remote.main import main; main(*sys.argv)"


@contextlib.contextmanager
def imports(options: RunOptions) -> Iterator[None]:
    """As long as this lasts, tasks on local workers find a process that has imported what they need."""
    wanted = _workers(options)
    if wanted is None:
        yield
        return
    with tempfile.TemporaryDirectory(prefix=leftovers.prefix("ready")) as directory:
        process = system.start(
            [sys.executable, "-c", _CODE, "--ready", directory],
            env={**os.environ, "CORES": str(wanted.cores)},
            output=subprocess.DEVNULL,
        )
        os.environ[DIRECTORY] = directory
        try:
            yield
        finally:
            os.environ.pop(DIRECTORY, None)
            system.stop(process)


def _workers(options: RunOptions) -> LocalSpec | None:
    """Return the local workers that run this very Python, if the run starts such."""
    if not options.on_work_queue or options.setup_command:
        return None
    if options.environment not in {"auto", "shared"}:
        return None
    try:
        found = options.started
    except UsageError:
        return None  # which the run will say
    return found if isinstance(found, LocalSpec) else None
