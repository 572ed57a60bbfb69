"""Workers started by hand: here, or as jobs."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wq_runner import system
from wq_runner.errors import BatchSystemError, UsageError
from wq_runner.workers import kit
from wq_runner.workers.batch import SYSTEMS
from wq_runner.workers.batch.job import Job
from wq_runner.workers.local import WorkerShape, find_program
from wq_runner.workers.target import Target


def local_command(
    program: str, shape: WorkerShape, target: Target, *, timeout: int, scratch: Path
) -> list[str]:
    """Return the command of a worker on this machine, that ends with the command that started it."""
    return [
        program,
        f"--cores={shape.cores}",
        f"--memory={shape.memory}",
        f"--disk={shape.disk}",
        f"--timeout={timeout}",
        *([f"--password={target.password_file}"] if target.password_file else []),
        f"--workdir={scratch}",
        "--parent-death",
        *target.arguments,
    ]


def check(target: Target) -> None:
    """Refuse what the engine's program here would not understand: workers of it would end at once.

    Raises
    ------
    UsageError
        If TLS is asked for, and its release has none.
    """
    if target.tls and "--ssl" not in system.run([find_program(), "--help"]):
        raise UsageError(
            f"{find_program()} has no TLS, and workers of it cannot come to a run that has --tls",
            hint="conda-forge's release has it (conda install -c conda-forge 'ndcctools<8'); the run needs "
            "the same one",
            page="batch-systems",
        )


def run_local(
    shape: WorkerShape, target: Target, *, count: int, timeout: int, scratch: Path, say: Callable[[str], None]
) -> None:
    """Run workers until they end: nothing came for them in time, or we are interrupted."""
    line = local_command(find_program(), shape, target, timeout=timeout, scratch=scratch)
    logs = [scratch / f"worker-{number}.log" for number in range(count)]
    processes: list[subprocess.Popen[bytes]] = []
    try:
        processes += [system.start(line, cwd=scratch, output=log) for log in logs]
        while any(process.poll() is None for process in processes):
            time.sleep(0.2)
    finally:
        # a worker that asks a catalog for a name may not listen to SIGTERM
        for process in processes:
            if process.poll() is None:
                process.terminate()
        for process in processes:
            system.stop(process)
    failed = [process.returncode for process in processes if process.returncode not in {0, -15}]
    if failed:
        text = logs[0].read_text(errors="replace").strip().splitlines()[-3:]
        raise BatchSystemError(f"{len(failed)} workers failed (exit code {failed[0]}): {'; '.join(text)}")
    say(f"{count} workers ended: no work came in {timeout} s, or the manager let them go")


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What would be submitted: a command, the file it reads if any, and the workers' script."""

    command: list[str]
    file: Path | None
    text: str
    script: Path
    kit: kit.Kit


def plan(name: str, job: Job, target: Target, *, directory: Path, image: str, scratch: str) -> Submission:
    """Return what is to be submitted; nothing is written."""
    chosen = SYSTEMS[name]
    script = directory / "wq-worker.sh"
    place = bool(target.place)
    return Submission(
        command=chosen.command(job, script),
        file=directory / chosen.file if chosen.file else None,
        text=chosen.text(job, script),
        script=script,
        kit=kit.Kit(
            managers=target.place,
            password=target.password_file.read_text(encoding="utf-8") if target.password_file else "",
            image=image,
            scratch=scratch,
            arguments=[*job.worker_arguments, *(target.encryption if place else target.arguments)],
        ),
    )


def submit(name: str, submission: Submission) -> str:
    """Write what is to be submitted, submit it, and return what the batch system says.

    Raises
    ------
    EngineError
        If the batch system is not here, or refuses.
    """
    chosen = SYSTEMS[name]
    program = chosen.submit
    if shutil.which(program) is None:
        raise BatchSystemError(
            f"{program} is not on PATH, so nothing can be submitted to {name} here",
            hint="run this where jobs are submitted; --dry-run shows what would be",
        )
    kit.write(submission.kit, submission.script)
    if submission.script.stat().st_size > chosen.most_script:
        raise BatchSystemError(
            f"the worker is too large for a job's script; use work_queue_factory -T{chosen.name}"
        )
    if submission.file is not None:
        with system.replacing(submission.file, "w") as stream:
            stream.write(submission.text)
    try:
        return system.run(submission.command).strip()
    except system.CommandError as error:
        raise BatchSystemError(
            f"{program} refused (exit code {error.code}): {error.output.strip()}"
        ) from error
