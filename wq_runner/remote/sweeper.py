"""Freeing what chunks leave behind: arrays of events know the events that they are of, and so each other.

Python looks for such cycles rarely, so that chunk by chunk a task would take new memory, and the time of the
kernel to give it.
"""

from __future__ import annotations

import gc
import os
import time

from .meter import resident

GROWTH = 16 * 2**20  # bytes by which a process may grow
SHARE = 0.1  # of the time, at most: where nothing is frozen, a look takes some 0.2 s instead of 4 ms


class Sweeper:
    """Looks for cycles when the process has grown, and when it was long enough since it last did."""

    def __init__(self) -> None:
        self._held = resident(os.getpid())
        self._not_before = 0.0

    def look(self) -> bool:
        """Free what can be freed if it is time for it, and return whether it was."""
        began = time.perf_counter()
        if began < self._not_before or resident(os.getpid()) < self._held + GROWTH:
            return False
        gc.collect()
        ended = time.perf_counter()
        self._not_before = ended + (ended - began) / SHARE
        self._held = resident(os.getpid())
        return True
