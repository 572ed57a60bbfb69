"""The analysis's own modules as this process imported them, and whether their files were edited since.

A session of Python lives longer than a file stays the same. What was imported is known by the hash that the
file had when it was first looked at here, or after a reload.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.metadata
import re
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from wq_runner.execution import lazily


@dataclass(frozen=True, kw_only=True)
class Source:
    """A source file: the hash of what was `imported`, and that of what is in it `now`."""

    path: Path
    imported: str
    now: str

    @property
    def edited(self) -> bool:
        return self.imported != self.now


_PACKAGES = frozenset({"site-packages", "dist-packages"})

# as sys.modules, it is of the process: a module's spec, which a reload replaces, and the hash of its file
_seen: dict[str, tuple[Any, str]] = {}


def sources() -> dict[str, Source]:
    """Return the source of every module that was imported and is not part of an installed package.

    And of those that one of these imports when it runs, by their names.
    """
    found: dict[str, Source] = {}
    wanted: set[str] = set()
    for name, module, path in _own():
        now = hash_file(path)
        spec = getattr(module, "__spec__", None)
        if name not in _seen or _seen[name][0] is not spec:
            _seen[name] = (spec, now)
        found[name] = Source(path=path, imported=_seen[name][1], now=now)
        wanted |= lazily.inside(path, now, getattr(module, "__package__", None) or "")
    while wanted:
        name = wanted.pop()
        if name in sys.modules or name in found or (place := lazily.find(name)) is None:
            continue
        if (own := _own_path(str(place.path))) is not None:
            now = hash_file(own)
            found[name] = Source(path=own, imported=now, now=now)
            wanted |= lazily.names(own, now, place.package)
    return found


def files() -> tuple[tuple[str, Path], ...]:
    """Return the names and files of all these."""
    return tuple((name, one.path) for name, one in sources().items())


def renewable() -> dict[str, Source]:
    """Return those that can be imported anew: not the script itself, nor packages that we have imported."""
    return {name: one for name, one in sources().items() if _is_renewable(name)}


def renew() -> None:
    """Forget the own modules if any was edited, so that all are imported as they are now.

    All of them, for one may hold what it took from another.
    """
    if any(one.edited for one in renewable().values()):
        _forget()


def make_way(path: Path) -> None:
    """Forget the own module that has the name of a file and is another one, with what is beside it."""
    for name, _, other in tuple(_own()):
        if name == path.stem and other.resolve() != path.resolve():
            _forget(other.parent)


def _forget(below: Path = Path("/")) -> None:
    for name, _, path in tuple(_own()):
        if _is_renewable(name) and path.is_relative_to(below):
            del sys.modules[name]
            _seen.pop(name, None)
    importlib.invalidate_caches()


def hash_file(path: Path) -> str:
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()
    except OSError:
        return "gone"


def _is_renewable(name: str) -> bool:
    return name != "__main__" and name.partition(".")[0] not in _needed()


@functools.cache
def _needed() -> frozenset[str]:
    """Return the packages that we need; a developer may have installed one of them editable."""
    texts = importlib.metadata.requires("wq-runner") or []
    return frozenset(re.split(r"[^\w.-]", text, maxsplit=1)[0].replace("-", "_").lower() for text in texts)


def _own() -> Iterator[tuple[str, ModuleType, Path]]:
    for name, module in tuple(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and (path := _own_path(file)) is not None:
            yield name, module, path


@functools.cache  # a process has thousands of modules
def _own_path(file: str) -> Path | None:
    """Return the path of a source file, None of one of an installed package."""
    if not file.endswith(".py"):
        return None
    path = _resolved(Path(file).parent) / Path(file).name
    if _PACKAGES.intersection(path.parts):
        return None  # of another stack too, which PYTHONPATH may bring
    return None if any(path.is_relative_to(place) for place in _installed()) else path


@functools.cache
def _installed() -> tuple[Path, ...]:
    places = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    return (*map(Path, dict.fromkeys(places)), Path(__file__).parents[1])


@functools.cache  # there are many modules in a directory
def _resolved(directory: Path) -> Path:
    return directory.resolve()
