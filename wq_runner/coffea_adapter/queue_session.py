"""The session of a WorkQueueExecutor: its queue, the workers that it starts, and where their files are."""

from __future__ import annotations

import atexit
import dataclasses
import getpass
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wq_runner import system
from wq_runner.coffea_adapter.inherited import Understood
from wq_runner.engine.messages import QueueSettings
from wq_runner.engine.work_queue import WorkQueueEngine
from wq_runner.environment import WorkerEnvironment
from wq_runner.errors import ExecutorArgumentError
from wq_runner.remote.bundle import write_bundle
from wq_runner.scheduler import kept_columns
from wq_runner.scheduler.phase import LoopSettings
from wq_runner.scheduler.session import Session, temporary_directory, work_queue_session
from wq_runner.workers import choice, proxy, spec
from wq_runner.workers.local import LocalSpec, LocalWorkers

DEFAULT_PORTS = (9123, 9130)
_ANY_PORT = (9123, 32767)  # for workers that we start ourselves and that are told the port


@dataclass(frozen=True, kw_only=True)
class Logs:
    """A directory of logs, and files that have a place of their own; None is not kept."""

    directory: Path | None = None
    queue: Path | None = None
    stats: Path | None = None
    transactions: Path | None = None

    def make(self) -> None:
        """Make the directories."""
        if self.directory is not None:
            system.make_private(self.directory)
        for path in (self.queue, self.stats, self.transactions):
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)


def logs_of(directory: Any, *, queue: Any = None, stats: Any = None, transactions: Any = None) -> Logs:
    """Return the logs that a call names, wherever the process goes afterwards."""
    here = Path(directory).absolute() if directory is not None else None

    def place(said: Any, name: str) -> Path | None:
        return Path(said).absolute() if said else here / name if here else None

    return Logs(
        directory=here,
        queue=place(queue, "queue.log"),
        stats=place(stats, "stats.log"),
        transactions=place(transactions, "transactions.log"),
    )


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a session is made of. `directory` is for files of tasks, instead of the system's own place."""

    said: Understood
    workers: spec.Wanted | None
    ports: tuple[int, int]
    environment: WorkerEnvironment
    logs: Logs
    password_file: Path | None = None
    directory: Path | None = None
    queue: str | None = None
    batch_options: str | None = None
    seed: int | None = None
    column_cache: str = "off"


def make(wanted: Wanted) -> Session:
    """Make the session; nothing is started.

    Raises
    ------
    UsageError
        If what is asked for contradicts itself, or a directory cannot be used.
    """
    said, environment, logs = wanted.said, wanted.environment, wanted.logs
    try:
        logs.make()
        staging = temporary_directory() if wanted.directory is None else _below(wanted.directory)
    except OSError as error:
        raise ExecutorArgumentError(
            f"{error.filename or wanted.directory} cannot be used: {error.strerror or error}"
        ) from error
    queue = QueueSettings(
        payload=write_bundle(staging),
        command=environment.command,
        inputs=environment.inputs,
        ports=wanted.ports,
        name=said.name,
        password_file=wanted.password_file,
        tls=said.tls,
        monitor=said.monitor,
        resources_mode=said.allocation.mode,
        stats_log=logs.stats,
        transactions_log=logs.transactions,
    )
    rest: dict[str, Any] = {
        "settings": LoopSettings(
            paths=environment.paths,
            seed=wanted.seed,
            allocation=said.allocation,
            columns=kept_columns.wish(wanted.column_cache),
        ),
        "logs": logs.directory,
        "child_log": logs.queue,
        "staging": staging,
    }
    if wanted.workers is None:
        return work_queue_session(queue, **rest)
    if isinstance(wanted.workers, LocalSpec):
        workers = LocalWorkers(wanted.workers, logs=logs.directory, tls=said.tls)
        return work_queue_session(queue, workers=workers, **rest)
    return _of_batch_system(wanted, queue, rest)


def _of_batch_system(wanted: Wanted, queue: QueueSettings, rest: dict[str, Any]) -> Session:
    """Have workers started by a factory, whose files are where the nodes of a cluster see them."""
    ours = wanted.said.name or f"{_user()}-wq-runner-{os.getpid()}"
    # made only when it is needed: what is wrong is said before
    directory = wanted.logs.directory or wanted.directory or Path.cwd()
    chosen = choice.choose(
        choice.Wish(
            workers=wanted.workers,
            name=ours,
            catalog=None,
            password_file=str(wanted.password_file) if wanted.password_file else None,
            batch_options=wanted.batch_options,
            queue=wanted.queue,
            tls=wanted.said.tls,
        ),
        _below(directory, "wq-runner-workers-"),
    )
    ports = chosen.ports or (_ANY_PORT if wanted.ports == DEFAULT_PORTS else wanted.ports)
    queue = dataclasses.replace(queue, ports=ports, name=chosen.name, catalog=chosen.catalog)
    return work_queue_session(queue, workers=chosen.workers, catalog=chosen.private, **rest)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no name for this user id, as in some containers
        return "user"


def _below(directory: Path, prefix: str = "wq-runner-files-") -> Path:
    """Make a directory that is removed when this process ends."""
    directory.mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix=prefix, dir=directory)).absolute()
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


# -- the proxy


def carry_proxy(session: Session, values: Iterable[Any], said: str | Path | bool | None) -> None:
    """Have tasks take this user's X509 proxy along, if files are read over XRootD elsewhere.

    It is looked for before the queue starts; False leaves it here.

    Raises
    ------
    UsageError
        If the file that was named has no certificate.
    """
    engine = session.engine
    if said is False or session.started or not isinstance(engine, WorkQueueEngine):
        return
    named = None if said is None or said is True else Path(said)
    if named is None and (isinstance(session.workers, LocalWorkers) or not _over_xrootd(values)):
        return
    found = proxy.find(named)
    if found is None or not found.expires:
        if named is not None:
            raise ExecutorArgumentError(
                f"x509_proxy={str(named)!r}: there is no certificate in it", hint=proxy.RENEW
            )
        return
    courier = proxy.Courier(found, session.staging_directory() / "proxy")
    engine.carry(courier.copy)
    session.care_for(courier.refresh)


def _over_xrootd(values: Iterable[Any]) -> bool:
    return any(str(getattr(one, "filename", "")).startswith("root://") for one in values)
