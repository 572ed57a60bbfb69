"""Documents that name samples files: where those are, and ttbarEFT's lists of sample JSONs.

https://github.com/TopEFT/ttbarEFT: ``input_samples/cfgs/*.yaml``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wq_runner.samples import kinds, paths
from wq_runner.samples.reading import Found, Prefixes, Reading

log = logging.getLogger(__name__)


def read(
    value: Mapping[Any, Any],
    path: Path,
    prefixes: Prefixes,
    where: str,  # noqa: ARG001 - as a Reader
    reading: Reading,
) -> list[Found]:
    """Read ``{redirector, jsonFiles}``, or groups of these, with the redirector above them or their own."""
    return _read_group("", value, path, prefixes, reading)


def _read_group(
    label: str, body: Mapping[Any, Any], path: Path, outer: Prefixes, reading: Reading
) -> list[Found]:
    where = paths.shown(path)
    prefixes = _prefixes(body.get("redirector"), label, path, outer, reading)
    if prefixes is None:
        return []
    lists = kinds.is_reference(body)
    found = _read_list(label, body["jsonFiles"], path, prefixes, reading) if lists else []
    others = []
    for name, one in body.items():
        if kinds.has_references(one):
            found += _read_group(f"{label}{name}: ", one, path, prefixes, reading)
        elif lists and name not in {"jsonFiles", "redirector"}:
            others.append(str(name))
        elif not lists and name != "redirector":
            reading.problem(where, f"{label}{name}: has no jsonFiles, as the others have")
    if others:
        log.warning("%s: %sleft out, as it says nothing here: %s", where, label, ", ".join(sorted(others)))
    return found


def _read_list(label: str, names: Any, path: Path, prefixes: Prefixes, reading: Reading) -> list[Found]:
    where = paths.shown(path)
    if isinstance(names, str):
        names = [names]
    if names is None:
        log.warning("%s: %sjsonFiles is empty", where, label)
        return []
    if not isinstance(names, list) or not all(isinstance(one, str) and one.strip() for one in names):
        reading.problem(where, f"{label}jsonFiles is {names!r}, expected a list of names of samples files")
        return []
    return [item for name in names for item in follow(name.strip(), path, prefixes, reading, label=label)]


def _prefixes(value: Any, label: str, path: Path, outer: Prefixes, reading: Reading) -> Prefixes | None:
    """Return what goes before the names of files; None if it cannot. Without a redirector, nothing new."""
    words = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
    if value is not None and not isinstance(value, (str, list)):
        reading.problem(paths.shown(path), f"{label}redirector is {value!r}, expected a prefix of names")
        return None
    prefixes = []
    for word in words:
        try:
            prefixes.append(paths.as_prefix(str(word), path.parent))
        except ValueError as error:
            reading.problem(paths.shown(path), f"{label}redirector: {error}")
            return None
    return tuple(prefixes) or outer


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
