"""The results that the directory of a run keeps: several, each of other code or other options.

The newest is where a result always is. The others are below `results/`, each the whole directory of a run,
which every command reads as one. They move by renaming, and the name tells what goes on, so that whatever
moment a process is killed at, the next one that works in the directory ends what it began:

================  ==========================================
``.new``          is being described: there is nothing in it
``.leaving-NAME`` what is at the top goes in there
``.coming-NAME``  what is in there goes to the top
``.going-NAME``   is being removed
================  ==========================================
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wq_runner import checksums, formats, names, summary, system
from wq_runner.system import RunPaths

NEW, LEAVING, COMING, GOING = ".new", ".leaving", ".coming", ".going"

_STEM = 40  # bytes of a name that are the processor's

_RECORD = "run.json"
_COPIED = (_RECORD, "missing.json", "report.html", "code", "journal.jsonl")
_LINKED = (*formats.FILES_OF_ALL, "outputs", "files", "ledger")
_LOGS = ("status.json", "status.html", "stats.log", "transactions.log", "wq-run.log")
_BELONGINGS = (*_COPIED, *_LINKED, *_LOGS, "earlier")
"""All that is of one result; its record first, which says that there is one."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a result was made of: its fingerprint, and what its tasks have read besides.

    `stale` is what changed while it was made, and was accepted; `inputs` says of which events it is, once
    it has ended.
    """

    fingerprint: Mapping[str, str]
    late: Mapping[str, str]
    stale: tuple[str, ...] = ()
    inputs: str = ""

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Identity:
        """Return what `run.json` says of it."""
        return cls(
            fingerprint=dict(record.get("fingerprint") or {}),
            late=dict(record.get("read_late") or {}),
            stale=tuple(record.get("stale") or ()),
            inputs=str(record.get("inputs") or ""),
        )


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A result that is kept. `number` is larger for what was put there later, whatever the clock said."""

    paths: RunPaths
    identity: Identity
    title: str
    number: int
    complete: bool
    bytes: int


def is_something(paths: RunPaths) -> bool:
    """Whether a directory holds a result, or a part of one."""
    made = (*paths.results, paths.earlier)
    return any(path.exists() for path in made) or (paths.ledger.is_dir() and any(paths.ledger.iterdir()))


