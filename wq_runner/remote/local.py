"""Local files as uproot reads them, without threads of its own: to be imported where a new uproot is."""

from __future__ import annotations

import os
from pathlib import Path

from uproot.source.file import FileResource, MultithreadedFileSource
from uproot.source.futures import ResourceTrivialExecutor


class _Resource(FileResource):  # type: ignore[misc]  # uproot has no types
    """Reads from a place, and not from where somebody stopped: a processor may read columns by threads.

    uproot's own seeks and then reads, so that of two threads one gets what the other asked for.
    """

    def get(self, start: int, stop: int) -> bytes:
        pieces = []
        while start < stop and (piece := os.pread(self.file.fileno(), stop - start, start)):
            pieces.append(piece)
            start += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class LocalSource(MultithreadedFileSource):  # type: ignore[misc]
    """Reads a local file in the thread that asks for it, whichever it is."""

    def _open(self) -> None:
        self._executor = ResourceTrivialExecutor(_Resource(self._file_path))
        self._num_bytes = Path(self._file_path).stat().st_size
