"""Data files that the user named one by one: which of them are one dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wq_runner.model import Dataset, InputFile
from wq_runner.samples import content, direct, paths
from wq_runner.samples.reading import Found, Reading

FILE, FILES = "file", "files"
"""How data were named: a file by itself, or several by a directory or a pattern."""


@dataclass(frozen=True, kw_only=True)
class Direct:
    """What is asked for of data that are named directly: one `dataset` of all, or one `per_file`.

    Otherwise the files of a directory are one dataset, of its name; but where each file has a directory of
    its own, it has its own name.
    """

    dataset: str | None = None
    per_file: bool = False


def together(found: Sequence[Found], wanted: Direct, reading: Reading) -> list[Found]:
    """Make datasets of data that were named directly; what samples files say stays as it is."""
    if wanted.dataset is not None:
        return _one(found, wanted, reading)
    groups = Counter(_group(one) for one in dict.fromkeys(map(_Key.of, found)) if one.how == FILE)
    if wanted.per_file or all(number == 1 for number in groups.values()):
        return list(found)
    found = _once(found, reading)
    made: dict[object, list[Found]] = {}
    for one in found:
        made.setdefault(_group(_Key.of(one)) if one.direct == FILE else id(one), []).append(one)
    return [
        _of_directory(members, reading) if members[0].direct == FILE else members[0]
        for members in made.values()
    ]


def _once(found: Sequence[Found], reading: Reading) -> list[Found]:
    """Refuse files that a directory or a pattern beside them has as well."""
    there = {file.path: one for one in found if one.direct == FILES for file in one.dataset.files}
    kept = []
    for one in found:
        other = there.get(one.dataset.files[0].path) if one.direct == FILE else None
        if other is None:
            kept.append(one)
        else:
            reading.problem(one.where, f"it is in {other.where} as well: its events would count twice")
    return kept


@dataclass(frozen=True)
class _Key:
    """What a file that was named is known by."""

    how: str
    path: str
    tree: str

    @classmethod
    def of(cls, found: Found) -> _Key:
        first = found.dataset.files[0] if found.dataset.files else InputFile(path=found.origin)
        return cls(found.direct, first.path, first.treename)


def _group(key: _Key) -> tuple[str, str]:
    return _directory(key.path), key.tree


def _directory(path: str) -> str:
    if not paths.is_url(path):
        return str(Path(path).parent)
    return path.split("?", 1)[0].rpartition("/")[0]


def _of_directory(members: Sequence[Found], reading: Reading) -> Found:
    """Return the dataset of files of one directory and one tree."""
    first = members[0]
    directory, tree = _group(_Key.of(first))
    # another origin than that of the directory itself, which is all that is in it
    origin = f"{directory}/:{tree}"
    return _joined(
        members, origin=origin, parts=direct.name_parts(directory), where=first.where, reading=reading
    )


def _one(found: Sequence[Found], wanted: Direct, reading: Reading) -> list[Found]:
    named = f"--dataset {wanted.dataset}"
    there = [one for one in found if one.direct]
    if wanted.per_file:
        reading.problem(named, "one dataset of all files, and --dataset-per-file one of each: leave one away")
    elif not there and not reading.problems:
        reading.problem(
            named,
            "it names data files on the command line; samples files name their own datasets",
        )
    if not there or not wanted.dataset:
        return list(found)
    whole = _joined(there, origin=named, parts=(wanted.dataset,), where=named, reading=reading)
    return [whole, *(one for one in found if not one.direct)]


def _joined(
    members: Sequence[Found], *, origin: str, parts: tuple[str, ...], where: str, reading: Reading
) -> Found:
    files = {(file.path, file.treename): file for one in members for file in one.dataset.files}
    kinds = {content.kind(path): path for path, _ in files}
    if len(kinds) > 1:
        reading.problem(where, f"{' and '.join(kinds.values())} are of two kinds: run them one by one")
    dataset = Dataset(name=parts[-1], files=tuple(files.values()))
    return Found(dataset=dataset, origin=origin, where=where, name_parts=parts)
