"""The executors besides work_queue: from options to an engine, and what to say of it."""

from __future__ import annotations

import contextlib
import dataclasses
import getpass
import importlib.util
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console

from wq_runner import guarded
from wq_runner.config.executors import EXECUTORS, LEARNED, LIMITS, check_installed
from wq_runner.config.nature import WATCHED, Place
from wq_runner.config.options import RunOptions, named
from wq_runner.engine.care import Care
from wq_runner.engine.dask import DaskEngine, Source, local_cluster
from wq_runner.engine.inline import InlineEngine
from wq_runner.engine.parsl import ParslEngine, local_config
from wq_runner.engine.pool import PoolEngine
from wq_runner.engine.protocol import Engine
from wq_runner.environment.overlay import extra_files
from wq_runner.errors import UsageError
from wq_runner.pipeline import say
from wq_runner.system import RunPaths
from wq_runner.workers import jobqueue, sites
from wq_runner.workers.spec import BatchSpec


def check(options: RunOptions) -> None:
    """Check what can be wrong with the executor before anything starts.

    Raises
    ------
    UsageError
        If a package, a site, a file or a number is missing.
    """
    if options.executor_custom_setup is not None:
        return
    backend = options.backend
    if (name := options.dask_site) is not None:
        check_installed("dask", extra=("dask_jobqueue",))
        wanted = options.started
        assert isinstance(wanted, BatchSpec)
        if (system := wanted.system) not in jobqueue.CLASSES:
            raise UsageError(
                f"--executor {options.executor}: Dask cannot start workers by {system}",
                hint=f"it can by {' and '.join(jobqueue.CLASSES)}; or -e work_queue@{name}",
            )
        return
    check_installed(backend.name)
    if backend.name == "parsl" and backend.place and not Path(backend.place).is_file():
        raise UsageError(
            f"--executor {options.executor}: no such file {backend.place}",
            hint=f"looked in {Path.cwd()}; it has to define `config`, a parsl.config.Config",
        )
    _ = options.started  # that it can be understood


def make_engine(options: RunOptions, paths: RunPaths) -> Engine:
    """Make the engine of an executor that is not work_queue; nothing is started yet."""
    match options.backend.name:
        case "futures":
            return PoolEngine(options.processes.count, _care(options))
        case "dask":
            report = paths.root / "dask-report.html"
            return DaskEngine(_dask(options, paths), report=report, care=_care(options))
        case "parsl":
            return ParslEngine(_parsl(options, paths), _care(options))
        case _:
            return inline(options)


def _is_watched(options: RunOptions) -> bool:
    """Say whether processes are ours, and so ours to end."""
    return options.place in WATCHED


def _care(options: RunOptions) -> Care:
    if not _is_watched(options):
        return Care()
    return Care(stall=options.stall_time or None, memory=options.memory is not None)


def inline(options: RunOptions) -> InlineEngine:
    """Make the engine that works in this process, where a task has what it would have on a worker."""
    return InlineEngine(None if options.in_place else extra_files(options.extra_file))


def _dask(options: RunOptions, paths: RunPaths) -> Source:
    place = options.backend.place
    if "://" in place:
        return lambda: place
    if place:
        wanted = options.started
        assert isinstance(wanted, BatchSpec)
        site = sites.find(place)
        site = dataclasses.replace(site, queue=options.queue or site.queue)
        return lambda: jobqueue.make_cluster(
            site, wanted, paths.workers, python=sys.executable, more=options.batch_options or ""
        )
    local = options.processes
    memory = local.memory / local.cores if local.memory else None
    return lambda: local_cluster(local.count * local.cores, memory, paths.workers)


def _parsl(options: RunOptions, paths: RunPaths) -> Callable[[], Any]:
    if options.backend.place:
        return lambda: _users_config(Path(options.backend.place))
    local = options.processes
    return lambda: local_config(local.count * local.cores, paths.workers)


def _users_config(path: Path) -> Any:
    found = getattr(load(path), "config", None)
    with guarded.code(f"config() of {path} failed", page="executors"):
        found = found() if callable(found) else found
    from parsl.config import Config

    if not isinstance(found, Config):
        raise UsageError(
            f"{path} defines no `config` that is a parsl.config.Config, but {type(found).__name__}",
            hint="config = Config(executors=[...]), or a function config() that returns it",
        )
    return found


def load(path: Path) -> ModuleType:
    """Import a file of the user.

    Raises
    ------
    ProcessorError
        If it fails.
    """
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    with guarded.code(f"{path} cannot be imported", page="executors"):
        specification.loader.exec_module(module)
    return module


# -- what is said


def planned(options: RunOptions) -> str:
    """Say who would do the work."""
    own = options.executor_custom_setup is not None
    if options.backend.name == "dask" and "://" in options.backend.place and not own:
        return f"those of the Dask scheduler {options.backend.place}"
    return _described(options)


def describe(engine: Engine, options: RunOptions) -> str:
    """Say who does the work."""
    if (
        options.backend.name == "dask"
        and "://" in options.backend.place
        and not options.executor_custom_setup
    ):
        return f"{planned(options)}, {engine.status.workers} now"
    return _described(options)


def _described(options: RunOptions) -> str:
    if options.executor_custom_setup is not None:
        return f"those of {options.executor}, as {options.executor_custom_setup} makes it"
    place = options.backend.place
    match options.backend.name:
        case "dask" if place:
            wanted = options.started
            assert isinstance(wanted, BatchSpec)
            return f"{wanted}, as jobs of Dask"
        case "parsl" if place:
            return f"those of Parsl, as {place} says"
        case "futures" | "dask" | "parsl" as name:
            how = {"futures": "", "dask": " of Dask", "parsl": " of Parsl"}[name]
            local = options.processes
            return f"{local.count * local.cores} processes{how} here"
        case _:
            return "this process"


def limits(options: RunOptions, origins: Mapping[str, str]) -> str:
    """Say in a line what the executor does not give, and what was asked for in vain."""
    place = options.place
    lacks = EXECUTORS["dask" if place is Place.CUSTOM else options.backend.name].lacks
    if not _is_watched(options):
        lacks = tuple(LIMITS if one == LEARNED else one for one in lacks)
    vain = [
        f"--{name.replace('_', '-')}"
        for name in named(lambda one: place not in one.heed)
        if origins.get(name, "default") != "default"
    ]
    parts = [f"{options.executor} has no {', no '.join(lacks)}"] if lacks else []
    return "; ".join([*parts, *([f"without effect: {', '.join(vain)}"] if vain else [])])


@contextlib.contextmanager
def present(engine: Engine, console: Console) -> Iterator[None]:
    """Say where Dask's page is."""
    if isinstance(engine, DaskEngine) and engine.dashboard:
        url = engine.dashboard
        say.page(console, url, _tunnel(url), label="dashboard")
    yield


def _tunnel(url: str) -> str:
    """Return the command that makes a page of this machine, or of one it sees, work on another."""
    found = urlsplit(url)
    port = found.port or 80
    return f"ssh -N -L {port}:{found.hostname}:{port} {getpass.getuser()}@{socket.getfqdn()}"
