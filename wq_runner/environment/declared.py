"""What a project says itself that its packages are, in the words of each build backend."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# of setuptools, hatch, poetry, pdm, flit and uv, wherever in their table
_KEYS = {"packages", "py-modules", "includes", "only-include", "module", "module-name"}
_INSIDE = {"include", "name"}  # of these only in what the others hold: poetry's packages, flit's module


def read_config(project: Path) -> Mapping[str, Any]:
    """Return what pyproject.toml says; nothing if it is not there or not TOML."""
    try:
        found: dict[str, Any] = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def top_level(project: Path, name: str, metadata: Path | None = None) -> set[str]:
    """Return the names of modules and packages at the top that a project has by its own word."""
    found = {re.sub(r"[-.]+", "_", name), re.sub(r"[-.]+", "_", name).lower()}
    listed = metadata / "top_level.txt" if metadata else None
    if listed is not None and listed.is_file():
        found.update(listed.read_text(encoding="utf-8").split())
    tables = read_config(project).get("tool")
    for text in _named(tables if isinstance(tables, Mapping) else {}):
        parts = [part for part in re.split(r"[/.]", text.removesuffix(".py")) if part]
        found.update(part for part in (parts[:1] + parts[-1:]) if part.isidentifier())
    return found


def _named(value: object, *, said: bool = False) -> Iterator[str]:
    if isinstance(value, str) and said:
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if key != "sdist":
                yield from _named(inner, said=key in _KEYS or (said and key in _INSIDE))
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner, said=said)
