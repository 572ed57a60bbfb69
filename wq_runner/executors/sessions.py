"""From settings to a session: which engine, which workers, and what to say while none are there."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from wq_runner.config.settings import ExecutorSettings, RunSettings
from wq_runner.engine.inline import InlineEngine
from wq_runner.engine.messages import QueueSettings
from wq_runner.engine.protocol import Engine
from wq_runner.engine.work_queue import WorkQueueEngine
from wq_runner.environment import WorkerEnvironment
from wq_runner.executors import backends, custom
from wq_runner.executors.presence import Attention, announced
from wq_runner.journal import Journal
from wq_runner.ledger.side_files import FileStore
from wq_runner.remote.bundle import write_bundle
from wq_runner.scheduler.phase import LoopSettings
from wq_runner.scheduler.session import Session, work_queue_engine
from wq_runner.system import RunPaths
from wq_runner.workers import catalog
from wq_runner.workers.choice import choose

_ANY_PORT = (9123, 32767)  # for workers that we start ourselves and that are told the port


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a session is made of. Tasks get the `proxy`."""

    settings: RunSettings
    environment: WorkerEnvironment
    paths: RunPaths
    journal: Journal
    console: Console
    proxy: Path | None = None


def make_session(wanted: Wanted) -> Session:
    """Make the session that is asked for; nothing is started yet."""
    return _work_queue(wanted) if wanted.settings.executor.on_work_queue else _elsewhere(wanted)


def _common(wanted: Wanted, engine: Engine) -> dict[str, Any]:
    """Return what a session has, whatever its engine is."""
    settings, paths = wanted.settings, wanted.paths
    return {
        "settings": settings_of(engine, settings.loop, wanted.environment),
        "wait_time": settings.executor.wait_time,
        "journal": wanted.journal,
        "staging": paths.staging,
        "ledger": paths.ledger,
        "files": FileStore(root=paths.files, naming=settings.output.naming),
    }


def settings_of(engine: Engine, settings: LoopSettings, environment: WorkerEnvironment) -> LoopSettings:
    """Return the loop's settings for the engine and the environment of a session."""
    settings = dataclasses.replace(settings, paths=environment.paths)
    if isinstance(engine, InlineEngine):
        # one chunk a task, so that progress is seen chunk by chunk
        shape = dataclasses.replace(settings.shape, task_time=0.0, least_time=0.0)
        settings = dataclasses.replace(settings, shape=shape, tree=None)
    return settings


def starting(settings: ExecutorSettings) -> str:
    """Say what is started before there is anything to do."""
    if settings.on_work_queue:
        return "starting the queue"
    place = f" at {settings.at}" if settings.at else ""
    return f"starting {settings.name}{place}"


def describe(session: Session, settings: RunSettings) -> str:
    """Say who does the work."""
    if session.workers is not None:
        return session.workers.describe()
    if isinstance(session.engine, WorkQueueEngine):
        wish = settings.manager.workers
        named = f"as {wish.name}, " if wish.catalog != catalog.NONE else ""
        return f"those that come, {named}port {session.engine.port}"
    return backends.describe(session.engine, settings.executor)


def _elsewhere(wanted: Wanted) -> Session:
    settings, paths = wanted.settings.executor, wanted.paths
    if settings.setup is not None:
        factory = custom.make_factory(settings, paths)
        engine = custom.make_engine(factory)
        if isinstance(engine, InlineEngine):
            engine = backends.inline(settings)
        afterwards = custom.closing(factory)
    else:
        engine, afterwards = backends.make_engine(settings, paths), lambda: None
    return Session(
        engine=engine,
        afterwards=afterwards,
        presence=backends.present(engine, wanted.console),
        **_common(wanted, engine),
    )


def _work_queue(wanted: Wanted) -> Session:
    manager, environment, paths = wanted.settings.manager, wanted.environment, wanted.paths
    choice = choose(manager.workers, paths.workers)
    any_port = choice.workers is not None and manager.usual_ports
    queue = QueueSettings(
        payload=write_bundle(paths.staging),
        command=environment.command,
        inputs=environment.inputs,
        proxy=wanted.proxy,
        stall_time=manager.stall_time,
        monitor=manager.resource_monitor,
        resources_mode=manager.resources_mode,
        ports=choice.ports or _ANY_PORT if any_port else manager.ports,
        name=choice.name,
        catalog=choice.catalog,
        password_file=choice.password_file,
        tls=manager.workers.tls,
        stats_log=paths.stats_log,
        transactions_log=paths.transactions_log,
    )
    engine = work_queue_engine(queue, choice.workers, log=paths.workers / "queue.log")
    return Session(
        engine=engine,
        workers=choice.workers,
        catalog=choice.private,
        on_tick=Attention(engine, choice, manager, paths, wanted.console),
        presence=announced(engine, choice, manager, paths, wanted.console),
        **_common(wanted, engine),
    )
