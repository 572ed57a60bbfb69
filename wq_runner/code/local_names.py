"""Names of local files, as they mean the same on a worker: whose current directory is another one."""

from __future__ import annotations

import copy
import dataclasses
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Names = Mapping[str, tuple[str, ...]]
"""How files were named, by their absolute names, where that is not the same."""


def absolute(values: Iterable[Any]) -> tuple[list[Any], Names]:
    """Return coffea's items with absolute names of files, and how they were named."""
    names: defaultdict[str, dict[str, None]] = defaultdict(dict)
    found = []
    for value in values:
        name = getattr(value, "filename", None)
        if not isinstance(name, str) or not name or "://" in name:
            found.append(value)
            continue
        path = name if name[0] == "/" else _absolute(name)
        names[path][name] = None
        found.append(value if path == name else _renamed(value, path))
    return found, {path: tuple(several) for path, several in names.items() if set(several) != {path}}


def _absolute(name: str) -> str:
    # links stay what they are
    return os.path.join(Path.cwd(), os.path.expanduser(name))  # noqa: PTH111, PTH118


def as_named(result: Any, names: Names) -> Any:
    """Return a result with the names that its items had: coffea looks them up by these."""
    if not names:
        return result
    if isinstance(result, dict) and result.get("processed"):
        result["processed"] = type(result["processed"])(_each(result["processed"], names))
    elif isinstance(result, set) and any(hasattr(one, "filename") for one in result):
        return type(result)(_each(result, names))
    return result


def _each(items: Iterable[Any], names: Names) -> list[Any]:
    return [
        one if name == one.filename else _renamed(one, name)
        for one in items
        for name in names.get(one.filename, (one.filename,))
    ]


def _renamed(value: Any, name: str) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(value, filename=name)
    changed = copy.copy(value)
    changed.filename = name
    return changed
