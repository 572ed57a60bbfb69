"""Reading input where it can be read: at its path, or at the next of its fallbacks. Runs on workers."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from wq_runner.remote import failure

_MEMORY = 600.0  # seconds for which a failure counts

Table = Mapping[str, tuple[str, ...]]
"""The fallbacks of each path that has some."""


def apply_anywhere(table: Table, function: Callable[[Any], Any], item: Any) -> Any:
    """Apply coffea's work function to an item, at the next place if its file cannot be read.

    A host that failed lately on this worker is asked last: each time may cost a minute.
    """
    places = sorted((item.filename, *table.get(item.filename, ())), key=_failures)
    while True:
        path = places.pop(0)
        try:
            out = function(dataclasses.replace(item, filename=path))
        except Exception as error:
            if failure.describe(None, error)["kind"] != "input":
                raise
            _note(path)
            if not places:
                raise
            continue
        return out if path == item.filename else _as_asked(out, item.filename)


def _failures(path: str) -> int:
    """Return how often the host of a path failed lately."""
    try:
        times = _account(path).read_text().split()
    except OSError:
        return 0
    return sum(time.time() - float(one) < _MEMORY for one in times)


def _note(path: str) -> None:
    with contextlib.suppress(OSError), _account(path).open("a") as stream:
        stream.write(f"{time.time():.0f}\n")


def _account(path: str) -> Path:
    """Return where the failures of a host are written: tasks of a worker share its workspace."""
    host = re.sub(r"[^\w.-]", "_", "/".join(path.split("/")[:3]) if "://" in path else "here")
    place = os.environ.get("WORK_QUEUE_SANDBOX") or tempfile.gettempdir()
    return Path(place) / f"wq-runner-failures-{os.getuid()}-{host}"


def _as_asked(out: Any, path: str) -> Any:
    """Account for what was read elsewhere under the name that it was asked for."""
    if isinstance(out, dict) and out.get("processed"):
        out["processed"] = {dataclasses.replace(one, filename=path) for one in out["processed"]}
    return out
