"""HTCondor: a submit description whose executable is the worker itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wq_runner.units import MB
from wq_runner.workers.batch.batch_system import BatchSystem
from wq_runner.workers.batch.job import Cluster, Job

_FILE = "workers.submit"


def submit_text(job: Job, script: Path) -> str:
    """Return the submit description of the workers."""
    logs = script.parent
    lines = [
        "universe = vanilla",
        f"executable = {script}",
        "transfer_executable = true",
        "should_transfer_files = yes",
        "when_to_transfer_output = on_exit",
        'transfer_output_files = ""',
        f"output = {logs}/worker-$(Cluster).$(Process).out",
        f"error = {logs}/worker-$(Cluster).$(Process).err",
        f"log = {logs}/workers.log",
        "+JobMaxSuspendTime = 0",  # a suspended worker would hold its tasks
        *resource_lines(job),
    ]
    return "\n".join([*lines, f"queue {job.count}", ""])


def resource_lines(job: Job) -> list[str]:
    """Return what a description says of the size of a job, and of where it may run."""
    lines = [
        f"request_cpus = {job.cores}",
        f"request_memory = {job.megabytes}MB",
        f"request_disk = {job.disk // 1024}KB",
    ]
    if job.queue:
        lines.append(_queue(job.queue))
    if job.time is not None:
        lines.append(f"+MaxRuntime = {int(job.time)}")
    if job.requirements:
        lines.append(f"requirements = {job.requirements}")
    return lines + job.batch_options.splitlines()


def command(job: Job, script: Path) -> list[str]:  # noqa: ARG001 - as of all systems
    """Return the command that submits the description, which lies beside the script."""
    return ["condor_submit", str(script.parent / _FILE)]


def jobs_text(cluster: Cluster, shape: Job) -> str:
    """Return the submit description of some jobs of an export."""
    lines = [
        "universe = vanilla",
        f"executable = {cluster.script}",
        "arguments = $(job)",
        f"initialdir = {cluster.results}",
        "should_transfer_files = yes",
        "when_to_transfer_output = on_exit",
        f"transfer_input_files = {','.join(map(str, cluster.inputs('$(job)')))}",
        "transfer_output_files = $(job)",
        f"output = {cluster.logs}/$(job).out",
        f"error = {cluster.logs}/$(job).err",
        f"log = {cluster.logs}/condor.log",
        *resource_lines(shape),
    ]
    return "\n".join([*lines, f"queue job in ({' '.join(cluster.jobs)})", ""])


def left(scratch: Path) -> list[str]:
    """Return the jobs that did not end, of the log that a factory has them write."""
    log = scratch / "condor.logfile"
    if not log.exists():
        return []
    text = log.read_text(errors="replace")
    ended = set(re.findall(r"^(?:005|009) \(0*(\d+)\.", text, re.MULTILINE))
    begun = set(re.findall(r"^000 \(0*(\d+)\.", text, re.MULTILINE))
    return sorted(begun - ended)


def dask_arguments(job: Job) -> Mapping[str, Any]:
    """Return what dask-jobqueue's class is told: lines of a submit description are a dict to it."""
    extra = dict(_pair(line) for line in job.batch_options.splitlines() if line.strip())
    if job.requirements:
        extra["requirements"] = job.requirements
    return {"disk": f"{job.disk // MB} MiB", "job_extra_directives": extra}


def _pair(line: str) -> tuple[str, str]:
    name, _, value = line.partition("=")
    return name.strip(), value.strip()


def _queue(name: str) -> str:
    return f'+JobFlavour = "{name}"'


CONDOR = BatchSystem(
    name="condor",
    title="HTCondor",
    queue_word="job flavour",
    options_word="lines of a condor submit file",
    submit="condor_submit",
    remove="condor_rm",
    ask=("condor_q", "-totals"),
    submit_workers="condor_submit_workers",
    scratch_variable="_CONDOR_SCRATCH_DIR",
    separator="\n",
    queue=_queue,
    time_option="+MaxRuntime = {seconds}",
    proxy=lambda path: f"x509userproxy = {path}",
    errors=lambda begin, end: f"error = {begin}$(Cluster).$(Process){end}",
    takes_requirements=True,
    left=left,
    command=command,
    file=_FILE,
    text=submit_text,
    jobs_suffix=".submit",
    jobs_text=jobs_text,
    dask_cluster="HTCondorCluster",
    dask_arguments=dask_arguments,
)
