"""The next file of a task, opened in a thread while the present one is computed."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

Opened = TypeVar("Opened")

_PATIENCE = 10.0  # seconds that an item waits for its file, before it opens it by itself
_SETTLING = 2.0  # and a fork: the copy has no such thread, and what it held stays so for ever

_at_work: set[threading.Thread] = set()


def _settle() -> None:
    for thread in tuple(_at_work):
        if thread is not threading.current_thread():
            thread.join(_SETTLING)


os.register_at_fork(before=_settle, after_in_child=_at_work.clear)


class Following(Generic[Opened]):
    """Opens a file, whose item is still to come. What fails is not said: the item will fail by itself."""

    def __init__(self, path: str, opening: Callable[[], Opened], closing: Callable[[Opened], Any]) -> None:
        self.path = path
        self._opening = opening
        self._closing = closing
        self._lock = threading.Lock()
        self._found: Opened | None = None
        self._is_wanted = True
        self._thread = threading.Thread(target=self._open, name="next file", daemon=True)
        _at_work.add(self._thread)
        self._thread.start()

    def _open(self) -> None:
        try:
            with contextlib.suppress(BaseException):
                found = self._opening()
                with self._lock:
                    if self._is_wanted:
                        self._found = found
                        return
                self._closing(found)
        finally:
            _at_work.discard(self._thread)

    def take(self) -> Opened | None:
        """Return what was opened, None if that failed or is not to be waited for."""
        self._thread.join(_PATIENCE)
        with self._lock:
            self._is_wanted = False
            found, self._found = self._found, None
        return found

    def drop(self) -> None:
        """Have it closed whenever it is open, and wait for nothing."""
        with self._lock:
            self._is_wanted = False
            found, self._found = self._found, None
        if found is not None:
            with contextlib.suppress(Exception):
                self._closing(found)
