"""Samples of every dialect, read into a `Fileset`.

A new dialect is one module in `dialects/`.
"""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from wq_runner import checksums
from wq_runner.errors import Problem, SamplesError
from wq_runner.model import Dataset, Fileset, InputFile
from wq_runner.samples import content, dialects, direct, mistaken, paths
from wq_runner.samples.reading import Found, Reading
from wq_runner.samples.together import FILE, FILES, Direct, together
from wq_runner.system import RunPaths

DEFAULT = Direct()
_MAX_PROBLEMS = 200


def load(names: Sequence[str], *, treename: str | None = None, wanted: Direct = DEFAULT) -> Fileset:
    """Read samples files, ROOT files, directories, globs and URLs of ROOT files into one fileset.

    No data file is opened, and of local ones only relative names are looked for.

    Parameters
    ----------
    treename
        The tree to read, whatever the samples say: what they know of another tree (its number of
        entries) is forgotten. None reads the tree that the samples name, or else ``Events``.
    wanted
        Which data files that are named themselves are one dataset.

    Raises
    ------
    SamplesError
        With every problem of every file.
    """
    return tuple(item.dataset for item in find(names, treename=treename, wanted=wanted))


def find(names: Sequence[str], *, treename: str | None = None, wanted: Direct = DEFAULT) -> list[Found]:
    """Do the same, and tell where each dataset is from."""
    reading = Reading(dialects.known())
    if not names:
        reading.problem("samples", "none given: name a .cfg, a .json, a .root file, a directory or a glob")
    found: list[Found] = []
    for name in names:
        known = len(reading.problems)
        here = _read_name(name, reading)
        if not here and len(reading.problems) == known:
            reading.problem(name, "it names no dataset")
        found += here
    found = _unique(direct.tell_apart(together(found, wanted, reading)), reading)
    if treename is not None:
        found = [replace(one, dataset=_with_treename(one.dataset, treename, reading)) for one in found]
    if reading.problems:
        raise SamplesError(_title(names), _at_most(_MAX_PROBLEMS, reading.problems))
    return found


def _read_name(name: str, reading: Reading) -> list[Found]:
    path = Path(os.path.expanduser(name))  # noqa: PTH111 - which raises nothing where there is no such user
    if paths.is_url(name):
        return _directly(direct.read_url(name, name, reading), FILE)
    if path.exists():
        return _read_path(path, reading)
    if glob.has_magic(name) and content.split_tree(name)[1] is None:
        return _read_glob(str(path), reading)
    if "," in name and not mistaken.is_number(name):
        pieces = [piece.strip() for piece in name.split(",")]
        return [item for piece in pieces if piece for item in _read_name(piece, reading)]
    bare, tree = content.split_tree(name)
    if tree:
        return direct.with_tree(_read_name(bare, reading), tree)
    meant = _nothing_missing(path) or mistaken.answer(name)
    reading.problem(name, meant or paths.no_such_file(name, [Path()], named=False))
    return []


def _nothing_missing(path: Path) -> str | None:
    """Say why what is missing in a run is not there, if it is because nothing is."""
    run = RunPaths(root=path.parent)
    if path != run.missing:
        return None
    try:
        complete = checksums.read_json(run.summary)["complete"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return f"not there, as the run in {path.parent}/ is complete: nothing is missing" if complete else None


def _is_changed(path: Path) -> bool:
    """Whether it is what is missing in a run, and not as the run wrote it."""
    run = RunPaths(root=path.parent)
    if path.name != run.missing.name:
        return False
    try:
        written = checksums.read_json(run.summary)["missing_file"]
        return bool(hashlib.sha256(path.read_bytes()).hexdigest() != written["sha256"])
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _read_path(path: Path, reading: Reading) -> list[Found]:
    where = paths.shown(path)
    if path.is_dir():
        return _directly(direct.read_directory(path, where, reading), FILES)
    if _is_changed(path):
        text = "not what the run wrote: it is damaged, or was changed (a change of yours needs another name)"
        reading.problem(where, text)
        return []
    found = reading.read(path, (), where)
    return _directly(found, FILE) if direct.is_data(path) else found


def _directly(found: Sequence[Found], how: str) -> list[Found]:
    return [replace(one, direct=how) for one in found]


def _read_glob(pattern: str, reading: Reading) -> list[Found]:
    matches = [Path(match) for match in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207 - ** and ~
    if not matches:
        reading.problem(pattern, "no file matches")
    data = [path for path in matches if path.is_file() and direct.is_data(path)]
    others = [path for path in matches if path not in set(data)]
    if "**" in pattern:
        others = [path for path in others if not path.is_dir()]
    found = [item for path in others for item in _read_path(path, reading)]
    return found + (_directly(direct.read_matches(pattern, data, reading), FILES) if data else [])


def _unique(found: Sequence[Found], reading: Reading) -> list[Found]:
    first: dict[str, Found] = {}
    for item in found:
        name = item.dataset.name
        known = first.setdefault(name, item)
        if known.origin != item.origin:
            reading.problem(
                item.where, f"the sample name {name} is taken: {known.where} has it, from {known.origin}"
            )
        elif known.dataset != item.dataset:
            reading.problem(
                item.where,
                f"{name} is in {known.where} too, with another prefix; prefixes on one line are fallbacks",
            )
    return list(first.values())


def _with_treename(dataset: Dataset, treename: str, reading: Reading) -> Dataset:
    def changed(file: InputFile) -> InputFile:
        if file.treename == treename:
            return file
        if file.ranges is not None:
            reading.problem(
                dataset.name, f"{file.path} has ranges of the tree {file.treename}, not of {treename}"
            )
        return replace(file, treename=treename, facts=None)

    return replace(dataset, files=tuple(changed(file) for file in dataset.files))


def _title(names: Sequence[str]) -> str:
    if len(names) != 1:
        return "the list of samples"
    return names[0] if paths.is_url(names[0]) else os.path.normpath(names[0])


def _at_most(count: int, problems: Sequence[Problem]) -> Sequence[Problem]:
    if len(problems) <= count:
        return problems
    rest = Problem(where="...", text=f"and {len(problems) - count:,} more")
    return [*problems[:count], rest]
