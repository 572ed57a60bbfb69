"""A sign of life of what takes longer than one expects: on what is waited."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from rich.console import Console

from wq_runner.terminal import printing
from wq_runner.units import format_seconds

AFTER = 1.0  # seconds until it is said at all
EVERY = 30.0


@contextlib.contextmanager
def waiting(
    console: Console, label: str, text: str, *, after: float = AFTER, every: float = EVERY
) -> Iterator[None]:
    """Say what is going on while the block runs, if that takes long, and now and then how long it took."""
    ended = threading.Event()

    def watch() -> None:
        began = time.monotonic()
        if ended.wait(after):
            return
        printing.line(console, label, f"{text} ...")
        while not ended.wait(every):
            printing.line(console, label, f"{text} ... ({format_seconds(time.monotonic() - began)})")

    # not waited for: a terminal that is held up delays nothing
    threading.Thread(target=watch, name=f"waiting: {text}", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
