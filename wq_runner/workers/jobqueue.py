"""Dask workers as jobs of a batch system: what a site says, in the words of dask-jobqueue."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from wq_runner import units
from wq_runner.units import MB
from wq_runner.workers import sites
from wq_runner.workers.sites import Site
from wq_runner.workers.spec import BatchSpec

CLASSES = {"condor": "HTCondorCluster", "slurm": "SLURMCluster"}
PATIENCE = 120  # seconds after which a worker ends whose scheduler is gone


def arguments(
    site: Site, wanted: BatchSpec, directory: Path, *, python: str, more: str = ""
) -> dict[str, Any]:
    """Return what dask-jobqueue is told. A job is a worker, one process of one thread for each core.

    `more` are lines of a condor submit file or options of sbatch, after those of the site.
    """
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
    lines = sites.batch_options(site)
    if site.system == "slurm":
        told["job_mem"] = f"{memory // MB}M"
        told["job_directives_skip"] = ["#SBATCH -t "]  # half an hour, where the queue has its own limit
        told["job_extra_directives"] = [*shlex.split(lines), *shlex.split(more)]
    else:
        told["disk"] = f"{(wanted.disk or site.disk) // MB} MiB"
        extra = dict(_pair(line) for line in (*lines.splitlines(), *more.splitlines()) if line.strip())
        if site.requirements:
            extra["requirements"] = site.requirements
        told["job_extra_directives"] = extra
    return told


def make_cluster(site: Site, wanted: BatchSpec, directory: Path, *, python: str, more: str = "") -> Any:
    """Start a scheduler here, and submit the workers."""
    import dask_jobqueue

    kind = getattr(dask_jobqueue, CLASSES[site.system])
    cluster = kind(**arguments(site, wanted, directory, python=python, more=more))
    cluster.scale(jobs=wanted.count)
    return cluster


def _pair(line: str) -> tuple[str, str]:
    name, _, value = line.partition("=")
    return name.strip(), value.strip()
