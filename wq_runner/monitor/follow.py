"""Following a run by its journal, from another process: what was read is not read again."""

from __future__ import annotations

import contextlib
import dataclasses

from wq_runner import journal
from wq_runner.monitor import runs
from wq_runner.monitor.collect import Collector
from wq_runner.monitor.view import DIED, RUNNING, RunView
from wq_runner.system import RunPaths


class Follower:
    """Reads what was appended since the last look."""

    def __init__(self, paths: RunPaths) -> None:
        self._paths = paths
        self._begin()

    def _begin(self) -> None:
        self._collector = Collector()
        self._reader = journal.Reader()
        self._offset = 0

    def look(self) -> RunView:
        """Return the state now."""
        with self._paths.journal.open("rb") as stream:
            if stream.seek(0, 2) < self._offset:  # another run began in the directory
                self._begin()
            stream.seek(self._offset)
            for line in stream:
                if not line.endswith(b"\n"):
                    break  # the rest of it is being written
                self._offset += len(line)
                with contextlib.suppress(ValueError):  # a damaged line, which is counted
                    if (found := self._reader.take(line)) is not None:
                        self._collector.take(*found)
        view = self._collector.view(self._collector.now + runs.quiet(self._paths))
        view = dataclasses.replace(view, damaged_lines=self._reader.damaged)
        if view.state == RUNNING and not runs.is_alive(view, self._paths):
            return dataclasses.replace(view, state=DIED)
        return view
