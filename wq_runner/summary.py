"""`run.json`, which alone says what a run's directory holds: everybody who reads a run asks here first.

From before the first task of a run until it ends, `state` is `running`: whoever finds it so when nothing
runs knows that the run was killed. What an earlier run made is in `earlier/` by then, and nothing is under
the names of results.
"""

from __future__ import annotations

import contextlib
import shlex
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock

from wq_runner import checksums
from wq_runner.errors import DamagedResultError, RunDirectoryError
from wq_runner.system import RunPaths

RUNNING, ENDED = "running", "ended"


def new_id() -> str:
    """Return what a run's directory is known by where its result goes; it stays over runs in it."""
    return uuid.uuid4().hex


def id_of(paths: RunPaths) -> str:
    """Return what this directory is known by, a new name if it has none, and keep it in a file of its own.

    A run.json that is damaged would make a stranger of the run, where its result was staged out to.
    """
    last, kept = look(paths) or {}, _read(paths.id_file) or {}
    found = str(last.get("run") or kept.get("run") or new_id())
    if kept.get("run") != found:
        with contextlib.suppress(OSError):  # what follows says so
            checksums.write_json(paths.id_file, {"run": found})
    return found


def look(paths: RunPaths) -> dict[str, Any] | None:
    """Return what `run.json` says; None if it is not there, damaged, or not to be read."""
    return _read(paths.summary)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return checksums.read_json(path)
    except (OSError, ValueError):
        return None


def is_running(record: object) -> bool:
    """Whether this `run.json` is of a run that goes on, or was killed."""
    return isinstance(record, dict) and record.get("state", ENDED) == RUNNING


def read_ended(paths: RunPaths, path: Path | None = None, *, held: bool = False) -> dict[str, Any]:
    """Return what `run.json`, or another `path`, says of a run that ended, whichever way.

    Whoever has `held` the directory knows that nothing goes on in it.

    Raises
    ------
    UsageError
        If no run ended there: nothing in the directory is its result.
    """
    try:
        found = checksums.read_json(path or paths.summary)
    except ValueError as error:
        raise DamagedResultError(
            f"{path or paths.summary}: {error}",
            hint="the command of the run, started again, makes it anew",
        ) from error
    except OSError as error:
        there = f"; other results are in {paths.kept}/" if paths.kept.is_dir() else ""
        raise RunDirectoryError(
            f"{paths.root} is not the directory of a run that ended: {error}{there}",
            hint="wq-status shows what runs",
        ) from error
    refuse_running(paths, found, held=held)
    return found


def refuse_running(paths: RunPaths, record: object, *, held: bool = False) -> None:
    """Raise if this `run.json` is of a run that goes on, or was killed: it has no result."""
    if not is_running(record):
        return
    before = f"; the result of the run before is in {paths.earlier}" if paths.earlier.is_dir() else ""
    before += f"; other results are in {paths.kept}/" if paths.kept.is_dir() else ""
    if not held and is_held(paths):
        raise RunDirectoryError(
            f"a wq-run works in {paths.root}: it has no result yet{before}",
            hint=f"wait for it: wq-status {shlex.quote(str(paths.root))}",
        )
    raise RunDirectoryError(
        f"the run in {paths.root} was killed before its end: it has no result{before}",
        hint="the same command goes on where it was",
    )


def is_held(paths: RunPaths) -> bool:
    """Whether a process works in the directory."""
    try:
        with _lock(paths):
            return False
    except filelock.Timeout:
        return True


@contextlib.contextmanager
def held(directory: Path) -> Iterator[RunPaths]:
    """Keep a run as it is while it is read: nobody starts one there, and none goes on.

    Raises
    ------
    UsageError
        If one does.
    """
    paths = home(RunPaths(root=directory.absolute()))
    try:
        lock = _lock(paths)
    except filelock.Timeout as error:
        raise RunDirectoryError(
            f"a wq-run works in {paths.root}",
            hint=f"wait for it: wq-status {shlex.quote(str(paths.root))}",
        ) from error
    with lock:
        yield paths


def home(paths: RunPaths) -> RunPaths:
    """Return the directory whose lock keeps a result as it is: of one that is kept, that which keeps it."""
    above = RunPaths(root=paths.root.parent.parent)
    is_kept = paths.kept_record.exists() and above.kept == paths.root.parent
    return above if is_kept else paths


def _lock(paths: RunPaths) -> contextlib.AbstractContextManager[object]:
    """Take the lock of a run; of one that nobody here can go on with, as of a colleague's, there is none."""
    if not paths.lock.exists():
        return contextlib.nullcontext()
    try:
        return filelock.FileLock(paths.lock, timeout=0).acquire()
    except filelock.Timeout:  # an OSError as well
        raise
    except OSError:
        return contextlib.nullcontext()
