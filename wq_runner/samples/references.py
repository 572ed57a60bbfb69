"""Documents that name samples files: where those are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from wq_runner.samples import paths
from wq_runner.samples.reading import Found, Prefixes, Reading


def follow(
    name: str, path: Path, prefixes: Prefixes, reading: Reading, *, label: str = "", first: str = ""
) -> list[Found]:
    """Read the samples file that a document names; `first` says what makes one that is not there."""
    where = paths.shown(path)
    target = locate(name, path, reading)
    if target is None:
        text = paths.no_such_file(name, [path.parent, Path()])
        reading.problem(where, f"{label}{text}{first and f'; {first}'}")
        return []
    if target.is_dir():
        reading.problem(where, f"{label}{name}: a directory, expected a samples file")
        return []
    return reading.read(target, prefixes, where)


def locate(name: str, document: Path, reading: Reading) -> Path | None:
    """Find a file that a document names: beside it, from here, or from a folder above.

    Such names are meant from the directory where the analysis runs: often the root of the repository, or,
    if they begin with ``../``, one of its folders.
    """
    path = Path(os.path.expanduser(name))  # noqa: PTH111 - which raises nothing
    near = next((one for one in (document.parent / path, path) if one.exists()), None)
    if near is not None or path.is_absolute():
        return near
    pieces = path.parts
    while pieces and pieces[0] == "..":
        pieces = pieces[1:]
    for parent in _above(document.parent):
        if parent.joinpath(*pieces).is_file():
            reading.say_once(f"{paths.shown(document)}: the files that it names are taken from {parent}")
            return parent.joinpath(*pieces)
    return None


def _above(folder: Path) -> Sequence[Path]:
    """Return the folders above, as far as the checkout or the home directory reaches."""
    found = []
    for parent in folder.resolve().parents:
        if parent in {Path(parent.anchor), Path.home()}:
            break
        found.append(parent)
        if (parent / ".git").exists():
            break
    return found
