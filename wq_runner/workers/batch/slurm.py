"""Slurm: one array of jobs, whose script is the worker itself."""

from __future__ import annotations

import math
import shlex
from pathlib import Path

from wq_runner.workers.batch.job import Job

MOST_SCRIPT = 4_000_000  # bytes; max_script_size of slurm.conf


def command(job: Job, script: Path) -> list[str]:
    """Return the command that submits the workers; sbatch copies the script to the nodes."""
    options = [
        "sbatch",
        "--job-name=wq-worker",
        f"--array=1-{job.count}",
        f"--output={script.parent}/worker-%A_%a.log",
    ]
    return [*options, *resource_options(job), str(script)]


def resource_options(job: Job) -> list[str]:
    """Return what sbatch is told of the size of a job, and of where it may run."""
    options = ["--ntasks=1", f"--cpus-per-task={job.cores}", f"--mem={job.megabytes}M"]
    if job.queue:
        options.append(f"--partition={job.queue}")
    if job.time is not None:
        options.append(f"--time={math.ceil(job.time / 60)}")
    return [*options, *shlex.split(job.batch_options)]


def nothing(job: Job, script: Path) -> str:  # noqa: ARG001 - as of all systems
    """Return no text: everything stands in the command."""
    return ""
