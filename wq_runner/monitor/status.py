"""The files that show a run while it goes: status.json for programs, status.html for people."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wq_runner import checksums, system
from wq_runner.monitor import page
from wq_runner.monitor.html import Html
from wq_runner.monitor.ticker import Ticker
from wq_runner.monitor.view import RunView
from wq_runner.system import RunPaths

EVERY = 5.0  # seconds between two versions of the files
_LOG_BYTES = 8192
_LOG_LINES = 40


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A state of the run, and the texts made of it."""

    view: RunView
    json: bytes
    html: bytes


class Status:
    """Writes the two files every few seconds from a thread of its own."""

    def __init__(self, paths: RunPaths, look: Callable[[], RunView], *, every: float = EVERY) -> None:
        self._paths = paths
        self._look = look
        self._every = every
        self.histograms = Html("")
        self._lock = threading.Lock()
        self._ticker = Ticker("the status page", self.write, every=every)

    @property
    def spent(self) -> float:
        """CPU seconds that it took so far."""
        return self._ticker.spent

    def start(self) -> None:
        self._ticker.start()

    def stop(self) -> None:
        self._ticker.stop()

    def write(self) -> None:
        """Write both files now.

        Raises
        ------
        OSError
            If they cannot be written.
        """
        found = self.snapshot(self._every)
        with self._lock:
            for path, content in (
                (self._paths.status_json, found.json),
                (self._paths.status_page, found.html),
            ):
                with system.replacing(path, durable=False) as stream:
                    stream.write(content)

    def snapshot(self, every: float) -> Snapshot:
        """Return the state now, as a page that looks for the next one `every` so many seconds."""
        view = dataclasses.replace(self._look(), log=tail(self._paths.debug_log))
        html = page.status_page(view, name=self._paths.root.name, every=every, histograms=self.histograms)
        # surrogates come from names of files that are not UTF-8
        return Snapshot(view=view, json=to_json(view), html=html.encode("utf-8", "replace"))


def to_json(view: RunView) -> bytes:
    """Return the state as JSON; docs/schemas/status.schema.json says what is in it."""
    return checksums.sealed_json(json.dumps(view, default=vars, separators=(",", ":"))).encode()


def tail(path: Path) -> tuple[str, ...]:
    """Return the last lines of a log, none if there is none."""
    try:
        with path.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - _LOG_BYTES))
            content = stream.read()
    except OSError:
        return ()
    lines = content.decode("utf-8", "replace").splitlines()
    return tuple(lines[1:] if len(content) == _LOG_BYTES else lines)[-_LOG_LINES:]
