"""HTCondor: a submit description whose executable is the worker itself."""

from __future__ import annotations

from pathlib import Path

from wq_runner.workers.batch.job import Job


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
        lines.append(f'+JobFlavour = "{job.queue}"')
    if job.time is not None:
        lines.append(f"+MaxRuntime = {int(job.time)}")
    if job.requirements:
        lines.append(f"requirements = {job.requirements}")
    return lines + job.batch_options.splitlines()


def command(job: Job, script: Path) -> list[str]:  # noqa: ARG001 - as of all systems
    """Return the command that submits the description, which lies beside the script."""
    return ["condor_submit", str(script.parent / "workers.submit")]
