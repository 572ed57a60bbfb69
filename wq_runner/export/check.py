"""`wq-report check`: what became of the jobs of an export, and what has to run again."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from wq_runner import checksums
from wq_runner.config import commands
from wq_runner.errors import DamagedResultError, PartialResultError, UsageError, WqRunnerError
from wq_runner.export import folder as folders
from wq_runner.export.deliver import fetch
from wq_runner.export.folder import Export, Slice
from wq_runner.export.make import write_submission
from wq_runner.output import result_files
from wq_runner.results import soundness
from wq_runner.summary import is_running
from wq_runner.system import RunPaths
from wq_runner.terminal import printing

DONE, NOTHING, FAILED, DAMAGED, EVENTS = "done", "no result", "failed", "damaged", "events missing"
_SHOWN = 20  # jobs that are listed one by one


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of a job: one of the words above, and why. `events` are those in its result."""

    job: Slice
    state: str
    reason: str = ""
    events: int = 0


def check(directory: Path, console: Console, *, resubmit: bool = False) -> None:
    """Say what became of the jobs; with `resubmit`, make what submits those again that are not done.

    Raises
    ------
    PartialResultError
        If one is not done.
    """
    exported = folders.read(directory)
    verdicts = verdicts_of(exported)
    _show(verdicts, console)
    bad = [one for one in verdicts if one.state != DONE]
    if not bad:
        printing.line(
            console,
            "complete",
            f"all {len(verdicts):,} jobs; {commands.line('wq-report', 'merge', directory)}",
        )
        return
    hint = f"{commands.resubmit(directory)}   makes the submit file of these jobs"
    if resubmit:
        script = _resubmit(exported, bad)
        hint = f"to run them again: {commands.line(script)}"
    raise PartialResultError(f"{len(bad):,} of {len(verdicts):,} jobs are not done", hint=hint)


def verdicts_of(exported: Export) -> list[Verdict]:
    """Look at the result of every job."""
    with tempfile.TemporaryDirectory(prefix="wq-report-") as scratch:
        return [_verdict(exported, job, Path(scratch)) for job in exported.jobs]


def _verdict(exported: Export, job: Slice, scratch: Path) -> Verdict:
    if altered := exported.altered(job.name):
        return Verdict(job=job, state=DAMAGED, reason=f"{altered} is not what was exported")
    result = exported.folder.results / job.name
    try:
        code = int((result / "exit_code").read_text())
    except (OSError, ValueError):
        return Verdict(job=job, state=NOTHING, reason="it runs, waits, was killed or was never submitted")
    if code == 0 and exported.stage_out is not None:
        url, result = f"{exported.stage_out}/{job.name}", scratch / job.name
        try:
            fetch(url, result)
        except WqRunnerError as error:
            return Verdict(job=job, state=DAMAGED, reason=error.message)
    found = judge(job, code, result)
    if exported.stage_out is not None:
        shutil.rmtree(scratch / job.name, ignore_errors=True)
    return found


def judge(job: Slice, code: int, result: Path) -> Verdict:
    """Check the directory that a job brought back: exit code, every file, and the account of events."""
    paths = RunPaths(root=result)
    summary = _summary(paths)
    if code != 0:
        message = str((summary or {}).get("message", "")).strip().splitlines()
        reason = f"exit code {code}" + (f": {message[0]}" if message else "")
        return Verdict(job=job, state=FAILED, reason=reason, events=_events(summary))
    if summary is None:
        return Verdict(job=job, state=DAMAGED, reason="run.json is missing or damaged")
    problem = _damage(paths, summary)
    if problem:
        return Verdict(job=job, state=DAMAGED, reason=problem)
    events = _events(summary)
    if list(summary["datasets"]) != [job.dataset] or not summary["complete"] or events != job.events:
        reason = f"{events:,} of {job.events:,} events of {job.dataset}"
        return Verdict(job=job, state=EVENTS, reason=reason, events=events)
    return Verdict(job=job, state=DONE, events=events)


def _summary(paths: RunPaths) -> Mapping[str, Any] | None:
    try:
        found = checksums.read_json(paths.summary)
    except (OSError, ValueError):
        return None
    return found if "datasets" in found and not is_running(found) else None


def _events(summary: Mapping[str, Any] | None) -> int:
    datasets = (summary or {}).get("datasets", {})
    return sum(int(one["events_processed"]) for one in datasets.values())


def _damage(paths: RunPaths, summary: Mapping[str, Any]) -> str:
    """Say which file is not as it was written; nothing if all are."""
    for one in summary["outputs"]:
        path = paths.root / one["path"]
        if not path.is_file():
            return f"{one['path']} is missing"
        size = path.stat().st_size
        if size != one["bytes"]:
            return f"{one['path']} has {size:,} of {one['bytes']:,} bytes"
        if not result_files.is_whole(paths.root, one):
            return f"{one['path']} is not what was written"
    try:
        recovered = soundness.read_ledger(paths)
    except UsageError as error:
        return error.message
    in_ledger = sum(one.events for one in recovered.holdings)
    return "" if in_ledger == _events(summary) else f"the ledger holds {in_ledger:,} events"


def _resubmit(exported: Export, bad: Sequence[Verdict]) -> Path:
    """Put aside what they brought, so that it is not taken for the new one, and write the submit files."""
    folder = exported.folder
    if altered := [name for one in bad if (name := exported.altered(one.job.name))]:
        raise DamagedResultError(
            f"{', '.join(altered[:5])}: not what was exported, so that these jobs cannot run again",
            hint="wq-run export -o ANOTHER makes it anew",
        )
    number = 1 + sum(1 for _ in folder.root.glob("resubmit-*-submit.sh"))
    for one in bad:
        result = folder.results / one.job.name
        if result.exists():
            folder.replaced.mkdir(exist_ok=True)
            result.rename(folder.replaced / f"{one.job.name}-{number}")
    script, _ = write_submission(exported, [one.job for one in bad], folder, prefix=f"resubmit-{number}-")
    return script


def _show(verdicts: Sequence[Verdict], console: Console) -> None:
    """Print a line for each dataset, and one for each job that is not done, the first ones."""
    width = max(len(one.job.dataset) for one in verdicts)
    states = [state for state in (DONE, NOTHING, FAILED, DAMAGED, EVENTS) if _count(verdicts, state)]
    for dataset in dict.fromkeys(one.job.dataset for one in verdicts):
        mine = [one for one in verdicts if one.job.dataset == dataset]
        counts = Counter(one.state for one in mine)
        told = "   ".join(f"{counts[state]:>5,} {state}" for state in states)
        events = sum(one.events for one in mine if one.state == DONE)
        wanted = sum(one.job.events for one in mine)
        _print(console, f"{dataset:<{width}}   {told}   {events:,} of {wanted:,} events")
    bad = [one for one in verdicts if one.state != DONE]
    for one in bad[:_SHOWN]:
        _print(console, f"  {one.job.name}  {one.state:<{max(map(len, states))}}  {one.reason}")
    if len(bad) > _SHOWN:
        _print(console, f"  and {len(bad) - _SHOWN:,} more")


def _count(verdicts: Sequence[Verdict], state: str) -> int:
    return sum(one.state == state for one in verdicts)


def _print(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
