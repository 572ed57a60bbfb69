"""From what the user says to who starts workers, where the name is told, and what workers must present."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from wq_runner import units
from wq_runner.errors import EngineError, WorkersError
from wq_runner.workers import Workers, catalog, factory, local, passwords, sites, spec
from wq_runner.workers.batch import SYSTEMS, several
from wq_runner.workers.batch.job import Job
from wq_runner.workers.catalog import Address, PrivateCatalog
from wq_runner.workers.factory import FactorySettings, FactoryWorkers
from wq_runner.workers.local import LocalSpec, LocalWorkers
from wq_runner.workers.provided import ProvidedWorkers, Provider
from wq_runner.workers.sites import Site


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the options say. `task_disk` are the bytes that a task asks for, if that is said."""

    workers: spec.Wanted | None
    name: str
    catalog: str | None
    password_file: str | None
    batch_options: str | None
    queue: str | None = None
    tls: bool = False
    task_disk: float = 0


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Who starts workers, the catalog to start, and how the queue presents itself."""

    workers: Workers | None
    private: PrivateCatalog | None
    name: str | None
    catalog: str | None
    password_file: Path | None
    ports: tuple[int, int] | None = None


def choose(wish: Wish, directory: Path) -> Choice:
    """Make the choice; nothing is started. Files of workers go to the directory.

    Raises
    ------
    UsageError
        If options contradict each other, or cannot be understood.
    """
    wanted = _wanted(wish)
    if isinstance(wanted, spec.BatchSpec):
        site = sites.find(wanted.site) if wanted.site else None
        if site is not None and site.provider is not None:
            return _provided(wish, wanted, site, site.provider, directory)
        return _batch(wish, wanted, directory)
    private = PrivateCatalog(catalog.local(), log=_log(directory)) if wish.catalog == catalog.LOCAL else None
    if isinstance(wanted, LocalSpec):
        return Choice(
            workers=LocalWorkers(wanted, logs=directory, tls=wish.tls, task_disk=wish.task_disk),
            private=private,
            name=wish.name if wish.catalog not in {None, catalog.NONE} else None,
            catalog=_told(wish.catalog),
            password_file=None,
        )
    return Choice(
        workers=None,
        private=private,
        name=None if wish.catalog == catalog.NONE else wish.name,
        catalog=_told(wish.catalog),
        password_file=passwords.chosen(wish.password_file),
    )


@dataclass(frozen=True, kw_only=True)
class Planned:
    """Who would do the work, said in a line, and what keeps them from it on this machine."""

    text: str
    missing: EngineError | None = None
    batch_system: str = ""


def planned(wish: Wish) -> Planned:
    """Look at what can be known before anything is made or started.

    Raises
    ------
    UsageError
        As `choose` does; also if the password file is none.
    """
    wanted = _wanted(wish)
    if isinstance(wanted, LocalSpec):
        free = shutil.disk_usage(tempfile.gettempdir()).free
        text = local.describe(wanted.count, local.shape(wanted, free, wish.task_disk))
        return Planned(text=text, missing=_missing(local.find_program))
    if wanted is None:
        if wish.password_file != passwords.AUTO:  # which would be made
            passwords.chosen(wish.password_file)
        return Planned(text="those that come" + (f", as {wish.name}" if wish.catalog != catalog.NONE else ""))
    site = sites.find(wanted.site) if wanted.site else None
    at = f" at {site.name}" if site else ""
    if site is not None and site.provider is not None:
        return Planned(text=f"{wanted.count}{at}")
    settings, _ = _settings(wish, wanted, catalog.default())
    text = f"{factory.describe(settings)}{at}"
    if settings.batch_options:
        text += f" ({'; '.join(settings.batch_options.splitlines())})"
    missing = _missing(factory.find_programs, wanted.system)
    return Planned(text=text, missing=missing, batch_system=wanted.system)


def planned_jobs(text: str, batch_system: str) -> Planned:
    """Return who works in jobs that somebody else than us submits."""
    return Planned(
        text=text, missing=_missing(factory.find_commands, batch_system), batch_system=batch_system
    )


def _missing(find: Callable[..., object], *names: str) -> EngineError | None:
    try:
        find(*names)
    except EngineError as error:
        return error
    return None


def _wanted(wish: Wish) -> spec.Wanted | None:
    """Return the workers that are asked for, if the options do not contradict each other."""
    wanted = wish.workers
    if wanted is not None and wish.password_file is not None:
        raise WorkersError(
            "--password-file is for workers that are started elsewhere, not for those of a run"
        )
    if isinstance(wanted, spec.BatchSpec):
        return wanted
    if wish.queue:
        raise WorkersError(
            f"the queue {wish.queue} is one of a batch system, and no workers are started by one",
            hint="name it: --workers condor, condor@SITE or slurm (wq-workers sites list), with --scaleout N",
        )
    if wish.batch_options:
        raise WorkersError(f"--batch-options is for workers of a batch system: --workers {several('{}:N')}")
    return wanted


def _told(text: str | None) -> str | None:
    """Return the catalog as the engine takes it; None leaves it to the engine."""
    address = catalog.chosen(text) if text else None
    return str(address) if address else None


def _log(directory: Path) -> Path:
    return directory / "catalog.log"


def _provided(wish: Wish, wanted: spec.BatchSpec, site: Site, provider: Provider, directory: Path) -> Choice:
    """Workers that a package starts: they are told host and port, so that no catalog is needed."""
    if wish.batch_options:
        raise WorkersError(f"--batch-options is for batch systems, and {site.name} starts workers by itself")
    if wanted.system != site.system:
        raise WorkersError(f"{site.name} has {site.system}, not {wanted.system}", hint=f"{site.name}:N")
    cores = wanted.cores or site.cores
    memory = wanted.memory or site.memory // site.cores * cores
    job = Job(count=wanted.count, cores=cores, memory=memory, disk=wanted.disk or site.disk)
    private = PrivateCatalog(catalog.local(), log=_log(directory)) if wish.catalog == catalog.LOCAL else None
    return Choice(
        workers=ProvidedWorkers(site.name, provider, job, directory=directory, tls=wish.tls),
        private=private,
        name=wish.name if wish.catalog not in {None, catalog.NONE} else None,
        catalog=_told(wish.catalog),
        password_file=None,
        ports=units.ports(site.ports) if site.ports else None,
    )


def _batch(wish: Wish, wanted: spec.BatchSpec, directory: Path) -> Choice:
    private = None
    address: Address
    if wish.catalog in {None, catalog.NONE}:
        # the factory asks it which manager needs how many; workers are told host and port
        address = catalog.free_address()
        private = PrivateCatalog(address, log=_log(directory))
    elif wish.catalog == catalog.LOCAL:
        address = catalog.local()
        private = PrivateCatalog(address, log=_log(directory))
    else:
        address = catalog.parse(str(wish.catalog))
    settings, ports = _settings(wish, wanted, address)
    return Choice(
        workers=FactoryWorkers(settings, directory=directory, tls=wish.tls),
        private=private,
        name=wish.name,
        catalog=str(address),
        password_file=None,
        ports=ports,
    )


def _settings(
    wish: Wish, wanted: spec.BatchSpec, address: Address
) -> tuple[FactorySettings, tuple[int, int] | None]:
    """Return what a factory is told, and the ports that workers of a site reach."""
    settings = FactorySettings(system=wanted.system, name=wish.name, catalog=address, count=wanted.count)
    ports = None
    if wanted.site is not None:
        site = sites.find(wanted.site)
        if wish.queue:
            site = replace(site, queue=wish.queue)
        settings = sites.applied(site, settings)
        ports = units.ports(site.ports) if site.ports else None
    elif wish.queue:
        settings = replace(settings, batch_options=SYSTEMS[wanted.system].queue(wish.queue))
    settings = replace(
        settings,
        cores=wanted.cores or settings.cores,
        memory=wanted.memory or (settings.memory // settings.cores) * (wanted.cores or settings.cores),
        disk=wanted.disk or settings.disk,
        batch_options=SYSTEMS[settings.system].joined(settings.batch_options, wish.batch_options),
    )
    return settings, ports
