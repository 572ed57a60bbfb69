"""Runs as their directories tell: read from files alone, from any machine that sees them."""

from __future__ import annotations

import dataclasses
import os
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from wq_runner import checksums, journal, system
from wq_runner.errors import ReportError
from wq_runner.monitor.collect import Collector
from wq_runner.monitor.status import tail
from wq_runner.monitor.view import DIED, FORMAT, RUNNING, RunView
from wq_runner.system import RunPaths
from wq_runner.units import format_size

QUIET = 90.0
"""Seconds without a sign of life after which a run on another machine counts as dead."""

_SMALL = 64_000_000  # bytes of a journal that is read at once, although its state is known from a file
_SKIPPED = frozenset({"staging", "workers", "ledger", "plots"})


def paths_of(place: Path) -> RunPaths:
    """Return the paths of a run that left its journal here.

    Raises
    ------
    UsageError
        If none did.
    """
    paths = RunPaths(root=place.absolute())
    if not paths.journal.exists():
        there = sorted(str(found.parent) for found in place.glob("*/journal.jsonl")) if place.is_dir() else []
        hint = (
            f"there are runs in: {', '.join(there)}"
            if there
            else "name the directory of a run, as wq-run -o says it"
        )
        raise ReportError(f"{place} is not the directory of a run: it has no {paths.journal.name}", hint=hint)
    return paths


def find(root: Path, *, depth: int = 3) -> Iterator[RunPaths]:
    """Yield the runs in and below a directory, without looking into them."""
    if (root / "journal.jsonl").is_file():
        yield RunPaths(root=root.absolute())
        return
    if depth == 0:
        return
    try:
        inside = sorted(entry.path for entry in os.scandir(root) if entry.is_dir(follow_symlinks=False))
    except OSError:
        return
    for path in map(Path, inside):
        if path.name not in _SKIPPED and not path.name.startswith("."):
            yield from find(path, depth=depth - 1)


def load(paths: RunPaths, *, log: bool = False, say: Callable[[str], None] | None = None) -> RunView:
    """Return the last known state of a run.

    What the run itself wrote last is taken where nothing can have happened since, or where the journal
    is too long to be read for a look. `say` is called with a line before a journal that long has to be read.
    """
    view = _written(paths)
    if view is None:
        size = paths.journal.stat().st_size
        if say is not None and size > _SMALL:
            say(f"reading {format_size(size)} of {paths.journal.name}")
        collector, reader = Collector(), journal.Reader()
        with system.uncollected():  # events have no cycles, and there are millions of them
            collector.take_all(journal.read(paths.journal, reader))
        view = collector.view(collector.now + quiet(paths) if _is_fresh(paths) else None)
        view = dataclasses.replace(view, damaged_lines=reader.damaged)
    if view.state == RUNNING and not is_alive(view, paths):
        view = dataclasses.replace(view, state=DIED)
    return dataclasses.replace(view, log=tail(paths.debug_log)) if log else view


def is_alive(view: RunView, paths: RunPaths) -> bool:
    """Tell whether the process of a run is there: by its number on its own host, elsewhere by its files."""
    if view.pid and view.host == platform.node():
        try:
            os.kill(view.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True
    return _is_fresh(paths)


def _is_fresh(paths: RunPaths) -> bool:
    return time.time() - max(_changed(paths.journal), _changed(paths.status_json)) < QUIET


def quiet(paths: RunPaths) -> float:
    """Return the seconds since the last event of a run: whoever sets clocks does not tell journals."""
    return max(0.0, time.time() - _changed(paths.journal))


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _written(paths: RunPaths) -> RunView | None:
    """Return what status.json says, if it is as good as the journal."""
    try:
        values = checksums.read_json(paths.status_json)
        if values.get("format") != FORMAT:
            return None
        view = msgspec.convert(values, RunView, strict=False)
    except (OSError, ValueError):
        return None
    if view.ended is not None and _changed(paths.status_json) >= _changed(paths.journal):
        return view
    # a state a minute old, of a journal that takes a minute to read, is as good
    is_long = paths.journal.stat().st_size > _SMALL
    return view if is_long and _changed(paths.journal) - _changed(paths.status_json) < QUIET else None
