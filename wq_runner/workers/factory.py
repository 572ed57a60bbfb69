"""Workers of a batch system, kept up by a `work_queue_factory` that ends with the run."""

from __future__ import annotations

import contextlib
import logging
import shlex
import shutil
import signal
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wq_runner import system
from wq_runner.errors import BatchSystemError
from wq_runner.remote import leftovers
from wq_runner.units import MB, format_size
from wq_runner.workers import factory_file, kit, managers
from wq_runner.workers.batch import SYSTEMS
from wq_runner.workers.catalog import Address
from wq_runner.workers.factory_file import FactoryFile
from wq_runner.workers.factory_words import JOBS, SAID, Complaints, FileWatch, Unable
from wq_runner.workers.leash import Leash
from wq_runner.workers.local import find_program, write_password

log = logging.getLogger(__name__)

GRACE = 60.0  # seconds a factory may take to remove its jobs
RESTARTS = 3
LOOK_INTERVAL = 2.0


@dataclass(frozen=True, kw_only=True)
class FactorySettings:
    """What a factory starts, and for whom. Memory and disk of a worker are in bytes."""

    system: str
    name: str
    catalog: Address
    count: int
    cores: int = 1
    memory: int = 4000 * MB
    disk: int = 8000 * MB
    timeout: int = 300
    batch_options: str = ""
    requirements: str = ""
    image: str = ""
    scratch: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)


def file_of(settings: FactorySettings) -> FactoryFile:
    """Return what the factory's file says."""
    memory, disk = settings.memory // MB, settings.disk // MB
    batch = SYSTEMS[settings.system]
    return FactoryFile(
        manager_name=factory_file.escaped(settings.name),
        max_workers=settings.count,
        min_workers=settings.count,  # not by what the catalog says, which is up to a minute old
        workers_per_cycle=factory_file.ALL,
        cores=settings.cores,
        memory=None if batch.memory(memory) else memory,
        disk=disk,
        timeout=settings.timeout,
        condor_requirements=settings.requirements or None if batch.takes_requirements else None,
        worker_extra_options=factory_file.extra_options(settings.system, settings.memory),
    )


