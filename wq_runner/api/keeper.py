"""The manager and the workers that outlive a run, for the next one."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from dataclasses import dataclass, field
from typing import Any

from wq_runner import system
from wq_runner.config.nature import Place
from wq_runner.config.settings import RunSettings
from wq_runner.environment import WorkerEnvironment
from wq_runner.executors import sessions
from wq_runner.executors.sessions import Wanted
from wq_runner.ledger.side_files import FileStore
from wq_runner.scheduler.phase import StopRequest
from wq_runner.scheduler.session import Session, temporary_directory
from wq_runner.system import RunPaths


@dataclass
class Keeper:
    """The session of the last run, which the next one uses if it asks for the same workers."""

    session: Session | None = None
    _key: tuple[Any, ...] = ()
    _announced: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def make_session(self, wanted: Wanted) -> Session:
        """Return the session of this run, which works in its directory on the engine that is kept."""
        settings, environment, paths = wanted.settings, wanted.environment, wanted.paths
        if settings.executor.place is Place.ITERATIVE:
            # nothing to be kept, and no reason to end what is
            return sessions.make_session(wanted)
        key = _key(settings, environment)
        if self.session is None or key != self._key:
            self.close()
            self._key, self.session = key, self._open(wanted)
        return dataclasses.replace(
            self.session,
            journal=wanted.journal,
            staging=paths.staging,
            ledger=paths.ledger,
            files=FileStore(root=paths.files, naming=settings.output.naming),
            settings=sessions.settings_of(self.session.engine, settings.loop, environment),
            stop=StopRequest(clock=self.session.clock),
        )

    def close(self) -> None:
        """End it."""
        if self.session is not None:
            session, self.session = self.session, None
            try:
                self._announced.close()
            finally:
                session.close()

    def _open(self, wanted: Wanted) -> Session:
        # its own files are not those of a run: a run's directory may be gone before the session
        home = RunPaths(root=temporary_directory())
        system.make_private(home.staging)
        system.make_private(home.workers)
        session = sessions.make_session(dataclasses.replace(wanted, paths=home))
        try:
            session.start()
            self._announced.enter_context(session.presence)
        except BaseException:
            session.close()  # nothing else knows it
            raise
        return dataclasses.replace(session, presence=contextlib.nullcontext())


def _key(settings: RunSettings, environment: WorkerEnvironment) -> tuple[Any, ...]:
    return (environment.command, environment.inputs, *settings.lasting)


@functools.lru_cache(maxsize=1)
def kept() -> Keeper:
    """Return what this process keeps."""
    return Keeper()
