"""What an earlier run left under the names of a result: put aside before the first task of a new one.

So nobody takes it for what the new run made, whatever moment that is killed at; and it is not lost before
there is something new.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any

from rich.console import Console

from wq_runner import checksums, summary, system
from wq_runner.directory.record import Record
from wq_runner.system import RunPaths
from wq_runner.terminal import printing


def put_aside(paths: RunPaths, record: Record, console: Console, *, keep: bool = True) -> None:
    """Write `run.json` of a run that begins, and put aside what is there under the names of results.

    What is not to be kept, as it is damaged, is removed.

    Raises
    ------
    OutputError
        If that cannot be written: then nothing has changed.
    """
    last = summary.look(paths) or {}
    try:
        _keep(paths, last if keep else {})
        # from here on, nobody takes what is there for the result of this run
        checksums.write_json(paths.summary, record.as_json(code=None, message="", finished=None))
        with contextlib.suppress(OSError):  # what watches a run stops none
            paths.status_json.unlink()
        _move(paths)
    except OSError as error:
        raise system.refused(error, paths.root) from error
    if keep and last.get("complete") and paths.earlier.is_dir():
        printing.line(
            console,
            "earlier",
            f"the result of the run before is in {printing.path(paths.earlier)}/ until this one is complete",
        )


def forget(paths: RunPaths, record: Record) -> None:
    """Remove what was put aside, if there is something as good now; `run.json` says so already."""
    if record.written and (record.complete or not _is_complete(paths.earlier)):
        shutil.rmtree(paths.earlier, ignore_errors=True)


def _keep(paths: RunPaths, last: dict[str, Any]) -> None:
    """Write down what is put aside, unless there is something better aside already."""
    if summary.is_running(last) or not last.get("outputs"):
        return
    if not last.get("complete") and _is_complete(paths.earlier):
        return
    shutil.rmtree(paths.earlier, ignore_errors=True)
    paths.earlier.mkdir(exist_ok=True)
    checksums.write_json(paths.earlier / paths.summary.name, last)


def _move(paths: RunPaths) -> None:
    """Move what is kept, also what a process that was killed in here left, and remove the rest."""
    kept = summary.look(RunPaths(root=paths.earlier)) or {}
    names = {Path(one["path"]).parts[0] for one in kept.get("outputs", ())} | {
        paths.missing.name,
        paths.report.name,
    }
    for path in (*paths.results, paths.missing, paths.report):
        if not path.exists():
            continue
        target = paths.earlier / path.name
        if kept and path.name in names and not target.exists():
            path.rename(target)
        elif path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def _is_complete(directory: Path) -> bool:
    return bool((summary.look(RunPaths(root=directory)) or {}).get("complete"))
