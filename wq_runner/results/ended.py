"""A run that ended, as its directory has it: its record, and what its ledger holds, which must agree."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wq_runner import summary
from wq_runner.config.commands import Typed
from wq_runner.errors import DamagedResultError, RunDirectoryError
from wq_runner.ledger.ledger import Recovered
from wq_runner.output import result_files
from wq_runner.results import soundness
from wq_runner.system import RunPaths
from wq_runner.terminal import printing


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run as its directory has it."""

    paths: RunPaths
    summary: Mapping[str, Any]
    recovered: Recovered

    @property
    def missing(self) -> Mapping[str, Any]:
        """The samples that it lacks, as in its missing.json."""
        if all(one["complete"] for one in self.summary["datasets"].values()):
            return {}  # it may have no output: it failed when that was made
        written = self.summary.get("missing_file")
        if written is not None and not result_files.is_whole(self.paths.root, written):
            raise DamagedResultError(
                f"{printing.path(self.paths.missing)} is not what the run wrote: it is damaged, or was "
                "changed",
                hint=soundness.AGAIN,
            )
        try:
            found: Mapping[str, Any] = json.loads(self.paths.missing.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunDirectoryError(
                f"{printing.path(self.paths.root)} is partial, and what it lacks is not to be read: {error}",
                hint="the command that made it writes it again",
            ) from error
        return found


@contextlib.contextmanager
def held(directories: Sequence[Path]) -> Iterator[list[Run]]:
    """Read runs, and keep them as they are meanwhile: none of them goes on.

    Raises
    ------
    UsageError
        If one does, or `read_run` refuses it.
    """
    roots = [directory.resolve() for directory in directories]
    for root in roots:
        if roots.count(root) > 1:
            raise RunDirectoryError(f"{root} is named twice: its events would count twice")
    with contextlib.ExitStack() as stack:
        for one in dict.fromkeys(summary.home(RunPaths(root=root)).root for root in roots):
            stack.enter_context(summary.held(one))
        yield [read_run(root, held=True) for root in roots]


def read_run(directory: Path, *, held: bool = False) -> Run:
    """Read what a run left, and change nothing.

    Raises
    ------
    UsageError
        If no run ended there, a part of its result is damaged, or its ledger is not what its record says.
    """
    paths = RunPaths(root=directory.absolute())
    record = summary.read_ended(paths, held=held)
    if not record.get("datasets"):
        raise RunDirectoryError(
            f"the run in {directory} ended before it was accounted for (exit code {record.get('exit_code')})",
            hint="the same command goes on where it was",
        )
    recovered = soundness.read_ledger(paths)
    problem = disagreement(record, recovered)
    if problem:
        raise RunDirectoryError(
            f"{directory}: {problem}",
            hint="the command that made it finds out what is missing, and runs that",
        )
    return Run(paths=paths, summary=record, recovered=recovered)


def typed(record: Mapping[str, Any]) -> Typed:
    """Return the command that made a run, as its run.json has it."""
    options = record["options"]
    return Typed(
        words=record["command"],
        options={name: one["value"] for name, one in options.items()},
        origins={name: one["origin"] for name, one in options.items()},
        directory=Path(record["directory"]),
    )


def disagreement(record: Mapping[str, Any], recovered: Recovered) -> str:
    """Say where a ledger does not hold what was planned less what is missing; nothing if it does: pure."""
    planned = Counter({(one["dataset"], one["path"]): one["planned"] for one in record["files"]})
    for one in record["missing"]:
        if "start" in one:
            planned[one["dataset"], one["path"]] -= one["stop"] - one["start"]
    held: Counter[tuple[str, str]] = Counter()
    for dataset, keys in recovered.done.items():
        for path, _, start, stop, *_ in keys:
            held[dataset, path] += stop - start
    for place in sorted({*planned, *held}):
        if planned[place] != held[place]:
            dataset, path = place
            return (
                f"of {path} of {dataset}, {planned[place]:,} events are in the result by run.json, and "
                f"{held[place]:,} by the ledger"
            )
    return ""
