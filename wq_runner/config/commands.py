"""Commands that are printed to be typed: each does what the line says in which it stands.

They are made of the run's own command: what it was told on its command line, in variables and beside its
samples is told again, but for what the new one is to do otherwise.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from wq_runner.config import processors
from wq_runner.config.layers import ENV_PREFIX, TABLE, find_settings
from wq_runner.config.nature import Dropped
from wq_runner.config.options import PER_DATASET, named
from wq_runner.config.typed import END, ONCE, SAMPLE, Part, parts
from wq_runner.config.written import as_words
from wq_runner.terminal import printing


def line(*words: object) -> str:
    """Return words as a command of a shell; paths as short as they are clear."""
    return shlex.join(short(word) if isinstance(word, Path) else str(word) for word in words)


def short(place: Path) -> str:
    """Return a path relative to the current directory if it lies below."""
    text = printing.path(place)
    return f"./{text}" if text.startswith("-") else text


def resubmit(jobs: Path) -> str:
    """Return what makes the submit file of those jobs of an export that are not done."""
    return line("wq-report", "check", "--resubmit", jobs)


@dataclass(frozen=True, kw_only=True)
class Typed:
    """The command of a run, with the values of its options, where each came from, and where it was typed."""

    words: Sequence[str]
    options: Mapping[str, Any]
    origins: Mapping[str, str]
    directory: Path

    @property
    def is_run(self) -> bool:
        """Whether it is one of wq-run, and neither an export of jobs nor a call of Python."""
        return self.words[0] == "wq-run" and "export" not in self.words[1:2]

    def again(self, *options: str, without: Collection[str] = ()) -> str:
        """Return the command with other `options`, and `without` some that it has."""
        given = {part.option for part in parts(options)}
        kept = [one for one in parts(self.words[1:]) if one.option not in {*without, *given}]
        place = next((place for place, one in enumerate(kept) if one.option == END), len(kept))
        words = [*_words(kept[:place]), *options, *_words(kept[place:])]
        return self._line(words, given, without)

    def of(self, samples: str, *options: str, datasets: Collection[str], without: Collection[str]) -> str:
        """Return the command of other samples, which have these datasets."""
        given = {part.option for part in parts(options)}
        kept = [
            one
            for part in parts(self.words[1:])
            if part.option not in {SAMPLE, END, *without, *given} and (one := _among(part, datasets))
        ]
        beside = self._beside_samples({*without, *given})
        return self._line([*_words(kept), *beside, *options, samples], given, without)

    def _line(self, words: Sequence[str], given: Collection[str], without: Collection[str]) -> str:
        text = shlex.join([*self._variables(given, without), self.words[0], *words])
        here = self.directory == Path.cwd()
        return text if here else f"cd {shlex.quote(str(self.directory))} && {text}"

    def _variables(self, given: Collection[str], without: Collection[str]) -> list[str]:
        """Return what sets the variables as they are, and takes away those of what is left out."""
        named = {name: f"{ENV_PREFIX}_{name.upper()}" for name in self.origins}
        named = {name: one for name, one in named.items() if self.origins[name] == one and name not in given}
        gone = [word for name, one in named.items() if name in without for word in ("-u", one)]
        kept = [
            f"{one}={os.environ[one]}"
            for name, one in named.items()
            if name not in without and one in os.environ
        ]
        return ["env", *gone, *kept] if gone or kept else []

    def _beside_samples(self, dropped: Collection[str]) -> list[str]:
        """Return the options of a pyproject.toml that is found beside the samples only."""
        if find_settings(self.directory) is not None:
            return []
        names = [name for name, origin in self.origins.items() if origin.endswith(f"[tool.{TABLE}]")]
        return [word for name in names if name not in dropped for word in as_words(name, self.options[name])]


def rest(typed: Typed, missing: Path, datasets: Collection[str], root: Path) -> str:
    """Say how to get what is missing of a result, and how to add it."""
    if not typed.is_run:
        return f"{short(missing)} has the rest, as samples: the same with these does it"
    if "" not in processors.parse(str(typed.options.get("processor") or "")):
        return f"the same command again does the rest; {short(missing)} has what any of the processors lacks"
    place = root.with_name(f"{root.name}-rest")
    more = ["-o", short(place), *_elsewhere(typed)]
    without = (*ONCE, *named(lambda one: Dropped.REST in one.drop))
    command = typed.of(short(missing), *more, datasets=datasets, without=without)
    merge = line("wq-report", "merge", root, place, "-o", root.with_name(f"{root.name}-whole"))
    return f"the rest: {command}\nthen both together: {merge}"


def _elsewhere(typed: Typed) -> Iterator[str]:
    """Yield what --test and --probe said besides how little to do; and that no result is staged out again."""
    options, origins = typed.options, typed.origins
    if options.get("test") and origins.get("executor") != "command line":
        yield from ("-e", "iterative")
    elif options.get("probe") and options.get("executor") == "futures":
        yield from ("-e", "futures", *(() if origins.get("workers", "default") != "default" else ("-w", "1")))
    if options.get("stage_out"):
        yield from ("--stage-out", "none")


def _words(some: Sequence[Part]) -> list[str]:
    return [word for part in some for word in part.words]


def _among(part: Part, datasets: Collection[str]) -> Part | None:
    """Return an option without what it says of other datasets, which it would be wrong about."""
    if part.option not in PER_DATASET or "=" not in part.value:
        return part
    pieces = [
        piece
        for piece in part.value.split(",")
        if (name := piece.rpartition("=")[0].strip()) == "default"
        or any(one == name or fnmatchcase(one, name) for one in datasets)
    ]
    name = f"--{part.option.replace('_', '-')}"
    return Part(option=part.option, words=(name, ",".join(pieces))) if pieces else None
