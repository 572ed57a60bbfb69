"""What a failure's message ends with: how one chunk runs again, here, in one process, and what else helps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wq_runner.config.commands import Typed
from wq_runner.config.nature import Dropped
from wq_runner.config.options import named
from wq_runner.config.typed import ONCE
from wq_runner.ledger.items import Item
from wq_runner.model import Fileset
from wq_runner.scheduler.failure_messages import Advice
from wq_runner.steps import announcements
from wq_runner.steps.request import Request

_LEAVES_OUT = "leaves such files out, and says so in the result"


def advice(request: Request, fileset: Fileset) -> Advice:
    """Return what can be done about failures: as options of the command, or as arguments of the call."""

    def again(item: Item) -> str:
        if request.in_python:
            in_place = works_in_place(request.options)
            return announcements.again(
                call(item, fileset, request.directory, in_place=in_place), pdb="pdb=True"
            )
        return announcements.again(command(request.typed, item, fileset, request.directory))

    if request.in_python:
        return Advice(
            again=again,
            skip_files=f"skip_bad_files=True {_LEAVES_OUT}",
            schema="schema=...",
            take_along="extra_file=['{}']",
        )
    return Advice(
        again=again,
        skip_files=f"--skip-bad-files {_LEAVES_OUT}",
        schema="--schema",
        take_along="--extra-file {}",
    )


def command(typed: Typed, item: Item, fileset: Fileset, directory: Path) -> str:
    """Return the command of a run, changed so that it runs this chunk alone, in this process.

    It leaves the run's own directory alone, copies nothing to where the run's result goes, and passes
    over no failure.
    """
    options = ["-e", "iterative", "--select", selection(item, fileset), "-o", f"{directory}-debug"]
    if typed.options.get("stage_out"):
        options += ["--stage-out", "none"]
    if typed.options.get("max_failed"):
        options += ["--max-failed", "0"]
    if works_in_place(typed.options):
        options.append("--in-place")
    return typed.again(*options, without=(*ONCE, *named(lambda one: Dropped.ALONE in one.drop)))


def works_in_place(options: Mapping[str, Any]) -> bool:
    """Say whether the tasks of a run work where it was started: other engines than Work Queue do so here."""
    name = str(options.get("executor", ""))
    return bool(options.get("in_place")) if name == "iterative" else name in {"futures", "dask", "parsl"}


def call(item: Item, fileset: Fileset, directory: Path, *, in_place: bool = False) -> str:
    """Return the call for it, but for samples and processor."""
    options: dict[str, Any] = {
        "executor": "iterative",
        "select": selection(item, fileset),
        "output": f"{directory}-debug",
        **({"in_place": True} if in_place else {}),
    }
    return f"wq_runner.run(..., {', '.join(f'{name}={value!r}' for name, value in options.items())})"


def selection(item: Item, fileset: Fileset) -> str:
    """Return ``DATASET:FILE:START-STOP``; the file by its name alone where no other has it."""
    paths = [file.path for dataset in fileset if dataset.name == item.dataset for file in dataset.files]
    name = item.path.rsplit("/", 1)[-1]
    alone = sum(path.rsplit("/", 1)[-1] == name for path in paths) <= 1
    text = f"{item.group}:{name if alone else item.path}"
    return f"{text}:{item.start}-{item.stop}" if item.events else text
