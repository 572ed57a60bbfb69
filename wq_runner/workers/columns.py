"""The columns that workers of this host keep, for `wq-workers columns`."""

from __future__ import annotations

import time
from collections import defaultdict

from wq_runner.errors import WorkersError
from wq_runner.remote import packs, shelf
from wq_runner.remote.shelf import Pack, Shelf, ShelfError
from wq_runner.units import format_seconds, format_size


def found(directory: str) -> Shelf | None:
    """Return what is below a directory that was given to ``--column-cache``, or at this host's own place.

    None if nothing was kept there.

    Raises
    ------
    UsageError
        If it cannot be read, or is not only this user's.
    """
    place = shelf.place_of(directory)
    if not place.exists():
        return None
    try:
        return Shelf(place, limit=0)
    except ShelfError as error:
        raise WorkersError(str(error)) from error


def listing(kept: Shelf | None) -> list[str]:
    """Return a line for each input file, the last used first, and a sum."""
    if kept is None:
        return ["no columns are kept"]
    of: defaultdict[str, list[Pack]] = defaultdict(list)
    for pack in kept.all():
        of[_described(pack)].append(pack)
    rows = sorted(of.items(), key=lambda row: -max(one.used for one in row[1]))
    lines = [
        f"{format_size(sum(one.size for one in row)):>9}  {_ago(max(one.used for one in row)):<16} {name}"
        for name, row in rows
    ]
    total = sum(one.size for row in of.values() for one in row)
    return [*lines, f"{format_size(total):>9}  in {kept.place}"]


def clean(kept: Shelf, most: int | None) -> tuple[int, int]:
    """Delete all, or what was used longest ago until no more than `most` bytes are left; return what went.

    Raises
    ------
    UsageError
        If that cannot be done.
    """
    try:
        return kept.clean() if most is None else kept.shrink(most)
    except OSError as error:
        raise WorkersError(f"{kept.place} cannot be cleaned: {error.strerror or error}") from error


def _described(pack: Pack) -> str:
    try:
        of = packs.read_about(str(pack.path))
    except (packs.DamagedPackError, OSError, ValueError, KeyError):
        return f"{pack.path} (damaged)"
    return f"{of['file']} {of['tree']}"


def _ago(moment: float) -> str:
    return f"{format_seconds(max(0.0, time.time() - moment))} ago"
