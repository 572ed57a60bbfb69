"""Reading files elsewhere than the samples say: other beginnings of names, and further places."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence

from wq_runner.errors import OptionError, did_you_mean
from wq_runner.model import Fileset, InputFile
from wq_runner.samples import paths

Rule = tuple[str, str]
"""What names begin with, and what they shall begin with instead."""

_LOGICAL = "/store/"  # what all redirectors of CMS know under the same name


def redirected(fileset: Fileset, rules: Sequence[Rule]) -> Fileset:
    """Return the files under their new names; the first rule that fits counts.

    Raises
    ------
    UsageError
        If a rule leads nowhere.
    """
    if not rules:
        return fileset
    for _, after in rules:
        problem = paths.url_problem(after) if paths.is_url(after) else None
        if problem:
            raise OptionError(f"--redirector: {problem}")

    def moved(path: str) -> str:
        for before, after in rules:
            if path.startswith(before):
                name = after + path.removeprefix(before)
                return paths.canonical_url(name) if paths.is_url(name) else paths.local(name)
        return path

    def changed(file: InputFile) -> InputFile:
        return dataclasses.replace(
            file, path=moved(file.path), fallbacks=tuple(moved(path) for path in file.fallbacks)
        )

    return _each(fileset, changed)


def idle(fileset: Fileset, rules: Sequence[Rule]) -> list[str]:
    """Say which rules fit no file of those that the samples name."""
    begins = sorted({beginning(path) for path in _places(fileset)}) if rules else []
    return [
        f"--redirector {before}={after}: no file begins with {before}.{did_you_mean(before, begins)} "
        f"Files begin with {', '.join(begins[:5])}"
        for before, after in rules
        if not any(path.startswith(before) for path in _places(fileset))
    ]


def with_places(fileset: Fileset, prefixes: Sequence[str]) -> Fileset:
    """Return the files with further places to look for those that are known all over: the last ones."""

    def more(file: InputFile) -> InputFile:
        known = (file.path, *file.fallbacks)
        match = re.fullmatch(rf"root://[^/]+/+({_LOGICAL[1:]}.+)", file.path)
        if match is None:
            return file
        places = [paths.join(prefix, match[1]) for prefix in prefixes]
        new = tuple(place for place in places if place not in known)
        return dataclasses.replace(file, fallbacks=(*file.fallbacks, *new))

    return _each(fileset, more) if prefixes else fileset


def beginning(path: str) -> str:
    """Return the server of a URL, or the first directory of a path."""
    match = re.match(r"[a-z0-9+.-]+://[^/]*/?|/[^/]*/?", path, re.IGNORECASE)
    return match[0] if match else path


def over_xrootd(fileset: Fileset) -> bool:
    """Say whether some file may be read over XRootD, which asks who one is."""
    return any(path.startswith("root://") for path in _places(fileset))


def _places(fileset: Fileset) -> list[str]:
    return [path for dataset in fileset for file in dataset.files for path in (file.path, *file.fallbacks)]


def _each(fileset: Fileset, change: Callable[[InputFile], InputFile]) -> Fileset:
    return tuple(
        dataclasses.replace(dataset, files=tuple(change(file) for file in dataset.files))
        for dataset in fileset
    )
