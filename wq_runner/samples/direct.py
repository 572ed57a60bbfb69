"""Data files that are named themselves: ROOT and parquet files, directories and globs of them, URLs."""

from __future__ import annotations

import glob
import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from wq_runner.model import Dataset, InputFile
from wq_runner.samples import content, paths
from wq_runner.samples.reading import Found, Prefixes, Reading

log = logging.getLogger(__name__)

_NAMED = 3  # files that are passed over, and named


def is_data(path: Path) -> bool:
    return content.kind(path) is not None


def read_file(path: Path, prefixes: Prefixes, where: str, reading: Reading) -> list[Found]:  # noqa: ARG001 - a Reader
    return [_found([paths.local(str(path))], origin=paths.local(str(path)), where=where)]


def read_url(url: str, where: str, reading: Reading) -> list[Found]:
    url, tree = content.split_tree(url)
    problem = paths.url_problem(url)
    if problem is None and not content.kind_by_name(url.split("?", 1)[0]):
        problem = f"{url}: not a .root file; a prefix goes into a .cfg, before the samples that it is for"
    if problem:
        reading.problem(where, problem.removeprefix(f"{where}: "))
        return []
    path = paths.canonical_url(url)
    return with_tree([_found([path], origin=path, where=where)], tree)


def with_tree(found: Sequence[Found], treename: str | None) -> list[Found]:
    """Return the datasets with the tree that was named after their files."""
    if treename is None:
        return list(found)

    def changed(dataset: Dataset) -> Dataset:
        return replace(dataset, files=tuple(replace(file, treename=treename) for file in dataset.files))

    return [replace(item, dataset=changed(item.dataset)) for item in found]


def read_directory(path: Path, where: str, reading: Reading) -> list[Found]:
    """Read a directory and all below it as one dataset."""
    passed_over: list[str] = []
    closed: list[OSError] = []
    files = sorted(_walk(path, passed_over, closed.append))
    for error in closed:
        reading.problem(where, f"{error.filename}: {error.strerror}: what is in it is not known")
    if not files and not closed:
        reading.problem(where, _nothing_in(path))
        return []
    _say_passed_over(passed_over, where)
    return _one_dataset(files, origin=str(path.resolve()), where=where, reading=reading)


def files_below(path: Path, where: str) -> list[str]:
    """Return the data files below a directory; what is passed over is logged.

    Raises
    ------
    ValueError
        If some of it is closed.
    """
    passed_over: list[str] = []
    closed: list[OSError] = []
    files = sorted(_walk(path, passed_over, closed.append))
    if closed:
        raise ValueError(f"{closed[0].filename}: {closed[0].strerror}: what is in it is not known")
    _say_passed_over(passed_over, where)
    return files


def read_matches(pattern: str, matches: Sequence[Path], reading: Reading) -> list[Found]:
    """Read the data files that match a glob as one dataset."""
    files = [paths.local(str(path)) for path in matches]
    found = _one_dataset(files, origin=paths.local(pattern), where=pattern, reading=reading)
    return [replace(item, name_parts=_without_magic(item.name_parts)) for item in found]


def tell_apart(found: Sequence[Found]) -> list[Found]:
    """Name the datasets whose names were made from paths so that no two of them are the same.

    Two ``a/nano.root`` and ``b/nano.root`` become ``a_nano`` and ``b_nano``.
    """
    depth = {item.origin: 1 for item in found if item.name_parts}
    parts = {item.origin: item.name_parts for item in found if item.name_parts}
    while True:
        count = Counter(_name(parts[origin], depth[origin]) for origin in depth)
        short = [
            origin
            for origin in depth
            if count[_name(parts[origin], depth[origin])] > 1 and depth[origin] < len(parts[origin])
        ]
        if not short:
            break
        for origin in short:
            depth[origin] += 1
    return [_renamed(item, depth) for item in found]


def _renamed(item: Found, depth: dict[str, int]) -> Found:
    if not item.name_parts:
        return item
    name = _name(item.name_parts, depth[item.origin])
    return replace(item, dataset=replace(item.dataset, name=name))


def _name(parts: Sequence[str], depth: int) -> str:
    return "_".join(parts[-depth:])


def _found(files: Sequence[str], *, origin: str, where: str) -> Found:
    parts = name_parts(origin)
    inputs = tuple(InputFile(path=path) for path in files)
    return Found(dataset=Dataset(name=parts[-1], files=inputs), origin=origin, where=where, name_parts=parts)


def _one_dataset(files: Sequence[str], *, origin: str, where: str, reading: Reading) -> list[Found]:
    if len({content.kind(path) for path in files}) > 1:
        reading.problem(where, "holds ROOT and parquet files: name one kind with a glob, as in '*.root'")
        return []
    return [_found(files, origin=origin, where=where)]


def name_parts(origin: str) -> tuple[str, ...]:
    """Split a path or URL into the words a name can be made of, the closest last."""
    if paths.is_url(origin):
        origin = origin.split("://", 1)[1].split("?", 1)[0]
    pieces = [piece for piece in origin.split("/") if piece]
    if pieces:
        pieces[-1] = content.without_suffix(pieces[-1]) or pieces[-1]
    return tuple(pieces) or ("files",)


def _without_magic(pieces: Sequence[str]) -> tuple[str, ...]:
    """Leave of ``DY/nano_*`` the words ``DY, nano``."""
    words = [
        re.sub(r"[\s_.-]*(\[[^\]]*\]|[*?])+[\s_.-]*", "_", piece).strip("_")
        if glob.has_magic(piece)
        else piece
        for piece in pieces
    ]
    return tuple(word for word in words if word) or ("files",)


def _walk(path: Path, passed_over: list[str], failed: Callable[[OSError], None]) -> Iterator[str]:
    """Name the data files below a directory, and note the others; links to directories are followed, once."""
    seen: set[str] = set()
    for folder, folders, names in os.walk(path, followlinks=True, onerror=failed):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        for name in names:
            full = f"{folder}/{name}"
            if content.kind(full):
                yield paths.local(full)
            else:
                passed_over.append(os.path.relpath(full, path))


def _say_passed_over(names: Sequence[str], where: str) -> None:
    if names:
        more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
        log.warning("%s: passed over, as no data: %s%s", where, ", ".join(sorted(names)[:_NAMED]), more)


def _nothing_in(path: Path) -> str:
    text = "no ROOT or parquet file in this directory"
    others = sorted(
        {name.suffix for name in path.iterdir() if name.suffix in {".cfg", ".json", ".yaml", ".yml"}}
    )
    if others:
        text += f"; for the samples files in it: '{path}/*{others[0]}'"
    return text
