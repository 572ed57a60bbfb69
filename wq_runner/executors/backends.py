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
from wq_runner.config.executors import EXECUTORS, LEARNED, LIMITS
from wq_runner.config.nature import Place
from wq_runner.config.options import named
from wq_runner.config.settings import ExecutorSettings
from wq_runner.engine.dask import DaskEngine, Source, local_cluster
from wq_runner.engine.inline import InlineEngine
from wq_runner.engine.parsl import ParslEngine, local_config
from wq_runner.engine.pool import PoolEngine
from wq_runner.engine.protocol import Engine
from wq_runner.environment.overlay import extra_files
from wq_runner.errors import ExecutorSetupError
from wq_runner.system import RunPaths
from wq_runner.terminal import printing
from wq_runner.workers import jobqueue
from wq_runner.workers.local import LocalSpec
from wq_runner.workers.spec import BatchSpec


def make_engine(settings: ExecutorSettings, paths: RunPaths) -> Engine:
    """Make the engine of an executor that is not work_queue; nothing is started yet."""
    match settings.name:
        case "futures":
            return PoolEngine(_processes(settings).count, settings.care)
        case "dask":
            report = paths.root / "dask-report.html"
            return DaskEngine(_dask(settings, paths), report=report, care=settings.care)
        case "parsl":
            return ParslEngine(_parsl(settings, paths), settings.care)
        case _:
            return inline(settings)


def inline(settings: ExecutorSettings) -> InlineEngine:
    """Make the engine that works in this process, where a task has what it would have on a worker."""
    return InlineEngine(None if settings.in_place else extra_files(settings.extra_files))


def _processes(settings: ExecutorSettings) -> LocalSpec:
    assert isinstance(settings.started, LocalSpec)
    return settings.started


def _dask(settings: ExecutorSettings, paths: RunPaths) -> Source:
    if settings.place is Place.DASK_SCHEDULER:
        return lambda: settings.at
    if settings.site is not None:
        wanted = settings.started
        assert isinstance(wanted, BatchSpec)
        site = dataclasses.replace(settings.site, queue=settings.queue or settings.site.queue)
        return lambda: jobqueue.make_cluster(
            site, wanted, paths.workers, python=sys.executable, more=settings.batch_options or ""
        )
    local = _processes(settings)
    memory = local.memory / local.cores if local.memory else None
    return lambda: local_cluster(local.count * local.cores, memory, paths.workers)


def _parsl(settings: ExecutorSettings, paths: RunPaths) -> Callable[[], Any]:
    if settings.place is Place.PARSL_CONFIG:
        return lambda: _users_config(Path(settings.at))
    local = _processes(settings)
    return lambda: local_config(local.count * local.cores, paths.workers)


def _users_config(path: Path) -> Any:
    found = getattr(load(path), "config", None)
    with guarded.code(f"config() of {path} failed", page="executors"):
        found = found() if callable(found) else found
    from parsl.config import Config

    if not isinstance(found, Config):
        raise ExecutorSetupError(
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


def planned(settings: ExecutorSettings) -> str:
    """Say who would do the work."""
    if settings.setup is not None:
        return f"those of {settings.said}, as {settings.setup} makes it"
    match settings.place:
        case Place.DASK_SCHEDULER:
            return f"those of the Dask scheduler {settings.at}"
        case Place.DASK_SITE:
            return f"{settings.started}, as jobs of Dask"
        case Place.PARSL_CONFIG:
            return f"those of Parsl, as {settings.at} says"
        case Place.FUTURES | Place.DASK | Place.PARSL:
            how = {"futures": "", "dask": " of Dask", "parsl": " of Parsl"}[settings.name]
            local = _processes(settings)
            return f"{local.count * local.cores} processes{how} here"
        case _:
            return "this process"


def describe(engine: Engine, settings: ExecutorSettings) -> str:
    """Say who does the work."""
    now = f", {engine.status.workers} now" if settings.place is Place.DASK_SCHEDULER else ""
    return f"{planned(settings)}{now}"


def limits(settings: ExecutorSettings, origins: Mapping[str, str]) -> str:
    """Say in a line what the executor does not give, and what was asked for in vain."""
    place = settings.place
    lacks = EXECUTORS["dask" if place is Place.CUSTOM else settings.name].lacks
    if not settings.is_watched:
        lacks = tuple(LIMITS if one == LEARNED else one for one in lacks)
    vain = [
        f"--{name.replace('_', '-')}"
        for name in named(lambda one: place not in one.heed)
        if origins.get(name, "default") != "default"
    ]
    parts = [f"with {settings.said} nothing {', nothing '.join(lacks)}"] if lacks else []
    return "; ".join([*parts, *([f"without effect: {', '.join(vain)}"] if vain else [])])


@contextlib.contextmanager
def present(engine: Engine, console: Console) -> Iterator[None]:
    """Say where Dask's page is."""
    if isinstance(engine, DaskEngine) and engine.dashboard:
        url = engine.dashboard
        printing.page(console, url, _tunnel(url), label="dashboard")
    yield


def _tunnel(url: str) -> str:
    """Return the command that makes a page of this machine, or of one it sees, work on another."""
    found = urlsplit(url)
    port = found.port or 80
    return f"ssh -N -L {port}:{found.hostname}:{port} {getpass.getuser()}@{socket.getfqdn()}"
