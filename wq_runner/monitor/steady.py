"""Output that outlives its reader: a closed terminal or a broken pipe must not end a run."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import Any, TextIO


class Steady:
    """A text stream that drops what cannot be written any more, from the first failure on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.broken = False

    def write(self, text: str) -> int:
        if not self.broken:
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                encoding = self._stream.encoding or "ascii"
                self._stream.write(text.encode(encoding, "replace").decode(encoding))
            except (OSError, ValueError):
                self._break()
        return len(text)

    def flush(self) -> None:
        if not self.broken:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._break()

    def _break(self) -> None:
        self.broken = True
        # what is left in buffers goes nowhere, instead of failing again when the interpreter ends
        with contextlib.suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def outlive_terminal() -> None:
    """Go on when the terminal closes or nobody reads any more; what is printed then is lost."""
    sys.stdout = Steady(sys.stdout)
    sys.stderr = Steady(sys.stderr)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        # not SIG_IGN: that tells that we were started by nohup
        signal.signal(signal.SIGHUP, lambda *_: None)
