"""Watching a process that does one task after the other: from another process, which it starts itself.

Where a pool has processes that stay, nobody can answer in the place of a task that hangs or takes all memory.
So its own process is ended, which the pool survives, and the answer is left where the task's would be.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import platform
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import wire
from .activity import Activity
from .family import Family, descent
from .guard import MB, Limits

LOOK_EVERY = 0.2  # seconds
_CONTROL = 0  # the descriptor at which it is told


@contextlib.contextmanager
def minded(result: Path, limits: Limits | None) -> Iterator[Callable[[int], None]]:
    """Have this process watched as long as it does a task, and yield what tells which item it is at."""
    limits = limits or Limits()
    limited = limits.memory is not None or limits.stall is not None
    minder = _minder(os.getpid()) if limited else None

    def tell(**more: Any) -> None:
        if minder is not None:
            with contextlib.suppress(OSError):  # it is gone: then nobody watches
                os.write(minder, json.dumps({"result": str(result), **more}).encode() + b"\n")

    tell(begin=[limits.memory, limits.stall])
    try:
        yield lambda index: tell(item=index)
    finally:
        tell(end=True)


@functools.lru_cache(maxsize=1)
def _minder(pid: int) -> int | None:
    """Start the process, once; None where it cannot be."""
    package = __package__ or ""
    root = Path(__file__).parents[len(package.split("."))]
    if not root.is_dir():
        return None
    program = (
        f"import sys; sys.path.insert(0, {str(root)!r})\nfrom {package} import minder\nminder.main({pid})"
    )
    reader, writer = os.pipe()
    try:
        os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", "-c", program],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, reader, _CONTROL),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            ],
            setsid=True,
        )
    except (OSError, NotImplementedError):
        os.close(writer)
        return None
    finally:
        os.close(reader)
    return writer


# -- in the process that watches


@dataclass
class _Task:
    """What is known of a task: its limits, where it is, and since when nothing has happened."""

    limits: Limits
    began: float
    activity: Activity = field(default_factory=Activity)
    item: int | None = None
    peak: int = 0

    def wrong(self, family: Family) -> tuple[str, str]:
        """Return the kind of what is wrong, and a message; nothing if nothing is."""
        used = family.memory(self.peak)
        self.peak = max(self.peak, used)
        if self.limits.memory is not None and used > self.limits.memory:
            return "memory", f"{used / MB:.0f} MB used, {self.limits.memory / MB:.0f} MB allocated"
        still = self.activity.still(family, self.item)
        if self.limits.stall is not None and still > self.limits.stall:
            return "stall", f"nothing happened for {self.limits.stall:.0f} s"
        return "", ""


def main(pid: int) -> None:
    """Watch a process, this one's parent, until it ends."""
    tasks: dict[str, _Task] = {}
    family = Family(pid)
    rest = b""
    while os.getppid() == pid:
        if select.select([_CONTROL], [], [], LOOK_EVERY if tasks else 1.0)[0]:
            if not (data := os.read(_CONTROL, 1 << 16)):
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                _hear(tasks, json.loads(line))
            continue  # what was said last counts
        family.look()
        family.members = tuple(one for one in family.members if one != os.getpid())
        for result, task in tasks.items():
            kind, message = task.wrong(family)
            if kind and not Path(result).exists():
                _answer(Path(result), task, pid, kind, message)
                _end(pid)
                return


def _end(pid: int) -> None:
    for one in descent(pid):
        if one != os.getpid():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(one, signal.SIGKILL)


def _hear(tasks: dict[str, _Task], said: dict[str, Any]) -> None:
    result = said["result"]
    if "begin" in said:
        memory, stall = said["begin"]
        limits = Limits(memory=memory, stall=stall)
        tasks[result] = _Task(limits=limits, began=time.time())
    elif "end" in said:
        tasks.pop(result, None)
    elif result in tasks:
        tasks[result].item = said["item"]


def _answer(result: Path, task: _Task, pid: int, kind: str, message: str) -> None:
    failure = {
        "index": task.item,
        "kind": kind,
        "type": kind,
        "message": message,
        "traceback": "",
        "signature": kind,
        "memory": task.peak,
    }
    with contextlib.suppress(OSError):  # on a worker that does not see the manager's files
        header = {"host": platform.node(), "pid": pid, "wall": time.time() - task.began}
        wire.write(result, {**header, "failures": [failure]})
