"""Merging results in the background, so that workers are fed while histograms are added."""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from typing import Any

from wq_runner.engine import answer
from wq_runner.errors import ProcessorError


class Reducer:
    """Adds results up in a thread, in the order in which they come, and removes their files."""

    def __init__(self) -> None:
        self._files: queue.SimpleQueue[Path | None] = queue.SimpleQueue()
        self._total: Any = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._merge_all, name="reducer", daemon=True)
        self._thread.start()

    def add(self, result: Path) -> None:
        """Take over a result's file.

        Raises
        ------
        ProcessorError
            If an earlier result could not be merged.
        """
        self._check()
        self._files.put(result)

    def finish(self) -> Any:
        """Return the sum of all results, None if there was none."""
        self._stop()
        self._check()
        return self._total

    def abandon(self) -> None:
        self._stop()

    def _stop(self) -> None:
        self._files.put(None)
        self._thread.join()

    def _check(self) -> None:
        if self._error is not None:
            raise ProcessorError(
                f"the results of two chunks cannot be added: {self._error}",
                hint="each chunk must return the same structure: dicts of numbers, sets, histograms, lists",
            ) from self._error

    def _merge_all(self) -> None:
        from coffea.processor import accumulate

        while (path := self._files.get()) is not None:
            if self._error is not None:
                continue
            try:
                result = answer.read_result(path)
                self._total = result if self._total is None else accumulate([result], self._total)
            except Exception as error:
                self._error = error
                continue
            path.unlink(missing_ok=True)
