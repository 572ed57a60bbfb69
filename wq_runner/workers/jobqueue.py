"""Dask workers as jobs of a batch system: what a site says, in the words of dask-jobqueue."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wq_runner import units
from wq_runner.errors import EngineError
from wq_runner.units import MB
from wq_runner.workers import sites
from wq_runner.workers.batch import SYSTEMS
from wq_runner.workers.batch.job import Job
from wq_runner.workers.sites import Site
from wq_runner.workers.spec import BatchSpec

log = logging.getLogger(__name__)

CLASSES = {name: one.dask_cluster for name, one in SYSTEMS.items() if one.dask_cluster}
PATIENCE = 120  # seconds after which a worker ends whose scheduler is gone
_LINES = 3  # of what a command says


@dataclass(kw_only=True)
class Submissions:
    """What became of the jobs that were to be submitted; `reason` is why the first was refused."""

    wanted: int
    submitted: int = 0
    refused: int = 0
    reason: str = ""
    _told: bool = False

    def refuse(self, error: Exception) -> None:
        self.refused += 1
        self.reason = self.reason or _said(error)

    def check(self) -> None:
        """Say once that some jobs were refused.

        Raises
        ------
        EngineError
            If all were: Dask waits for ever for workers that nobody starts.
        """
        if self._told or self.submitted + self.refused < self.wanted or not self.refused:
            return
        self._told = True
        if self.submitted:
            log.warning("%d of %d jobs could not be submitted: %s", self.refused, self.wanted, self.reason)
            return
        jobs = "the job of workers" if self.wanted == 1 else f"none of the {self.wanted} jobs of workers"
        could = "could not" if self.wanted == 1 else "could"
        raise EngineError(
            f"{jobs} {could} be submitted: {self.reason}",
            hint="the batch system says this. It is asked for what wq-workers sites show NAME prints, "
            "--queue, --batch-options and the size of the workers",
            page="workers",
        )


def arguments(
    site: Site, wanted: BatchSpec, directory: Path, *, python: str, more: str = ""
) -> dict[str, Any]:
    """Return what dask-jobqueue is told. A job is a worker, one process of one thread for each core.

    `more` are options of the batch system, after those of the site.
    """
    batch = SYSTEMS[site.system]
    cores = wanted.cores or site.cores
    memory = wanted.memory or (site.memory // site.cores) * cores
    told: dict[str, Any] = {
        "cores": cores,
        "processes": cores,
        "memory": f"{memory // MB} MiB",
        "python": python,
        "death_timeout": PATIENCE,
        "log_directory": str(directory),
        "local_directory": site.scratch or None,
        # whoever reaches an open scheduler runs code as us
        "security": True,
        "shared_temp_directory": str(directory),
    }
    scheduler: dict[str, Any] = {"dashboard_address": "127.0.0.1:0"}
    if site.ports:
        scheduler["port"], _ = units.ports(site.ports)
    told["scheduler_options"] = scheduler
    job = Job(
        count=wanted.count,
        cores=cores,
        memory=memory,
        disk=wanted.disk or site.disk,
        requirements=site.requirements,
        batch_options=batch.joined(sites.batch_options(site), more),
    )
    told.update(batch.dask_arguments(job))
    return told


def make_cluster(site: Site, wanted: BatchSpec, directory: Path, *, python: str, more: str = "") -> Any:
    """Start a scheduler here, and submit the workers.

    The cluster has `check_jobs`, which raises an EngineError if no job could be submitted.
    """
    import dask_jobqueue

    submissions = Submissions(wanted=wanted.count)
    kind = _recording(getattr(dask_jobqueue, CLASSES[site.system]), submissions)
    cluster = kind(**arguments(site, wanted, directory, python=python, more=more))
    cluster.scale(jobs=wanted.count)
    return cluster


def _recording(kind: Any, submissions: Submissions) -> Any:
    """Return a class of clusters which note what became of their jobs.

    dask-jobqueue leaves a submission that fails to its event loop, tries it no more, and tells nobody.
    """
    from distributed.deploy.spec import ProcessInterface

    async def start(job: Any) -> None:
        try:
            await kind.job_cls.start(job)
        except Exception as error:  # whatever a command says, or that there is none
            submissions.refuse(error)
            await ProcessInterface.start(job)  # as one that never gets a worker
        else:
            submissions.submitted += 1

    job_class = type(kind.job_cls.__name__, (kind.job_cls,), {"start": start})
    found = type(kind.__name__, (kind,), {"job_cls": job_class})
    found.check_jobs = staticmethod(submissions.check)  # type: ignore[attr-defined]
    return found


def _said(error: Exception) -> str:
    """Return what the command said that submits, of all that dask-jobqueue says about it."""
    text = str(error)
    found = re.search(r"^stderr:\n(.*)", text, re.DOTALL | re.MULTILINE)
    lines = [line.strip() for line in (found[1] if found else text).splitlines() if line.strip()]
    code = re.search(r"^Exit code: (\S+)", text, re.MULTILINE)
    nothing = f"it ended with exit code {code[1]}, and said nothing" if code else type(error).__name__
    return "; ".join(lines[:_LINES]) or nothing
