"""What an export is asked for besides the run, and what follows: size and code of jobs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wq_runner import system
from wq_runner.config.settings import ManagerSettings, RunSettings
from wq_runner.errors import ExportError
from wq_runner.model import Fileset, PerDataset, value_of
from wq_runner.workers import proxy, sites
from wq_runner.workers.batch import SYSTEMS
from wq_runner.workers.batch.job import Job


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an export is asked besides the run: for which batch system or site, and how it is cut.

    `remote` is ``URL@REF`` of a repository that jobs check out instead of carrying the analysis. Files that
    are not known are opened as `opening` says.
    """

    opening: RunSettings
    system: str
    site: str = ""
    files_per_job: int = 10
    cluster_per: str = "dataset"
    time: float | None = None
    requirements: str = ""
    remote: str = ""


@dataclass(frozen=True, kw_only=True)
class Code:
    """Where jobs have the processor from: `name` as they call it; a checkout if `repository` is named."""

    name: str | None
    repository: str = ""
    commit: str = ""


def shape_of(settings: Settings, manager: ManagerSettings) -> tuple[Job, sites.Site | None]:
    """Return the size of a job: as the options say, else as a core's share of the site's workers.

    How much memory is for each dataset to say: see `memory_of`.
    """
    site = sites.find(settings.site) if settings.site else None
    if site is not None and site.system != settings.system:
        raise ExportError(f"{site.name} has {site.system}, not {settings.system}")
    batch, default = SYSTEMS[settings.system], Job(count=1)
    extra = [site.batch_options, _proxy(site)] if site else []
    extra.append(manager.workers.batch_options or "")
    return (
        Job(
            count=1,
            cores=manager.task.cores,
            memory=site.memory // site.cores if site else default.memory,
            disk=manager.task.disk or (site.disk // site.cores if site else default.disk),
            queue=manager.workers.queue or (site.queue if site else ""),
            requirements=settings.requirements or (site.requirements if site else ""),
            batch_options=batch.joined(*extra),
            time=settings.time,
        ),
        site,
    )


def memory_of(memory: int | PerDataset[int | None] | None, fileset: Fileset) -> dict[str, int]:
    """Return what `--memory` says of the jobs of each dataset."""
    found = {dataset.name: value_of(memory, dataset.name) for dataset in fileset}
    return {name: memory for name, memory in found.items() if memory is not None}


def _proxy(site: sites.Site) -> str:
    found = proxy.find() if site.proxy else None
    return SYSTEMS[site.system].proxy(found.path) if found else ""


def code_of(processor: str | None, remote: str, checkout: Path) -> Code:
    if not remote:
        return Code(name=_absolute_file(processor))
    url, at, ref = remote.rpartition("@")
    if not at or not url or not ref or ("/" in ref and ":" in ref):
        raise ExportError(
            f"--remote-repo {remote} is not URL@REF",
            hint="REF is a branch, a tag or a commit: https://host.example/me/analysis.git@v1.2",
        )
    try:
        system.run(["git", "clone", "--quiet", url, str(checkout)])
        system.run(["git", "-C", str(checkout), "checkout", "--quiet", "--detach", ref])
        commit = system.run(["git", "-C", str(checkout), "rev-parse", "HEAD"]).strip()
    except (system.CommandError, OSError) as error:
        raise ExportError(f"--remote-repo {remote} cannot be checked out: {error}") from error
    return Code(name=processor, repository=url, commit=commit)


def _absolute_file(processor: str | None) -> str | None:
    place, _, attribute = (processor or "").rpartition(":")
    if not place.endswith(".py"):
        return processor
    return f"{Path(place).resolve()}:{attribute}"


def as_module(processor: str | None) -> str | None:
    """Return the name under which a packed analysis has the processor of a file."""
    place, _, attribute = (processor or "").rpartition(":")
    return f"{Path(place).stem}:{attribute}" if place.endswith(".py") else processor
