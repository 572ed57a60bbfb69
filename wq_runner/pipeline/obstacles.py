"""What would keep a run from its work, as far as it is cheap to know before anything is made for it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from wq_runner import summary
from wq_runner.config.options import RunOptions
from wq_runner.errors import EngineError, InputError, WqRunnerError
from wq_runner.model import Fileset
from wq_runner.pipeline import backends, engines
from wq_runner.pipeline.request import Request
from wq_runner.samples.paths import is_url
from wq_runner.system import RunPaths
from wq_runner.workers import choice, ports
from wq_runner.workers.spec import are_local

_FILES = 200  # that are looked for, of which the first of each dataset come first
_NAMED = 5


def workers(request: Request) -> choice.Planned:
    """Return who would do the work.

    Raises
    ------
    UsageError
        If options contradict each other, or name a password file that is none.
    """
    options = request.options
    if not options.on_work_queue:
        return choice.Planned(text=backends.planned(options))
    return choice.planned(engines.wish(options, RunPaths(root=request.directory)))


def check_new(request: Request, fileset: Fileset) -> bool:
    """Check a run whose directory has none yet, and say if it was: what is finished needs no workers.

    Raises
    ------
    WqRunnerError
        As `check`; or if a file of this machine is not there, which tasks would read here.
    """
    is_new = summary.look(RunPaths(root=request.directory)) is None
    check(request, unless=not is_new)
    if is_new and (error := lacking(request, fileset)):
        raise error
    return is_new


def check(request: Request, *, unless: bool = False) -> None:
    """Refuse a run that cannot begin, `unless` that was found out before.

    Raises
    ------
    WqRunnerError
        If a program of the batch system or of the engine is missing, or if there is no port.
    """
    for error in () if unless else found(request):
        raise error


def found(request: Request) -> Iterator[WqRunnerError]:
    """Yield what is in the way."""
    planned = workers(request)
    if planned.missing is not None:
        yield planned.missing
    options = request.options
    # workers that the run starts are told any port; a session that is kept from run to run has one already
    chosen = options.port != RunOptions.port or not options.workers
    if options.on_work_queue and request.keeper is None and chosen and (taken := _taken(*options.port)):
        yield EngineError(f"the queue could not start: {taken}", hint="try --port 0, which takes any")


def lacking(request: Request, fileset: Fileset) -> InputError | None:
    """Return the error of files that are not there, where all the work is done on this machine."""
    if request.options.skip_bad_files or not _all_here(request.options):
        return None
    missing = _not_there(fileset)
    if not missing:
        return None
    more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
    return InputError(
        f"{', '.join(missing[:_NAMED])}{more} cannot be read: no such file here, where all is done",
        hint="mend the samples (wq-samples check opens all files); --skip-bad-files leaves such files out, "
        "and says so in the result",
    )


def _taken(low: int, high: int) -> str:
    """Say that something listens at each of the ports; of many, one is free."""
    if not low or high - low >= _FILES or not all(ports.listens_here(port) for port in range(low, high + 1)):
        return ""
    return f"port {low} is taken" if low == high else f"all ports from {low} to {high} are taken"


def _all_here(options: RunOptions) -> bool:
    if options.on_work_queue:
        return are_local(options.workers)
    return not options.backend.place and options.executor_custom_setup is None


def _not_there(fileset: Fileset) -> list[str]:
    rows = itertools.zip_longest(*(dataset.files for dataset in fileset))
    files = (file for row in rows for file in row if file is not None)
    local = (file for file in files if not is_url(file.path) and not file.fallbacks)
    return [file.path for file in itertools.islice(local, _FILES) if not Path(file.path).exists()]
