"""Slurm: one array of jobs, whose script is the worker itself."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wq_runner.workers.batch.batch_system import BatchSystem
from wq_runner.workers.batch.job import Cluster, Job


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
    options = ["--ntasks=1", f"--cpus-per-task={job.cores}", _memory(job.megabytes)]
    if job.queue:
        options.append(_queue(job.queue))
    if job.time is not None:
        options.append(f"--time={math.ceil(job.time / 60)}")
    return [*options, *shlex.split(job.batch_options)]


def jobs_text(cluster: Cluster, shape: Job) -> str:
    """Return the batch script of some jobs of an export: an array, if they are several."""
    array = len(cluster.jobs) > 1
    options = [
        f"--job-name={cluster.name}",
        *([f"--array=0-{len(cluster.jobs) - 1}"] if array else []),
        f"--output={cluster.logs}/%x-%A_%a.log" if array else f"--output={cluster.logs}/%x-%j.log",
        *resource_options(shape),
    ]
    return "\n".join(
        [
            "#!/bin/sh",
            *(f"#SBATCH {shlex.quote(option)}" for option in options),
            f"set -- {' '.join(cluster.jobs)}",
            'shift "${SLURM_ARRAY_TASK_ID:-0}"',
            f'exec /bin/sh {shlex.quote(str(cluster.script))} "$1"',
            "",
        ]
    )


def left(scratch: Path) -> list[str]:
    """Return the jobs of which a factory still waits for a file of their state."""
    return sorted(path.suffix[1:] for path in scratch.glob("slurm.status.*"))


def dask_arguments(job: Job) -> Mapping[str, Any]:
    """Return what dask-jobqueue's class is told."""
    return {
        "job_mem": f"{job.megabytes}M",
        "job_directives_skip": ["#SBATCH -t "],  # half an hour, where the queue has its own limit
        "job_extra_directives": shlex.split(job.batch_options),
    }


def _queue(name: str) -> str:
    return f"--partition={name}"


def _memory(megabytes: int) -> str:
    return f"--mem={megabytes}M"


SLURM = BatchSystem(
    name="slurm",
    title="Slurm",
    queue_word="partition",
    options_word="options of sbatch",
    submit="sbatch",
    remove="scancel",
    ask=("scontrol", "ping"),
    scratch_variable="SLURM_TMPDIR",
    separator=" ",
    queue=_queue,
    time_option="--time={time}",
    errors=lambda begin, end: f"--error={begin}%j{end}",
    memory=_memory,  # release 9.9 of the factory writes its own key so that sbatch does not understand it
    left=left,
    command=command,
    most_script=4_000_000,  # max_script_size of slurm.conf
    jobs_suffix=".sbatch",
    jobs_text=jobs_text,
    dask_cluster="SLURMCluster",
    dask_arguments=dask_arguments,
)
