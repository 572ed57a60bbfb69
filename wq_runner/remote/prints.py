"""Having what this process prints kept, as long as it does a task."""

from __future__ import annotations

import contextlib
import functools
import os
import select
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import spool

_CONTROL = 3  # the descriptor of its socket
_PATIENCE = 10.0  # seconds for an answer
_BUSY = threading.Lock()  # the streams are of the whole process, whatever its threads do


@dataclass
class Printed:
    """What was printed, at the end."""

    text: str = ""


def flush() -> None:
    """Have what Python and C hold back of what was printed written."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    import ctypes

    with contextlib.suppress(Exception):
        ctypes.CDLL(None).fflush(None)


def by_line() -> None:
    """Have each line written when it is complete: the last one before a crash says most."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]


@contextlib.contextmanager
def captured() -> Iterator[Printed]:
    """Keep what Python and C print; only where it is all of one task, as far as threads are concerned."""
    printed = Printed()
    keeper = _keeper(os.getpid()) if _BUSY.acquire(blocking=False) else None
    if keeper is None:
        yield printed
        return
    try:
        flush()
        saved = [os.dup(number) for number in (1, 2)]
        for number in (1, 2):
            os.dup2(keeper.pipe, number)
        try:
            yield printed
        finally:
            flush()
            for number, before in zip((1, 2), saved, strict=True):
                os.dup2(before, number)
                os.close(before)
            printed.text = keeper.ask()
    finally:
        _BUSY.release()


@dataclass(frozen=True)
class _Keeper:
    """A process that reads what is written into a pipe, and keeps its ends."""

    pipe: int
    control: int  # a descriptor, as this lasts as long as the process

    def ask(self) -> str:
        try:
            os.write(self.control, b"?")
            (length,) = struct.unpack("<I", self._receive(4))
            return self._receive(length).decode("utf-8", "replace")
        except (OSError, struct.error):
            return ""

    def _receive(self, length: int) -> bytes:
        found = b""
        while len(found) < length and select.select([self.control], [], [], _PATIENCE)[0]:
            if not (more := os.read(self.control, length - len(found))):
                break
            found += more
        return found


@functools.lru_cache(maxsize=1)
def _keeper(_pid: int) -> _Keeper | None:
    """Start the process, once; None where it cannot be, and prints go where they go."""
    program = Path(spool.__file__)
    if not program.is_file():
        return None
    reader, writer = os.pipe()
    ours, theirs = socket.socketpair()
    try:
        # it ends with this process, whose end closes the socket
        os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", str(program), str(_CONTROL)],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, reader, 0),  # first, as it may be the number of the other
                (os.POSIX_SPAWN_DUP2, theirs.fileno(), _CONTROL),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            ],
            setsid=True,
        )
    except (OSError, NotImplementedError):
        return None
    finally:
        os.close(reader)
        theirs.close()
    return _Keeper(writer, ours.detach())


# -- where the process is the user's own


class _Tee:
    """A stream that also keeps what one thread writes."""

    def __init__(self, stream: Any, ends: spool.Ends) -> None:
        self._stream = stream
        self._ends = ends
        self._thread = threading.get_ident()

    def write(self, text: str) -> Any:
        if threading.get_ident() == self._thread:
            self._ends.add(text.encode("utf-8", "replace"))
        return self._stream.write(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def overheard() -> Iterator[Printed]:
    """Keep what this thread prints by way of Python, and let it be printed."""
    printed, ends = Printed(), spool.Ends()
    tees = {name: _Tee(getattr(sys, name), ends) for name in ("stdout", "stderr")}
    for name, tee in tees.items():
        setattr(sys, name, tee)
    try:
        yield printed
    finally:
        for name, tee in tees.items():
            if getattr(sys, name) is tee:  # else somebody has set it since
                setattr(sys, name, tee._stream)
        printed.text = ends.text()
