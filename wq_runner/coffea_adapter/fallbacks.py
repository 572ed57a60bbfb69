"""Reading input where it can be read: at its path, or at the next of its fallbacks. Runs on workers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from wq_runner.remote import failure, servers

Table = Mapping[str, tuple[str, ...]]
"""The fallbacks of each path that has some."""


def apply_anywhere(table: Table, function: Callable[[Any], Any], item: Any) -> Any:
    """Apply coffea's work function to an item, at the next place if its file cannot be read.

    A server that failed lately on this worker is asked last. What is read at another place than the item's
    own is told by a `servers.ElsewhereWarning`.
    """
    reason = ""
    changed: Exception | None = None
    places = sorted((item.filename, *table.get(item.filename, ())), key=servers.failures)
    while True:
        path = places.pop(0)
        try:
            out = function(dataclasses.replace(item, filename=path))
        except Exception as error:
            found = failure.describe(None, error)
            if found["kind"] not in {"input", failure.CHANGED, failure.ENVIRONMENT}:
                raise
            if found["kind"] == failure.CHANGED:
                changed = error  # says more than that the others cannot be read
            else:
                servers.note_failure(path)
            if path == item.filename:
                reason = f"{found['type']}: {found['message']}"
            if not places and changed is not None:
                raise changed from changed.__cause__
            if not places:
                raise
            continue
        if path == item.filename:
            return out
        servers.tell_elsewhere(path, reason)
        return _as_asked(out, item.filename)


def _as_asked(out: Any, path: str) -> Any:
    """Account for what was read elsewhere under the name that it was asked for."""
    if isinstance(out, dict) and out.get("processed"):
        out["processed"] = {dataclasses.replace(one, filename=path) for one in out["processed"]}
    return out