def kept(paths: RunPaths) -> list[Kept]:
    """Return the results that are kept, the newest first."""
    if not paths.kept.is_dir():
        return []
    found = [_read(path) for path in paths.kept.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return sorted(found, key=lambda one: one.number, reverse=True)


def settle(paths: RunPaths) -> None:
    """End what a process began that was killed; only for who has the lock."""
    if not paths.kept.is_dir():
        return
    for path in sorted(paths.kept.iterdir()):
        state, _, name = path.name.partition("-")
        if state == LEAVING:
            _move(paths.root, path, _BELONGINGS)
            path.rename(paths.kept / name)
        elif state == COMING:
            _move(path, paths.root, _BELONGINGS[::-1])
            shutil.rmtree(path)
        elif state in {NEW, GOING}:
            shutil.rmtree(path, ignore_errors=True)
    with contextlib.suppress(OSError):  # some are kept
        paths.kept.rmdir()


def put_away(paths: RunPaths, identity: Identity) -> Kept:
    """Keep what is there under a name of its own; the place is free then."""
    new, name = _new(paths, identity, _BELONGINGS)
    new.rename(paths.kept / f"{LEAVING}-{name}")
    settle(paths)
    return _read(paths.kept / name)


def put_copy(paths: RunPaths, identity: Identity) -> Kept:
    """Keep what is there, and leave it: its large files are there by two names, if the file system can."""
    new, name = _new(paths, identity, (*_COPIED, *_LINKED))
    for belonging in (*_COPIED, *_LINKED):
        source = paths.root / belonging
        how = _link if belonging in _LINKED else shutil.copy2
        if source.is_dir():
            shutil.copytree(source, new / belonging, copy_function=how)
        elif source.exists():
            how(source, new / belonging)
    new.rename(paths.kept / name)
    return _read(paths.kept / name)


def bring_back(paths: RunPaths, one: Kept) -> None:
    """Put a result where results are; nothing is there."""
    one.paths.root.rename(paths.kept / f"{COMING}-{one.paths.root.name}")
    settle(paths)


def prune(paths: RunPaths, most: int, now: Identity, *, complete: bool) -> None:
    """Remove what is too much, the oldest first, and what the result that is there now stands for.

    Until that is `complete`, the newest one that is stays.
    """
    found = kept(paths)
    for one in [one for one in found if complete and now.inputs and one.identity == now]:
        _remove(paths, one)
        found.remove(one)
    spared = next((one for one in found if one.complete and not complete), None)
    for one in found[most:]:
        if one is not spared:
            _remove(paths, one)


def _remove(paths: RunPaths, one: Kept) -> None:
    gone = paths.kept / f"{GOING}-{one.paths.root.name}"
    with contextlib.suppress(OSError):
        one.paths.root.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
        paths.kept.rmdir()


def _new(paths: RunPaths, identity: Identity, belongings: tuple[str, ...]) -> tuple[Path, str]:
    """Describe what is there, in a directory that is not taken for a result yet, and choose its name."""
    new = paths.kept / NEW
    shutil.rmtree(new, ignore_errors=True)
    system.make_private(new, 0o755)  # as the ledger in it, which is unpickled
    record = summary.look(paths) or {}
    title = _title(record)
    told = {
        "title": title,
        "number": 1 + max((one.number for one in kept(paths)), default=0),
        "kept": time.time(),
        "complete": _is_complete(paths) or _is_complete(RunPaths(root=paths.earlier)),
        "bytes": sum(_sizes(paths.root / belonging for belonging in belongings)),
        "fingerprint": dict(identity.fingerprint),
        "read_late": dict(identity.late),
        "stale": list(identity.stale),
        "inputs": identity.inputs,
    }
    checksums.write_json(RunPaths(root=new).kept_record, told)
    text = json.dumps([told["fingerprint"], told["read_late"]], sort_keys=True)
    stem = f"{names.file_name(title, _STEM)}-{hashlib.blake2b(text.encode(), digest_size=3).hexdigest()}"
    number, name = 1, stem
    while (paths.kept / name).exists():
        number += 1
        name = f"{stem}-{number}"
    return new, name


def _title(record: Mapping[str, Any]) -> str:
    """Return what people call a result by: its processor."""
    options = record.get("options") or {}
    name = str((options.get("processor") or {}).get("value") or ("survey" if options else "unknown"))
    several = re.findall(r"(?:^|,)([A-Za-z_]\w*)=", name)
    return "-".join(several) or name.rpartition(":")[2].rpartition("/")[2]


def _is_complete(paths: RunPaths) -> bool:
    return bool((summary.look(paths) or {}).get("complete"))


def _read(root: Path) -> Kept:
    paths = RunPaths(root=root)
    try:
        told = checksums.read_json(paths.kept_record)
    except (OSError, ValueError):
        told = summary.look(paths) or {}
    return Kept(
        paths=paths,
        identity=Identity.of(told),
        title=str(told.get("title") or root.name),
        number=int(told.get("number") or 0),
        complete=bool(told.get("complete")),
        bytes=int(told.get("bytes") or 0),
    )


def _move(source: Path, target: Path, belongings: tuple[str, ...]) -> None:
    for name in belongings:
        if (source / name).exists():
            (source / name).rename(target / name)


def _link(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # which some file systems cannot
        shutil.copy2(source, target)


def _sizes(places: Iterable[Path]) -> Iterator[int]:
    for place in places:
        for path in place.rglob("*") if place.is_dir() else [place]:
            with contextlib.suppress(OSError):
                if path.is_file():
                    yield path.stat().st_size
