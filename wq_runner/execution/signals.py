"""Ctrl-C, SIGTERM and a lost terminal: the first asks the run to end well, the second ends it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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
    # under nohup, a lost terminal is no reason to stop
    heard = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, handle) for number in heard}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
