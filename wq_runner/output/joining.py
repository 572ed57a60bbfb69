"""Joining the many files that processors wrote into one for each dataset, a piece at a time."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wq_runner.errors import RunDirectoryError, UsageError
from wq_runner.output import join_parquet, join_root
from wq_runner.samples import content
from wq_runner.system import RunPaths

_SPAN = re.compile(r"^(?P<stem>.*)_(?P<start>\d+)-(?P<stop>\d+)\.\w+$")
_NAMED = re.compile(r"^(?:[0-9a-f]{8}_)?(?P<name>.+)_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")

Join = Callable[[Sequence[Path], Path], tuple[list[str], list[str]]]
"""Joins files into one; returns what is worth knowing, and what could not be joined."""


@dataclass(frozen=True, kw_only=True)
class Joined:
    """The files that were made, what is worth knowing of them, and what is not in them."""

    made: Sequence[Path]
    notes: Sequence[str] = ()
    left_out: Sequence[str] = ()


def join(paths: RunPaths, kind: str, output: Path, files: Sequence[Path]) -> Joined:
    """Join those of a run's files that are of one kind into OUTPUT/DATASET/NAME.

    Raises
    ------
    UsageError
        If there are none.
    """
    groups = grouped(paths.files, kind, files)
    if not groups:
        raise RunDirectoryError(f"there are no {kind} files below {paths.files}")
    made, notes, left_out = [], _others(paths.files, kind, files), []
    for name, together in groups.items():
        target = output / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            said, lost = KINDS[kind](together, target)
        except UsageError as error:
            target.unlink(missing_ok=True)  # of an earlier time
            said, lost = [], [f"none of its {len(together)} files: {error.message}"]
        notes += [f"{name}: {text}" for text in said]
        left_out += [f"{name}: {text}" for text in lost]
        if target.exists():
            made.append(target)
    return Joined(made=made, notes=notes, left_out=left_out)


def grouped(root: Path, kind: str, files: Iterable[Path]) -> dict[str, list[Path]]:
    """Return the files that belong together, in the order of their inputs, by the name they get."""
    found: defaultdict[str, list[tuple[str, int, Path]]] = defaultdict(list)
    for path in files:
        if content.kind(path) != kind:
            continue
        span = _SPAN.match(path.name)
        stem, start = (span["stem"], int(span["start"])) if span else (path.stem, 0)
        named = _NAMED.match(stem)
        folder = path.parent.relative_to(root)
        name = folder / f"{named['name']}.{kind}" if named else folder.with_name(f"{folder.name}.{kind}")
        found[name.as_posix()].append((stem, start, path))
    return {name: [path for _, _, path in sorted(parts)] for name, parts in sorted(found.items())}


def _others(root: Path, kind: str, files: Iterable[Path]) -> list[str]:
    """Say which files are of other kinds, and so in no sum."""
    others = sorted(path for path in files if content.kind(path) != kind)
    if not others:
        return []
    kinds = Counter(path.suffix.lower() or "without a suffix" for path in others)
    counts = ", ".join(f"{count:,} {suffix}" for suffix, count in kinds.most_common(5))
    return [f"files of other kinds are left as they are: {counts}; such as {others[0].relative_to(root)}"]


KINDS: Mapping[str, Join] = {"parquet": join_parquet.join, "root": join_root.join}
