"""The command of a task: ``python payload.pyz FUNCTION ITEMS RESULT`` in the task's directory."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from .guard import Job, Watch, limits_of

# libraries that would take all cores of the host, whatever the task was given
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_MAX_THREADS")


def main(function: str, items: str, result: str) -> None:
    """Do one task, in a child that is watched from here."""
    for name in _THREADS:
        os.environ.setdefault(name, os.environ.get("CORES", "1") or "1")
    job = Job(Path(function), Path(items), Path(result), limits_of(dict(os.environ)))
    Watch(job, lambda notify: _work(job, notify)).finish()


def _work(job: Job, notify: Callable[[int], None]) -> None:
    from .work import execute

    execute(job.function, job.items, job.result, notify)


if __name__ == "__main__":
    main(*sys.argv[1:4])
