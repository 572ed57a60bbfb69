"""What an export consists of as text: the job's script, and what a batch system is given. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files

from wq_runner import names
from wq_runner.export.folder import Folder, Slice
from wq_runner.workers.batch import SCRATCH
from wq_runner.workers.batch.job import Cluster

MOST_JOBS = 1000
"""In one array of Slurm, whose MaxArraySize is 1001 unless it was changed."""

_RUN = 'exec {python} -c "from wq_runner.cli.run import main; main()" -ro "$1-options.json" -o "$2" "$1.json"'
_DELIVER = 'exec {python} -m wq_runner.export.deliver "$1" "$2" "$3"'


@dataclass(frozen=True, kw_only=True)
class Node:
    """What a job's script has to know of where it runs.

    `python` is a shell fragment that stands for it, `inputs` are paths below the folder that it needs beside
    its samples; `repository` and `commit` are a checkout to work in, `image` is one for Apptainer.
    """

    python: str
    inputs: Sequence[str]
    pythonpath: Sequence[str] = ()
    stage_out: str = ""
    export: str = ""
    repository: str = ""
    commit: str = ""
    scratch: str = ""
    image: str = ""


def job_script(node: Node) -> str:
    """Return the script of all jobs."""
    values = {
        "inputs": " ".join(node.inputs),
        "start": _RUN.format(python=node.python),
        "deliver": _DELIVER.format(python=node.python),
        "stage_out": node.stage_out.rstrip("/"),
        "export": node.export,
        "repository": node.repository,
        "commit": node.commit,
        "scratch": node.scratch,
        "image": node.image,
    }
    head = [f"{name}={shlex.quote(value)}" for name, value in values.items()]
    head.append(f"node_scratch={SCRATCH}")
    if node.pythonpath:
        head += [f"PYTHONPATH={shlex.quote(':'.join(node.pythonpath))}", "export PYTHONPATH"]
    body = files(__package__).joinpath("job.sh").read_text(encoding="utf-8")
    return "\n".join(["#!/bin/sh", *head, "", body])


def cluster(folder: Folder, jobs: Sequence[Slice], inputs: Sequence[str]) -> Cluster:
    """Return what a batch system is told of some jobs; `inputs` are paths below the folder that all read."""
    return Cluster(
        name=names.file_name(jobs[0].dataset),
        jobs=[job.name for job in jobs],
        script=folder.script,
        results=folder.results,
        logs=folder.logs,
        inputs=lambda job: [
            *(folder.root / path for path in inputs),
            folder.samples_of(job),
            folder.options_of(job),
        ],
    )


def clusters(jobs: Iterable[Slice], per: str) -> dict[str, list[Slice]]:
    """Return which jobs are submitted together, by the name of their submit file."""
    by_dataset: dict[str, list[Slice]] = {}
    for job in jobs:
        by_dataset.setdefault(job.dataset, []).append(job)
    files = names.file_names(by_dataset)
    found: dict[str, list[Slice]] = {}
    for dataset, mine in by_dataset.items():
        size = 1 if per == "job" else MOST_JOBS
        for first in range(0, len(mine), size):
            some = mine[first : first + size]
            name = files[dataset] + (f"-{some[0].name}" if per == "job" or first else "")
            # a dataset may be called as the second part of another
            found[name if name not in found else f"{files[dataset]}~j{some[0].name}"] = some
    return found


def submit_script(program: str, files: Sequence[str]) -> str:
    """Return the script that submits all of these files, which lie in `submit/` beside it."""
    lines = [f"{program} submit/{shlex.quote(name)} || exit 1" for name in files]
    return "\n".join(["#!/bin/sh", 'cd "$(dirname "$0")" || exit 1', *lines, ""])
