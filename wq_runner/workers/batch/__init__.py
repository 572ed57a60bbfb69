"""Workers as jobs, without a factory: what is submitted is built here and shown before it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from wq_runner.workers.batch import condor, slurm
from wq_runner.workers.batch.job import Job


@dataclass(frozen=True, kw_only=True)
class System:
    """How a batch system takes jobs: the file it reads, and the command that submits it."""

    program: str
    file_name: str
    text: Callable[[Job, Path], str]
    command: Callable[[Job, Path], list[str]]
    has_file: bool = True


SYSTEMS: Mapping[str, System] = {
    "condor": System(
        program="condor_submit",
        file_name="workers.submit",
        text=condor.submit_text,
        command=condor.command,
    ),
    "slurm": System(
        program="sbatch", file_name="", text=slurm.nothing, command=slurm.command, has_file=False
    ),
}
