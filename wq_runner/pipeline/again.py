"""What runs one chunk again, here, in one process: what a failure's message ends with."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from wq_runner.execution.items import Item
from wq_runner.model import Fileset

_FLAGS = ("--detach",)
_VALUED = ("--select", "--probe", "--stage-out", "--executor", "--output")
_SHORT = ("-e", "-o")


def command(
    words: Sequence[str], item: Item, fileset: Fileset, directory: Path, *, stage_out: bool = False
) -> str:
    """Return the command of a run, changed so that it runs this chunk alone, in this process.

    It leaves the run's own directory alone, and copies nothing to where the run's result goes.
    """
    options = ["-e", "iterative", "--select", selection(item, fileset), "-o", f"{directory}-debug"]
    if stage_out:
        options += ["--stage-out", "none"]
    kept = list(_kept(words))
    place = kept.index("--") if "--" in kept else len(kept)
    return shlex.join([*kept[:place], *options, *kept[place:]])


def call(item: Item, fileset: Fileset, directory: Path) -> str:
    """Return the call for it, but for samples and processor."""
    options = {"executor": "iterative", "select": selection(item, fileset), "output": f"{directory}-debug"}
    return f"wq_runner.run(..., {', '.join(f'{name}={value!r}' for name, value in options.items())})"


def selection(item: Item, fileset: Fileset) -> str:
    """Return ``DATASET:FILE:START-STOP``; the file by its name alone where no other has it."""
    paths = [file.path for dataset in fileset if dataset.name == item.dataset for file in dataset.files]
    name = item.path.rsplit("/", 1)[-1]
    alone = sum(path.rsplit("/", 1)[-1] == name for path in paths) <= 1
    text = f"{item.dataset}:{name if alone else item.path}"
    return f"{text}:{item.start}-{item.stop}" if item.events else text


def _kept(words: Sequence[str]) -> Iterator[str]:
    rest = iter(words)
    for word in rest:
        if word == "--":
            yield from (word, *rest)
        elif word in (*_VALUED, *_SHORT):
            next(rest, None)
        elif word not in _FLAGS and not word.startswith((*(f"{name}=" for name in _VALUED), *_SHORT)):
            yield word
