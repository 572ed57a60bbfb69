"""Commands that start workers for a run, to be typed: each as the engine's own program takes it.

Where a name is asked for, it is a regular expression there; what asks the catalog is told of TLS by it.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from wq_runner.workers import factory_file
from wq_runner.workers.batch import USUAL
from wq_runner.workers.batch.batch_system import BatchSystem
from wq_runner.workers.managers import Manager

ONE = ("--cores", "1", "--memory", "4000", "--disk", "8000")
LARGE = ("--cores", "4", "--memory", "16000", "--disk", "16000")
MOST = 20  # workers of a factory


@dataclass(frozen=True, kw_only=True)
class Door:
    """Where workers find a run, and what they present. `catalog` is empty where it is the engine's own."""

    host: str
    port: int
    name: str = ""
    catalog: str = ""
    password_file: Path | None = None
    tls: bool = False

    @classmethod
    def of(cls, manager: Manager) -> Door:
        return cls(
            host=manager.host,
            port=manager.port,
            name=manager.name,
            catalog=manager.catalog or "",
            password_file=Path(manager.password_file) if manager.password_file else None,
            tls=manager.tls,
        )

    @property
    def here_only(self) -> bool:
        """Whether only programs of this machine can ask for the name."""
        return self.catalog.startswith(("127.", "localhost"))

    @property
    def by_name(self) -> str:
        """A worker that asks for the name."""
        return shlex.join(["work_queue_worker", *ONE, *self._password("-P"), *self._named])

    @property
    def by_port(self) -> str:
        """A worker that is told the place."""
        return shlex.join(["work_queue_worker", *ONE, *self._password("-P"), *self._ssl, *self._place])

    @property
    def here(self) -> str:
        """Workers on this machine, which take the rest from the list of this user's runs."""
        return shlex.join(["wq-workers", "local", "4", *self._listed])

    def jobs(self, batch: BatchSystem) -> str:
        """Jobs of the engine's own program if there is one, or jobs that carry their worker and the password.

        Release 9.9's own program writes the path of the password's file here into the arguments of jobs,
        which have it under its name alone; and it looks for a name alone in a directory of its own.
        """
        if not batch.submit_workers or self.password_file is not None:
            return shlex.join(["wq-workers", "submit", batch.name, "10", *LARGE, *self._listed])
        ssl = ["-E", "--ssl"] if self.tls else []  # an option and its value: -E--ssl is not understood
        where = [*ssl, *self._place] if self.here_only or not self.name else self._named
        return shlex.join([batch.submit_workers, *LARGE, *where, "10"])

    @property
    def factory(self) -> str:
        """A factory; empty where its workers could not ask for the name, which they have to."""
        return "" if self.here_only or not self.name else factory(self, USUAL, [f"-W{MOST}", "-w0", *LARGE])

    @property
    def _listed(self) -> list[str]:
        return ["-M", self.name] if self.name else ["--manager", f"{self.host}:{self.port}"]

    @property
    def _named(self) -> list[str]:
        catalog = ["-C", self.catalog] if self.catalog else []
        return [*catalog, "-M", factory_file.escaped(self.name)]

    @property
    def _place(self) -> list[str]:
        return [self.host, str(self.port)]

    @property
    def _ssl(self) -> list[str]:
        return ["--ssl"] if self.tls else []

    def _password(self, option: str) -> list[str]:
        return [option, str(self.password_file)] if self.password_file else []


def factory(door: Door, batch: str, more: list[str], file: str = "") -> str:
    """Return the command of a factory, of the `file` that names the run, or of what `more` says."""
    which = [f"-C{file}"] if file else ["-M", factory_file.escaped(door.name)]
    catalog = [f"--catalog={door.catalog}"] if door.catalog else []  # its -C is another option
    secret = ["-P", str(door.password_file)] if door.password_file else []
    ssl = ["--ssl"] if door.tls else []
    return shlex.join(["work_queue_factory", f"-T{batch}", *which, *catalog, *secret, *ssl, *more])
