"""Ctrl-C, SIGTERM and a lost terminal: the first asks the run to end well, the second ends it.

Where there is nothing to end well, before the first task and after the last one, the first ends it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Raising:
    """Ends what this thread does; what catches everything, as some imports do, does not make it unheard.

    A lost terminal ends nothing by this: it is heard where a run can be ended well.
    """

    def __init__(self) -> None:
        self.heard = False
        self._ours = os.getpid()

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if os.getpid() != self._ours:  # of a copy, which is ended by it
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        self.heard = True
        if number != signal.SIGHUP:
            raise KeyboardInterrupt


@contextlib.contextmanager
def raising() -> Iterator[None]:
    """Have Ctrl-C and SIGTERM raise KeyboardInterrupt, wherever this thread is and nothing else is said."""
    handler = _Raising()
    previous = {number: signal.signal(number, handler) for number in _heard()}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


def _heard() -> list[signal.Signals]:
    """Return those that are for us; under nohup, a lost terminal is no reason to stop."""
    if threading.current_thread() is not threading.main_thread():
        return []
    return [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]


@contextlib.contextmanager
def stopping(ask: Callable[[], None], tell: Callable[[], None]) -> Iterator[None]:
    """Call `ask` at the first signal, and `tell` in another thread; raise KeyboardInterrupt at the next."""
    asked = False
    ours = os.getpid()

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if os.getpid() != ours:  # of a copy, such as a pool's, which is ended by this
            signal.signal(number, previous[signal.Signals(number)])
            os.kill(os.getpid(), number)
            return
        if asked:
            raise KeyboardInterrupt
        asked = True
        ask()
        # the signal may have come while this thread was printing
        threading.Thread(target=tell, name="stopping").start()

    if threading.current_thread() is not threading.main_thread():
        yield  # signals are not for us
        return
    previous = {number: signal.signal(number, handle) for number in _heard()}
    if any(getattr(handler, "heard", False) for handler in previous.values()):
        asked = True
        ask()
        tell()
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
