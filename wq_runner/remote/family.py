"""A process and all that it started, as one: a processor may leave its computing to a program of its own."""

from __future__ import annotations

import os
import time
from pathlib import Path

from . import meter

LOOK_EVERY = 0.2  # seconds between two looks at who belongs to it
_EXACT_EVERY = 0.5  # seconds; what is shared takes milliseconds to be told apart


class Family:
    """What a process, its children, theirs and so on use together."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.members: tuple[int, ...] = (pid,)
        self._next_look = 0.0
        self._next_exact = 0.0
        self._last = 0

    def look(self) -> None:
        """Notice who came and who left; others than the first are not looked for at each call."""
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + LOOK_EVERY
            self.members = descent(self._pid)

    def cpu_seconds(self) -> float:
        """Return the CPU time of all, and of those that ended and were waited for."""
        return sum(meter.cpu_seconds(pid, ended=True) for pid in self.members)

    def waited_seconds(self) -> float:
        """Return how long they could have computed, and had no core."""
        return sum(map(meter.waited_seconds, self.members))

    def bytes_read(self) -> int:
        return sum(meter.bytes_read(pid) for pid in self.members)

    def memory(self, known: int) -> int:
        """Return the resident bytes; those that several of them share count once.

        A sum of all that is not above what is `known` needs no closer look.
        """
        first, *others = (meter.resident(pid) for pid in self.members)
        if not others or first + sum(others) <= known:
            return first
        now = time.monotonic()
        if now >= self._next_exact:
            self._next_exact = now + _EXACT_EVERY
            self._last = sum(meter.own_share(pid) for pid in self.members)
        return max(first, self._last)


def descent(pid: int) -> tuple[int, ...]:
    """Return a process, its children, and theirs."""
    found = [pid]
    for one in found:
        found += _children(one)
    return tuple(found)


def _children(pid: int) -> list[int]:
    # proc(5): those of each thread. Some kernels do not tell: then a process is alone
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - as fast as it is
        for thread in threads:
            found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split())
    except (OSError, ValueError):  # it is gone
        pass
    return found
