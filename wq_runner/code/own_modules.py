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
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from wq_runner.code import deferred_imports
from wq_runner.environment.remembered import remembered
from wq_runner.remote import contents, pinned
from wq_runner.remote.pinned import own_path


@dataclass(frozen=True, kw_only=True)
class Source:
    """A source file: the hash of what was `imported`, and that of what is in it `now`.

    `text` is what was imported, None if nobody knows; `file` is the name that the module has of it.
    """

    path: Path
    imported: str
    now: str
    file: str
    text: bytes | None = field(repr=False)

    @property
    def edited(self) -> bool:
        return self.imported != self.now


SCRIPTS = frozenset({"__main__", "__mp_main__"})
"""The names of the script itself, the second for multiprocessing: imported anew it would run again."""

# as sys.modules, it is of the process: of modules that were imported before anybody noted their text, their
# spec, which a reload replaces, and what was in the file when it was first looked at
_seen: dict[str, tuple[Any, bytes | None]] = {}

_PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"  # each has a syntax of its own


def note() -> None:
    """Note the text of own modules that are imported from now on."""
    pinned.at_home(apart())


def sources() -> dict[str, Source]:
    """Return the source of every module that was imported and is not part of an installed package.

    This includes modules that one of these imports only when it runs.
    """
    note()
    found: dict[str, Source] = {}
    wanted: set[str] = set()
    for name, module, path in _own():
        content = _read(path)
        text = _text(name, module, content)
        now = _hash(content)
        before = now if text == content else _hash(text)
        file = str(module.__file__)
        found[name] = Source(path=path, imported=before, now=now, file=file, text=text)
        wanted |= deferred_imports.inside(path, now, getattr(module, "__package__", None) or "")
    while wanted:
        name = wanted.pop()
        if name in sys.modules or name in found or (place := deferred_imports.find(name)) is None:
            continue
        if (own := own_path(str(place.path))) is not None:
            content = _read(own)
            now = _hash(content)
            file = str(place.path)
            found[name] = Source(path=own, imported=now, now=now, file=file, text=content)
            wanted |= deferred_imports.names(own, now, place.package)
    return found


def files() -> tuple[tuple[str, Path], ...]:
    """Return the names and files of all these."""
    return tuple((name, one.path) for name, one in sources().items())


def _text(name: str, module: ModuleType, now: bytes | None) -> bytes | None:
    """Return the text that a module was made of."""
    text = pinned.text_of(module)
    if text is not None:
        return text
    spec = getattr(module, "__spec__", None)
    if name not in _seen or _seen[name][0] is not spec:
        _seen[name] = (spec, now)
    return _seen[name][1]


def modules() -> Iterator[tuple[str, ModuleType]]:
    """Yield the own modules that are imported, by their names."""
    for name, module, _ in _own():
        if _is_renewable(name):
            yield name, module


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
    """Forget a module of the analysis that has the name of this file but was loaded from another one."""
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
    return _hash(_read(path))


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _hash(content: bytes | None) -> str:
    """Return the hash of a source, which does not know its comments."""
    if content is None:
        return contents.GONE
    text = content
    whole = hashlib.blake2b(text, digest_size=16).hexdigest()
    return remembered().get(f"code {_PYTHON} {whole}", lambda: contents.code_hash(text))


def apart() -> frozenset[str]:
    """Return the packages that are never the analysis's: we need them ourselves."""
    return _needed()


def _is_renewable(name: str) -> bool:
    return name not in SCRIPTS and name.partition(".")[0] not in apart()


@functools.cache
def _needed() -> frozenset[str]:
    """Return the packages that we need; a developer may have installed one of them editable."""
    texts = importlib.metadata.requires("wq-runner") or []
    names = (re.split(r"[^\w.-]", text, maxsplit=1)[0].replace("-", "_").lower() for text in texts)
    return frozenset({"wq_runner", *names})


def _own() -> Iterator[tuple[str, ModuleType, Path]]:
    for name, module in tuple(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and (path := own_path(file)) is not None:
            yield name, module, path
