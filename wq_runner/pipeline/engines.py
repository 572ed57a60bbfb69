"""From options to a session: which engine, which workers, and what to say while none are there."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from wq_runner import units
from wq_runner.config.options import AUTO, RunOptions
from wq_runner.engine.inline import InlineEngine
from wq_runner.engine.messages import QueueSettings
from wq_runner.engine.work_queue import WorkQueueEngine
from wq_runner.environment import WorkerEnvironment
from wq_runner.execution.allocation import AllocationSettings
from wq_runner.execution.files import FileStore
from wq_runner.execution.phase import LoopSettings
from wq_runner.execution.policy import DEFAULT_BUDGETS, Cause
from wq_runner.execution.policy import Settings as PolicySettings
from wq_runner.execution.session import Session, work_queue_session
from wq_runner.execution.shaping import ShapeSettings
from wq_runner.execution.sums import TreeSettings
from wq_runner.journal import Journal
from wq_runner.model import PerDataset
from wq_runner.pipeline import backends, custom
from wq_runner.pipeline.presence import Attention, announced
from wq_runner.remote.bundle import write_bundle
from wq_runner.system import RunPaths
from wq_runner.units import MB
from wq_runner.workers.choice import Choice, Wish, choose

MOST_INPUTS = 500  # files of one task, however small
_ANY_PORT = (9123, 32767)  # for workers that we start ourselves and that are told the port


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a session is made of. Tasks get the `proxy`."""

    options: RunOptions
    environment: WorkerEnvironment
    paths: RunPaths
    journal: Journal
    console: Console
    proxy: Path | None = None


def make_session(wanted: Wanted) -> Session:
    """Make the session that the options ask for; nothing is started yet."""
    options, paths, console = wanted.options, wanted.paths, wanted.console
    if options.on_work_queue:
        session, choice = _work_queue(wanted)
        session.on_tick = Attention(session, choice, options, paths, console)
        session.presence = announced(session, choice, options, paths, console)
    else:
        session = _elsewhere(options, paths, console)
        session.settings = settings_of(session, options, wanted.environment)
    session.journal = wanted.journal
    session.staging = paths.staging
    session.ledger = paths.ledger
    session.files = FileStore(root=paths.files, naming=options.naming)
    return session


def loop_settings(options: RunOptions, environment: WorkerEnvironment) -> LoopSettings:
    """Translate the options into the loop's settings."""
    adaptive = options.chunksize == AUTO
    return LoopSettings(
        shape=ShapeSettings(task_time=options.task_time, adaptive=adaptive, order=options.order),
        policy=PolicySettings(
            # somebody looks at the first failure: no second one is needed
            budgets={**DEFAULT_BUDGETS, Cause.PROCESSOR: 0} if options.pdb else DEFAULT_BUDGETS,
            skip_bad_files=options.skip_bad_files,
            min_chunk=options.min_chunk,
            max_failed=options.max_failed,
        ),
        allocation=AllocationSettings(
            mode=options.resources_mode,
            cores=options.cores,
            memory=_memory(options.memory),
            disk=_mb(options.disk),
            gpus=options.gpus,
        ),
        tree=_tree(options.treereduction),
        drain_time=options.drain_time,
        paths=environment.paths,
        seed=options.seed,
    )


def _tree(wanted: int | str) -> TreeSettings | None:
    if wanted == "off":
        return None
    if wanted == AUTO:
        return TreeSettings()
    if isinstance(wanted, int):
        return TreeSettings(results=wanted, always=True)
    return TreeSettings(results=MOST_INPUTS, size=units.size(wanted), always=True)


def _memory(size: int | PerDataset[int | None] | None) -> float | PerDataset[float | None] | None:
    if not isinstance(size, PerDataset):
        return _mb(size)
    patterns = tuple((name, _mb(value)) for name, value in size.patterns)
    return PerDataset(default=_mb(size.default), patterns=patterns)


def _mb(size: int | None) -> float | None:
    return None if size is None else size / MB


def starting(options: RunOptions) -> str:
    """Say what is started before there is anything to do."""
    if options.on_work_queue:
        return "starting the queue"
    place = f" at {options.backend.place}" if options.backend.place else ""
    return f"starting {options.backend.name}{place}"


def describe(session: Session, options: RunOptions) -> str:
    """Say who does the work."""
    if session.workers is not None:
        return session.workers.describe()
    if isinstance(session.engine, WorkQueueEngine):
        named = f"as {options.name}, " if options.catalog != "none" else ""
        return f"those that come, {named}port {session.engine.port}"
    return backends.describe(session.engine, options)


def settings_of(session: Session, options: RunOptions, environment: WorkerEnvironment) -> LoopSettings:
    """Return the loop's settings for the engine of a session."""
    settings = loop_settings(options, environment)
    if isinstance(session.engine, InlineEngine):
        # one chunk a task, so that progress is seen chunk by chunk
        shape = dataclasses.replace(settings.shape, task_time=0.0, least_time=0.0)
        settings = dataclasses.replace(settings, shape=shape, tree=None)
    return settings


def _elsewhere(options: RunOptions, paths: RunPaths, console: Console) -> Session:
    if options.executor_custom_setup is not None:
        factory = custom.make_factory(options, paths)
        engine = custom.make_engine(factory)
        if isinstance(engine, InlineEngine):
            engine = backends.inline(options)
        afterwards = custom.closing(factory)
    else:
        engine, afterwards = backends.make_engine(options, paths), lambda: None
    return Session(
        engine=engine,
        afterwards=afterwards,
        wait_time=options.wait_time,
        presence=backends.present(engine, console),
    )


def wish(options: RunOptions, paths: RunPaths) -> Wish:
    """Translate what the options say of workers."""
    return Wish(
        workers=options.started,
        name=options.name or "",
        catalog=options.catalog,
        password_file=options.password_file,
        batch_options=options.batch_options,
        queue=options.queue,
        tls=options.tls,
        directory=paths.workers,
        task_disk=options.disk or 0,
    )


def _work_queue(wanted: Wanted) -> tuple[Session, Choice]:
    options, environment, paths = wanted.options, wanted.environment, wanted.paths
    choice = choose(wish(options, paths))
    default_ports = options.port == RunOptions.port
    queue = QueueSettings(
        payload=write_bundle(paths.staging),
        command=environment.command,
        inputs=environment.inputs,
        proxy=wanted.proxy,
        stall_time=options.stall_time,
        monitor=options.resource_monitor,
        resources_mode=options.resources_mode,
        ports=choice.ports or _ANY_PORT if choice.workers and default_ports else options.port,
        name=choice.name,
        catalog=choice.catalog,
        password_file=choice.password_file,
        tls=options.tls,
        stats_log=paths.stats_log,
        transactions_log=paths.transactions_log,
    )
    session = work_queue_session(
        queue,
        workers=choice.workers,
        logs=paths.workers,
        settings=loop_settings(options, environment),
        wait_time=options.wait_time,
    )
    session.catalog = choice.private
    return session, choice