def batch_options(settings: FactorySettings) -> str:
    """Return the options for the batch system; what jobs say on standard error comes back, for `Unable`."""
    batch = SYSTEMS[settings.system]
    memory = batch.memory(settings.memory // MB)
    return batch.joined(memory, batch.errors(JOBS, SAID), settings.batch_options)


def command(
    program: str,
    settings: FactorySettings,
    *,
    file: Path,
    scratch: Path,
    worker: Path,
    password: Path,
    tls: bool = False,
) -> list[str]:
    """Return the command of the factory."""
    options = batch_options(settings)
    return [
        program,
        f"--batch-type={settings.system}",
        f"--config-file={file}",
        f"--catalog={settings.catalog}",
        f"--password={password}",
        f"--scratch-dir={scratch}",
        f"--worker-binary={worker}",
        *([f"--batch-options={options}"] if options else []),
        *(["--ssl"] if tls else []),
    ]


def describe(one: FactorySettings) -> str:
    """Say how many workers there are to be, and of what size."""
    cores = "1 core" if one.cores == 1 else f"{one.cores} cores"
    return f"{one.count} of {one.system}, {cores}, {format_size(one.memory)} each"


def find_programs(batch_system: str) -> str:
    """Return the factory's program, which needs those of the batch system.

    Raises
    ------
    EngineError
        If one is not here.
    """
    find_commands(batch_system)
    return find_program("work_queue_factory")


def find_commands(batch_system: str) -> None:
    """Look for the commands of a batch system.

    Raises
    ------
    EngineError
        If one is not here.
    """
    for needed in (SYSTEMS[batch_system].submit, SYSTEMS[batch_system].remove):
        if shutil.which(needed) is None:
            raise BatchSystemError(
                f"{needed} is not on PATH, so no {batch_system} workers can be started here",
                hint="start wq-run where jobs are submitted, or workers by hand: wq-workers local 4",
            )


class FactoryWorkers:
    """Keeps a factory alive for a run. `directory` must be one that the nodes of a Slurm cluster see."""

    def __init__(self, settings: FactorySettings, *, directory: Path, tls: bool = False) -> None:
        self.settings = settings
        self._tls = tls
        self._program = find_programs(settings.system)
        self._directory = directory
        self._private = Path(tempfile.mkdtemp(prefix=leftovers.prefix("factory")))
        self.password_file = self._private / "password"
        self._leash: Leash | None = None
        # the name under which release 9.9 sends it to HTCondor, whatever it is called
        self._worker = directory / "work_queue_worker"
        self._restarts = 0
        self._orphaned = False
        self._complaints = Complaints(self.log)
        self._unable = Unable(directory)
        self._watch: FileWatch | None = None
        self._next_look = 0.0

    @property
    def log(self) -> Path:
        return self._directory / "factory.log"

    @property
    def file(self) -> Path:
        """Its factory.json, which may be edited while it runs."""
        return self._directory / "factory.json"

    def describe(self) -> str:
        return describe(self.settings)

    def prepare(self) -> None:
        """Make the directories and the password, before the queue starts that asks for it."""
        system.make_private(self._directory)
        system.make_private(self._private)
        if not self.password_file.exists():
            write_password(self.password_file)

    def start(self, port: int) -> None:
        """Write the files of the factory, and start it."""
        settings = self.settings
        kit.write(
            kit.Kit(
                managers=f"{managers.this_host()}:{port}", image=settings.image, scratch=settings.scratch
            ),
            self._worker,
        )
        with system.replacing(self.file, "w") as stream:
            stream.write(factory_file.text_of(file_of(settings)))
        self._watch = FileWatch(self.file)
        self._start()

    def _start(self) -> None:
        # not `scratch` itself: two factories in one would read each other's jobs
        scratch = Path(tempfile.mkdtemp(prefix="factory-", dir=self._directory))
        line = command(
            self._program,
            self.settings,
            file=self.file,
            scratch=scratch,
            worker=self._worker,
            password=self.password_file,
            tls=self._tls,
        )
        log.info("$ %s", shlex.join(line))
        self._leash = Leash(line, log=self.log, cwd=scratch, env=self.settings.environ)

    def keep_alive(self, joined: int = 0) -> None:  # noqa: ARG002 - as all providers
        """Start the factory again if it ended.

        Raises
        ------
        EngineError
            If it ends again and again.
        """
        if self._leash is None:
            return
        self._listen()
        if self._leash.alive:
            return
        code = self._leash.process.returncode
        self._leash.stop()
        self._orphaned = True
        self._restarts += 1
        if self._restarts > RESTARTS:
            raise BatchSystemError(
                f"the {self.settings.system} factory ends as soon as it starts (exit code {code})",
                hint=f"what it said is in {self.log}",
            )
        log.warning("the %s factory ended (exit code %s); started again", self.settings.system, code)
        self._start()

    def _listen(self) -> None:
        """Say what the factory complains about, and what is wrong with its file if somebody edited it."""
        if self._watch is None or time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_INTERVAL
        for text in self._complaints.news():
            log.warning("the factory says: %s", text)
        for text in [*self._unable.news(), *self._watch.news()]:
            log.warning("%s", text)

    def stop(self) -> None:
        """End the factory, which removes its jobs first."""
        if self._leash is not None:
            self._leash.stop(grace=GRACE)
            # it removes one job after the other, and a batch system may take seconds for each
            self._orphaned |= self._leash.process.returncode == -signal.SIGKILL
            self._leash = None
        if self._orphaned:
            self._remove_orphans()
        shutil.rmtree(self._private, ignore_errors=True)
        self._worker.unlink(missing_ok=True)
        for scratch in self._directory.glob("factory-*"):
            shutil.rmtree(scratch, ignore_errors=True)

    def _remove_orphans(self) -> None:
        """Remove the jobs of factories that could not do so any more."""
        batch = SYSTEMS[self.settings.system]
        found = [job for scratch in self._directory.glob("factory-*") for job in batch.left(scratch)]
        if found:
            with contextlib.suppress(system.CommandError):  # they ended by themselves
                system.run([batch.remove, *found])
