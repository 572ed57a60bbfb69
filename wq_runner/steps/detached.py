"""Runs in the background: started there, found again, and asked to end."""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import filelock
from rich.console import Console

from wq_runner import journal, system
from wq_runner.config import commands
from wq_runner.errors import OutputError, UsageError
from wq_runner.run_events import Event, RunEnded, RunStarted
from wq_runner.system import RunPaths
from wq_runner.terminal import printing

_MAIN = "from wq_runner.cli.run import main; main()"
_LOOK_EVERY = 0.1


def detach(arguments: Sequence[str], root: Path, console: Console) -> int:
    """Start ``wq-run ARGUMENTS`` in a session of its own, and return when it works, or what it ended with."""
    paths = RunPaths(root=root.absolute())
    if living(paths) is not None:
        status, ends = commands.line("wq-status", root), commands.line("wq-run", "--stop", root)
        raise OutputError(f"another wq-run works in {root}", hint=f"{status}   {ends}")
    paths.root.mkdir(parents=True, exist_ok=True)
    paths.printed.unlink(missing_ok=True)
    paths.printed.touch(mode=0o600)  # the address of the page is printed, with its token
    process = system.start(
        [sys.executable, "-c", _MAIN, *arguments],
        output=paths.printed,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    while process.poll() is None:
        found = living(paths)
        if found is not None and found.pid == process.pid:
            printing.line(
                console,
                "detached",
                f"process {process.pid}; what it prints is in {printing.path(paths.printed)}",
            )
            printing.line(console, "", f"{commands.line('wq-status', root)}       how far it is")
            printing.line(console, "", f"{commands.line('wq-run', '--stop', root)}   ends it well")
            return 0
        time.sleep(_LOOK_EVERY)
    console.print(paths.printed.read_text(encoding="utf-8"), end="", markup=False, highlight=False)
    return process.returncode


def living(paths: RunPaths) -> RunStarted | None:
    """Return how the run that works in a directory introduced itself; None if none does."""
    lock = paths.root / ".lock"
    if not lock.exists() or not _is_held(lock):
        return None
    started = [event for event in _events(paths) if isinstance(event, RunStarted)]
    return started[-1] if started else None


def stop(root: Path, console: Console) -> None:
    """Ask the run in a directory to end as Ctrl-C does, and wait until it has.

    Raises
    ------
    UsageError
        If none works there, or one on another machine.
    """
    paths = RunPaths(root=root.absolute())
    found = living(paths)
    if found is None:
        raise UsageError(f"no wq-run works in {root}", page="output")
    if found.host != platform.node():
        there = commands.line("wq-run", "--stop", str(paths.root))
        raise UsageError(f"the run in {root} is on {found.host}", hint=f"there: {there}", page="output")
    os.kill(found.pid, signal.SIGTERM)
    printing.line(
        console, "stopping", f"process {found.pid} ends what runs and saves; once more ends it at once"
    )
    while _is_held(paths.root / ".lock"):
        time.sleep(_LOOK_EVERY)
    ended = [event for event in _events(paths) if isinstance(event, RunEnded)]
    if ended:
        first, *_ = ended[-1].message.splitlines() or ["complete"]
        printing.line(console, "ended", f"exit code {ended[-1].code}: {first}")


def _events(paths: RunPaths) -> list[Event]:
    with contextlib.suppress(FileNotFoundError):
        return [event for _, event in journal.read(paths.journal)]
    return []


def _is_held(path: Path) -> bool:
    try:
        filelock.FileLock(path, timeout=0).acquire().lock.release()
    except filelock.Timeout:
        return True
    return False
