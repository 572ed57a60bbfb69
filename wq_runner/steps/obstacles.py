"""What would keep a run from its work, as far as it is cheap to know before anything is made for it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from wq_runner import summary
from wq_runner.config.nature import Place
from wq_runner.errors import EngineError, InputError, WqRunnerError
from wq_runner.executors import backends
from wq_runner.model import Fileset
from wq_runner.samples.paths import is_url
from wq_runner.steps.request import Request
from wq_runner.system import RunPaths
from wq_runner.terminal import printing
from wq_runner.terminal.waiting import waiting
from wq_runner.workers import catalog, choice, controllers, ports

_FILES = 200  # that are looked for, of which the first of each dataset come first
_NAMED = 5


def workers(request: Request) -> choice.Planned:
    """Return who would do the work.

    Raises
    ------
    UsageError
        If options contradict each other, or name a password file that is none.
    """
    executor = request.settings.executor
    if executor.place is Place.DASK_SITE and executor.site is not None:
        return choice.planned_jobs(backends.planned(executor), executor.site.system)
    if not executor.on_work_queue:
        return choice.Planned(text=backends.planned(executor))
    return choice.planned(request.settings.manager.workers)


def check_new(request: Request, fileset: Fileset, console: Console) -> bool:
    """Check a run whose directory has none yet, and say if it was: what is finished needs no workers.

    Raises
    ------
    WqRunnerError
        As `check`; or if a file of this machine is not there, which tasks would read here.
    """
    is_new = summary.look(RunPaths(root=request.directory)) is None
    check(request, console, unless=not is_new)
    if is_new and (error := lacking(request, fileset)):
        raise error
    return is_new


def check(request: Request, console: Console, *, unless: bool = False) -> None:
    """Refuse a run that cannot begin, and say what may be in its way, `unless` that was found out before.

    Raises
    ------
    WqRunnerError
        If a program of the batch system or of the engine is missing, if there is no port, or if what starts
        workers does not answer.
    """
    if unless:
        return
    with waiting(console, "workers", "asking what starts them"):
        for error in found(request):
            raise error
        if text := unheard(request):
            printing.line(console, "note", text)


def found(request: Request) -> Iterator[WqRunnerError]:
    """Yield what is in the way."""
    planned, executor, manager = workers(request), request.settings.executor, request.settings.manager
    if planned.missing is not None:
        yield planned.missing
    elif planned.batch_system and (silent := controllers.silent(planned.batch_system)) is not None:
        yield silent
    if executor.name == "dask" and executor.setup is None:
        silent = controllers.silent_scheduler(executor.at)
        if silent is not None:
            yield silent
    # a session that is kept from run to run has a port already
    needed = executor.on_work_queue and request.keeper is None and manager.needs_its_ports
    if needed and (taken := _taken(*manager.ports)):
        yield EngineError(
            f"the queue could not start: {taken}", hint="try --port 0, which takes any", page="command-line"
        )


def unheard(request: Request) -> str:
    """Say that the catalog does not answer by which workers would find the run; empty if they find it."""
    wish = request.settings.manager.workers
    asked = request.settings.executor.on_work_queue and wish.workers is None and request.keeper is None
    address = catalog.chosen(wish.catalog) if asked and wish.catalog != catalog.LOCAL else None
    why = controllers.unreached(address.host, address.port) if address is not None else ""
    if not why:
        return ""
    return (
        f"the catalog {address} does not answer ({why}): workers that ask it for {wish.name} find no run; "
        "those that are told host and port do. --catalog names another, or none"
    )


def lacking(request: Request, fileset: Fileset) -> InputError | None:
    """Return the error of files that are not there, where all the work is done on this machine."""
    if request.settings.input.skip_bad_files or not request.settings.executor.is_all_here:
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


def _not_there(fileset: Fileset) -> list[str]:
    rows = itertools.zip_longest(*(dataset.files for dataset in fileset))
    files = (file for row in rows for file in row if file is not None)
    local = (file for file in files if not is_url(file.path) and not file.fallbacks)
    return [file.path for file in itertools.islice(local, _FILES) if not Path(file.path).exists()]
