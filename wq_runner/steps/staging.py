"""Staging out what a run made: its place is taken before the first task, and filled when all is done."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Sequence

from rich.console import Console

from wq_runner import checksums, kept_results, summary
from wq_runner.directory.record import Record
from wq_runner.errors import OutputError, UsageError
from wq_runner.output import ownership, stageout
from wq_runner.output.ownership import Owner
from wq_runner.output.stageout import Destination
from wq_runner.system import RunPaths
from wq_runner.terminal import printing
from wq_runner.terminal.waiting import waiting
from wq_runner.units import format_size

log = logging.getLogger(__name__)


def reserve(record: Record, paths: RunPaths, url: str | None, console: Console) -> None:
    """Take the place before anything runs, if it answers.

    Raises
    ------
    UsageError
        If it is another run's.
    """
    if url is None:
        return
    place = stageout.destination(url)
    try:
        with waiting(console, "output", f"looking at {url}"):
            ownership.claim(
                place,
                _owner(record, paths),
                ownership.OF_A_RUN,
                known=_known(paths, place),
                sleep=lambda _: None,
            )
    except OutputError as error:
        _say_later(url, error, console)
    except UsageError:
        raise
    except Exception as error:
        _say_later(url, error, console)


def _say_later(url: str, error: Exception, console: Console) -> None:
    log.warning("--stage-out %s does not answer: %s", url, error)
    printing.line(console, "note", f"--stage-out {url} does not answer now; it is tried again at the end")


def stage(record: Record, paths: RunPaths, url: str | None, console: Console) -> None:
    """Stage out what a run made, if that is asked for, and put it on record."""
    if url is None:
        return
    clock = time.monotonic()
    place = stageout.destination(url)
    known = _known(paths, place)
    # as it is known now; how the run ends is known when this has ended
    checksums.write_json(paths.summary, record.as_json(code=0, message="", finished=record.clock()))
    made = [paths.root / one["path"] for one in record.outputs]
    made += [path for path in sorted(paths.files.rglob("*")) if path.is_file()]
    made += [path for path in (paths.missing, paths.summary) if path.exists()]
    files = [(path, path.relative_to(paths.root).as_posix()) for path in made]
    with waiting(console, "output", f"staging out {len(files):,} files to {url}"):
        staged = ownership.bring(place, _owner(record, paths), files, ownership.OF_A_RUN, known=known)
    record.staged = [vars(one) for one in staged]
    record.phases["staging out"] = time.monotonic() - clock
    size = sum(one.bytes for one in staged)
    printing.line(
        console, "staged out", f"{len(staged):,} files, {format_size(size)}, to {url}; read back and equal"
    )


def _owner(record: Record, paths: RunPaths) -> Owner:
    return Owner(run=record.run, place=f"{platform.node()}:{paths.root}")


def _known(paths: RunPaths, place: Destination) -> Sequence[str]:
    """Return what this run has staged out to this place, as it knows itself."""
    runs = [paths, *(one.paths for one in kept_results.kept(paths))]
    runs += [RunPaths(root=one.earlier) for one in runs]
    found = {
        one["path"].removeprefix(f"{place.root}/")
        for record in map(summary.look, runs)
        for one in (record or {}).get("staged", ())
        if one["path"].startswith(f"{place.root}/")
    }
    return sorted(found - {ownership.NAME})
