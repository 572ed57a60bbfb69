"""Workers of a site that a package brings: it starts them as it likes, from a script that is ready to run."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from wq_runner import guarded, system
from wq_runner.errors import WqRunnerError
from wq_runner.remote import leftovers
from wq_runner.units import format_size
from wq_runner.workers import kit, managers
from wq_runner.workers.batch.job import Job
from wq_runner.workers.local import write_password

METHODS = ("start", "scale", "describe", "close")
SCALE_INTERVAL = 30.0  # seconds between two requests to replace what ended

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Order:
    """So many workers of one size; memory and disk of each in bytes.

    `script` runs one worker wherever it is executed, without arguments: the engine's program, the manager's
    address and the password are in it. It ends when there is no work for a while.
    """

    script: Path
    count: int
    cores: int
    memory: int
    disk: int


class Provider(Protocol):
    """What an entry point of the group ``wq_runner.sites`` may be; what it raises ends the run."""

    def start(self, order: Order) -> None:
        """Start the workers. Called once; it need not wait for them."""

    def scale(self, count: int) -> None:
        """Have so many: called again and again, so that those that ended are replaced."""

    def describe(self) -> str:
        """Say what this is, in a few words."""

    def close(self) -> None:
        """End all of them. Called once after `start`, whatever happened, and may be all that is called.

        The output is written by then: what it raises is a warning.
        """


def is_provider(found: object) -> bool:
    return all(callable(getattr(found, name, None)) for name in METHODS)


class ProvidedWorkers:
    """Keeps the workers of a provider for a run."""

    def __init__(
        self, name: str, provider: Provider, job: Job, *, directory: Path, tls: bool = False
    ) -> None:
        self._name = name
        self._tls = tls
        self._provider = provider
        self._job = job
        self._script = directory / "wq-worker.sh"
        self._private = Path(tempfile.mkdtemp(prefix=leftovers.prefix("site")))
        self.password_file = self._private / "password"
        self._next = 0.0
        self._started = False

    def describe(self) -> str:
        one = self._job
        cores = "1 core" if one.cores == 1 else f"{one.cores} cores"
        return (
            f"{one.count} of {self._call(self._provider.describe)}, {cores}, {format_size(one.memory)} each"
        )

    def prepare(self) -> None:
        """Make the password, before the queue starts that asks for it."""
        system.make_private(self._private)
        if not self.password_file.exists():
            write_password(self.password_file)

    def start(self, port: int) -> None:
        """Write the script of a worker, and hand it over.

        Raises
        ------
        ProcessorError
            If the provider raised something.
        """
        job = self._job
        kit.write(
            kit.Kit(
                managers=f"{managers.this_host()}:{port}",
                password=self.password_file.read_text(encoding="ascii"),
                arguments=[*job.worker_arguments, *(["--ssl"] if self._tls else [])],
            ),
            self._script,
        )
        self._started = True
        order = Order(
            script=self._script.absolute(),
            count=job.count,
            cores=job.cores,
            memory=job.memory,
            disk=job.disk,
        )
        self._call(lambda: self._provider.start(order))
        self._next = time.monotonic() + SCALE_INTERVAL

    def keep_alive(self, joined: int = 0) -> None:  # noqa: ARG002 - as all providers
        """Have those replaced that ended.

        Raises
        ------
        ProcessorError
            If the provider raised something.
        """
        if self._started and time.monotonic() > self._next:
            self._next = time.monotonic() + SCALE_INTERVAL
            self._call(lambda: self._provider.scale(self._job.count))

    def stop(self) -> None:
        """End them. What fails then is said, and ends nothing: the run is done."""
        try:
            if self._started:
                self._started = False
                self._call(self._provider.close)
        except WqRunnerError as error:
            log.warning("%s; its workers may still run", error.message, exc_info=True)
        finally:
            self._script.unlink(missing_ok=True)
            shutil.rmtree(self._private, ignore_errors=True)

    def _call(self, what: Callable[[], T]) -> T:
        hint = "wq-workers sites list names the package that brings it"
        with guarded.code(f"the site {self._name} failed", hint=hint, page="sites"):
            return what()
