"""Modules that code imports only when it runs, found in its text: nothing is imported here."""

from __future__ import annotations

import ast
import functools
import importlib.util
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

_INSIDE = re.compile(rb"^[ \t]+(import|from)[ \t]", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Found:
    """The source file of a module, and the package that its relative imports are of."""

    path: Path
    package: str


def inside(path: Path, digest: str, package: str) -> frozenset[str]:
    """Return the modules that a file imports, if any of them is imported within something, else none."""
    try:
        # in most files none is, and parsing takes its time
        return names(path, digest, package) if _INSIDE.search(path.read_bytes()) else frozenset()
    except OSError:
        return frozenset()


@functools.lru_cache(maxsize=1000)
def names(path: Path, digest: str, package: str) -> frozenset[str]:  # noqa: ARG001 - the content's, for the cache
    """Return the modules that a file of a package imports anywhere.

    Of ``from a.b import c`` these are ``a``, ``a.b`` and, as it may be one, ``a.b.c``.
    """
    try:
        return frozenset(_names(ast.walk(ast.parse(path.read_bytes())), package))
    except (OSError, SyntaxError, ValueError):
        return frozenset()


def _names(nodes: Iterable[ast.AST], package: str) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            whole = [one.name for one in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: -(node.level - 1) or None] if node.level else []
            parts = [*filter(None, base), *filter(None, [node.module])]
            whole = [".".join([*parts, one.name]) for one in node.names]
        else:
            continue
        for name in whole:
            yield from itertools.accumulate(name.split("."), "{}.{}".format)


def find(name: str) -> Found | None:
    """Return where a module would be imported from; None if there is no such source file."""
    first, *rest = name.split(".")
    try:
        spec = importlib.util.find_spec(first)  # which imports nothing, as it has no parent
    except (ImportError, ValueError):
        return None
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(f"{spec.name}.{part}", [*spec.submodule_search_locations])
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return Found(path=Path(spec.origin), package=spec.parent or "")
