"""`wq-report merge JOBDIR`: the results of all jobs as one run, equal to one that was never split."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from wq_runner.config import commands
from wq_runner.errors import ExportError
from wq_runner.export import folder as folders
from wq_runner.export.check import DONE, verdicts_of
from wq_runner.export.deliver import fetch
from wq_runner.export.folder import Export
from wq_runner.fingerprint import identity
from wq_runner.results import merge
from wq_runner.results.ended import Run, read_run

_TOLD = ("command", "options", "samples", "directory")
"""What the run as a whole says of itself, and not its jobs."""


def join(
    directory: Path,
    output: Path | None,
    console: Console,
    *,
    accept_stale: bool = False,
    scheme: str | None = None,
) -> None:
    """Add up the results of an export.

    Raises
    ------
    UsageError
        If a job is not done, or jobs ran other code.
    """
    exported = folders.read(directory)
    bad = [one for one in verdicts_of(exported) if one.state != DONE]
    if bad:
        few = ", ".join(one.job.name for one in bad[:5]) + (", ..." if len(bad) > 5 else "")
        raise ExportError(
            f"{len(bad):,} of {len(exported.jobs):,} jobs are not done ({few})",
            hint=commands.resubmit(directory),
        )
    with tempfile.TemporaryDirectory(prefix="wq-report-") as scratch:
        results = _results(exported, Path(scratch))
        if not accept_stale:
            _check_code([read_run(result) for result in results])
        # code lies elsewhere on each node: what it is was compared
        merge.merge(
            results,
            output or exported.folder.merged,
            console,
            accept_stale=True,
            scheme=scheme,
            told={name: exported.content[name] for name in _TOLD},
        )


def _results(exported: Export, scratch: Path) -> list[Path]:
    """Return the directories of the jobs' runs, brought back from where they were staged out to."""
    if exported.stage_out is None:
        return [exported.folder.results / job.name for job in exported.jobs]
    for job in exported.jobs:
        fetch(f"{exported.stage_out}/{job.name}", scratch / job.name)
    return [scratch / job.name for job in exported.jobs]


def _check_code(runs: Sequence[Run]) -> None:
    first, *others = [(run, identity.placeless(run.summary["fingerprint"])) for run in runs]
    for run, values in others:
        differing = identity.changes(first[1], values)
        if differing:
            names = f"job {first[0].paths.root.name} and job {run.paths.root.name}"
            raise ExportError(
                f"{names} differ in {', '.join(differing)}",
                hint="--accept-stale merges all the same",
            )
