"""The worker that started this process, as long as it lives.

A worker that is killed leaves its tasks running. They hold its connection open, so the manager would
wait for them, and no other worker would get them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_NAME = "work_queue_work"  # as much of it as the kernel keeps
_DEAD = ("Z", "X")


@dataclass(frozen=True)
class Ancestor:
    """A process: its id, and when it was born, as ids are used again."""

    pid: int
    born: str

    def lives(self) -> bool:
        found = _look(self.pid)
        return found is not None and found[2] == self.born and found[0] not in _DEAD


def find_worker(name: str = _NAME) -> Ancestor | None:
    """Return the nearest ancestor of that name; None if there is none to be seen, as from a container."""
    pid = os.getppid()
    while pid > 1:
        found = _look(pid)
        if found is None:
            return None
        if found[3].startswith(name):
            return Ancestor(pid, found[2])
        pid = int(found[1])
    return None


def _look(pid: int) -> tuple[str, str, str, str] | None:
    """Return state, parent, time of birth and name of a process; None if it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    return fields[0], fields[1], fields[19], head.partition("(")[2]
