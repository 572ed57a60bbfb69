"""Where the files of a list are: prefixes, and what directories and patterns of this machine hold."""

from __future__ import annotations

import glob
from pathlib import Path

from wq_runner.samples import content, direct, paths
from wq_runner.samples.reading import Prefixes

Places = tuple[str, ...]
"""Of one file: where it is, and where else."""


def places(name: str, folder: Path, prefixes: Prefixes, where: str) -> list[Places]:
    """Return the places of each file that a name in a list stands for, nearly always one.

    Raises
    ------
    ValueError
        If it stands for none.
    """
    if content.is_das_dataset(name):
        raise ValueError(
            f"{name} is a dataset of DAS, not a file: list its files first, as with "
            f"dasgoclient -query='file dataset={name}'"
        )
    first, *others = _located(name, folder, prefixes)
    if paths.is_url(first):
        _check_url(first)
        return [(first, *others)]
    if not prefixes and not content.may_be_data(name) and not Path(first).exists():
        raise ValueError(f"{name!r} in files, expected the name of a file: it is none that is here")
    if not _stands_for_more(first):
        return [(first, *others)]
    if others:
        raise ValueError(f"{name}: a pattern or directory, of which only one place can be given")
    return [(path,) for path in _matches(name, first, where)]


def _located(name: str, folder: Path, prefixes: Prefixes) -> list[str]:
    """Return its own URL, a prefix for each place, or a local path."""
    if paths.is_url(name):
        problem = paths.url_problem(name)
        if problem:
            raise ValueError(problem)
        return [paths.canonical_url(name)]
    if prefixes:
        return [paths.join(prefix, name) for prefix in prefixes]
    if name[0] in "/~":
        return [paths.local(name)]
    beside = paths.local(name, folder)
    there = Path(beside).exists() or (glob.has_magic(beside) and bool(glob.glob(beside, recursive=True)))  # noqa: PTH207 - **
    return [beside if there else paths.local(name)]


def _check_url(url: str) -> None:
    path = url.split("?", 1)[0]
    if "*" in path or path.endswith("/"):
        kind = "a pattern" if "*" in path else "a directory"
        raise ValueError(f"{url}: {kind} on a server, which is not looked into: name its files")


def _stands_for_more(path: str) -> bool:
    """Whether a path is a directory or a pattern; the disk is asked only if the name allows for it."""
    if "*" in path or "?" in path or "[" in path:  # glob.has_magic, 150,000 times
        return not Path(path).exists()
    if path.endswith(".root"):
        return False
    return path.endswith("/") or (content.kind_by_name(path) is None and Path(path).is_dir())


def _matches(name: str, path: str, where: str) -> list[str]:
    if Path(path).is_dir():
        found = direct.files_below(Path(path), where)
        if not found:
            raise ValueError(f"{name}: no ROOT or parquet file in this directory")
        return found
    if not glob.has_magic(path):
        raise ValueError(f"{name}: no such directory here: name its files, or a directory that is here")
    found = [one for one in sorted(glob.glob(path, recursive=True)) if content.kind(one)]  # noqa: PTH207 - **
    if not found:
        raise ValueError(f"{name}: no file matches")
    return found
