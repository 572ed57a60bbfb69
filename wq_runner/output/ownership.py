"""Whose a place is that results are staged out to: one owner, and a list of what belongs there.

So two runs never overwrite each other there, and what an earlier result of the owner left does not stay
beside a newer one. It works where nothing can be locked: whoever comes second finds the file of the first.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wq_runner import checksums, formats
from wq_runner.errors import OutputError, UsageError
from wq_runner.output.stageout import Destination, Staged

NAME = "wq-run-owner.json"

OF_A_RUN = ("run.json", "missing.json", *formats.FILES_OF_ALL, "outputs", "files")
OF_A_JOB = (*OF_A_RUN, "journal.jsonl", "ledger")
"""What the results of a run, or of a job, are called there."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A run by its id; `place` tells people where it is."""

    run: str
    place: str


@dataclass(frozen=True, kw_only=True)
class Belongings:
    """What is written at a place: its owner, the files that are his, and whether all of them came."""

    owner: Owner
    files: Sequence[str]
    whole: bool


def read(place: Destination) -> Belongings | None:
    """Return what is written there; None if nothing is.

    Raises
    ------
    DamagedRecordError
        If it is not what was written.
    """
    path = f"{place.root}/{NAME}"
    place.filesystem.invalidate_cache()
    if not place.filesystem.exists(path):
        return None
    with place.filesystem.open(path, "rb") as stream:  # not cat_file, whose arguments differ
        found = checksums.check_json(stream.read(), NAME)
    return Belongings(
        owner=Owner(run=found["run"], place=found["place"]), files=found["files"], whole=found["whole"]
    )


def claim(
    place: Destination,
    owner: Owner,
    names: Iterable[str],
    *,
    known: Sequence[str] = (),
    sleep: Callable[[float], None] = time.sleep,
) -> Sequence[str]:
    """Take a place for an owner, and return the files that are his there already.

    `names` are those of his files: where nothing is written, none of them may be there. If some are `known`
    to be his, what is written may be damaged or gone.

    Raises
    ------
    UsageError
        If it is somebody else's.
    """
    try:
        found = read(place)
    except checksums.DamagedRecordError as error:
        if not known:
            raise UsageError(
                f"--stage-out {place.url}: {error}", hint=_ELSEWHERE, page="staging-out"
            ) from error
        found = None
    if found is not None and found.owner.run != owner.run:
        raise UsageError(
            f"--stage-out {place.url} has the result of another run: {found.owner.place}",
            hint=_ELSEWHERE,
            page="staging-out",
        )
    if found is not None:
        return found.files
    there = [] if known else [name for name in names if _is_something(place, name)]
    if there:
        raise UsageError(
            f"--stage-out {place.url} has {', '.join(there[:5])} already, and nothing says of which run",
            hint=_ELSEWHERE,
            page="staging-out",
        )
    _write(place, Belongings(owner=owner, files=known, whole=False), sleep)
    return known


def bring(
    place: Destination,
    owner: Owner,
    files: Iterable[tuple[Path, str]],
    names: Iterable[str],
    *,
    known: Sequence[str] = (),
    sleep: Callable[[float], None] = time.sleep,
) -> list[Staged]:
    """Copy all that belongs to a place, and remove what belonged there before and does no more.

    Raises
    ------
    OutputError
        If a file could not be brought there whole, or removed, or the place was taken meanwhile.
    UsageError
        If it is somebody else's.
    """
    coming = list(files)
    wanted = [name for _, name in coming]
    before = claim(place, owner, names, known=known, sleep=sleep)
    _write(place, Belongings(owner=owner, files=sorted({*before, *wanted}), whole=False), sleep)
    staged = place.stage(coming, sleep)
    for name in sorted({*before} - {*wanted}):
        _remove(place, name)
    found = read(place)
    if found is None or found.owner.run != owner.run:
        raise OutputError(
            f"{place.url} was taken by another run meanwhile", hint=_ELSEWHERE, page="staging-out"
        )
    return [*staged, _write(place, Belongings(owner=owner, files=wanted, whole=True), sleep)]


_ELSEWHERE = (
    f"choose another place; if nobody wants what is there, remove it and {NAME}, and give the command again"
)


def _write(place: Destination, what: Belongings, sleep: Callable[[float], None]) -> Staged:
    content: dict[str, Any] = {"run": what.owner.run, "place": what.owner.place, "whole": what.whole}
    with tempfile.TemporaryDirectory(prefix="wq-run-") as scratch:
        path = Path(scratch) / NAME
        checksums.write_json(path, {**content, "files": list(what.files)})
        (staged,) = place.stage([(path, NAME)], sleep)
    return staged


def _is_something(place: Destination, name: str) -> bool:
    """Whether there is a file, or a directory with some."""
    path = f"{place.root}/{name}"
    return bool(place.filesystem.exists(path) and place.filesystem.find(path))


def _remove(place: Destination, name: str) -> None:
    path = f"{place.root}/{name}"
    try:
        if place.filesystem.exists(path):
            place.filesystem.rm_file(path)
    except Exception as error:  # each file system has its own
        raise OutputError(
            f"{path}, of an earlier result, could not be removed: {type(error).__name__}: {error}",
            hint="the same command tries it again",
            page="staging-out",
        ) from error
