"""What is said of the results that a directory keeps."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from wq_runner import kept_results
from wq_runner.kept_results import Kept
from wq_runner.system import RunPaths
from wq_runner.terminal import printing
from wq_runner.units import format_size


def stale(console: Console, names: Sequence[str]) -> None:
    """Say that a result is of more than one version of something; nothing if it is of one."""
    if names:
        text = f"some of the result is of before {', '.join(names)} changed, as --accept-stale kept it"
        printing.line(console, "stale", text)


def not_watched(console: Console, names: Sequence[str]) -> None:
    """Name what a result depends on and a later start does not compare; nothing if there is nothing."""
    if names:
        text = f"{printing.few(names)}: the next start does not notice if that changes"
        printing.line(console, "not watched", text)


def damaged(console: Console, names: Sequence[str]) -> None:
    """Name files that are not what was written; nothing if there are none."""
    if not names:
        return
    printing.line(
        console, "damaged", f"{printing.few(names)}: missing, or not as it was written; it is made again"
    )


def put_away(console: Console, one: Kept, *, copied: bool = False) -> None:
    """Say where the result is that was there, or a copy of it."""
    state = "complete" if one.complete else "not complete"
    result = f"the earlier result ({one.title}, {state}, {format_size(one.bytes)})"
    place = f"{printing.path(one.paths.root)}/; its command brings it back"
    text = f"a copy of {result} is in {place}" if copied else f"{result} was moved to {place}"
    printing.line(console, "kept", text)


def went_back(console: Console, one: Kept) -> None:
    """Say that a result is where it was before."""
    printing.line(
        console, "back", f"the result that was kept in {printing.path(one.paths.root)}/ is in its place again"
    )


def kept(console: Console, paths: RunPaths) -> None:
    """Say how much is kept besides the result; nothing if nothing is."""
    found = kept_results.kept(paths)
    if found:
        size = format_size(sum(one.bytes for one in found))
        text = f"{printing.number(len(found), 'other result')}, {size}, in {printing.path(paths.kept)}/"
        printing.line(console, "kept", f"{text}; --keep-results sets how many are kept")
