"""Watching the process that does the work, and all that it starts: memory, whether it gets on, how it ends.

The watcher is another process, because code in C can hold the interpreter's lock, hang or crash.
Whatever happens, it leaves an answer that names the item: an ending without one is the engine's.
"""

from __future__ import annotations

import contextlib
import os
import platform
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import prints, wire
from .activity import Activity
from .ancestor import Ancestor, find_worker
from .family import Family, descent
from .meter import Outside
from .spool import Ends, drain

LOOK_EVERY = 0.05  # seconds; a growing chunk is stopped before it hurts its neighbours
MB = 2**20  # as the engine counts


@dataclass(frozen=True)
class Limits:
    """Bytes of resident memory, and seconds without any CPU use, reading or new item; None is no limit."""

    memory: int | None = None
    stall: float | None = None


@dataclass(frozen=True)
class Job:
    """The three files of a task, and its limits."""

    function: Path
    items: Path
    result: Path
    limits: Limits


def limits_of(environment: dict[str, str]) -> Limits:
    """Read the limits: the engine sets MEMORY (MB) for each task, the manager WQ_RUNNER_STALL (seconds).

    With WQ_RUNNER_WATCH_MEMORY=0, memory is the engine's affair.
    """
    watched = environment.get("WQ_RUNNER_WATCH_MEMORY") != "0"
    memory = environment.get("MEMORY", "") if watched else ""
    stall = environment.get("WQ_RUNNER_STALL", "")
    return Limits(
        memory=int(float(memory) * MB) if memory and float(memory) > 0 else None,
        stall=float(stall) if stall and float(stall) > 0 else None,
    )


class Teller:
    """Called with the index of an item, it tells the watcher; `outside` is what that sees."""

    def __init__(self, writer: int, outside: Outside) -> None:
        self._writer = writer
        self.outside = outside

    def __call__(self, index: int) -> None:
        os.write(self._writer, index.to_bytes(4, "little"))


class Watch:
    """A forked child at work on a job. `work` runs in it, and gets what tells where it is."""

    def __init__(self, job: Job, work: Callable[[Teller], None]) -> None:
        self._job = job
        self._began = time.monotonic()
        self._worker: Ancestor | None = find_worker()
        reader, writer = os.pipe()
        self._prints, prints_to = os.pipe()
        self._ends = Ends()
        self._outside = Outside()
        prints.flush()  # else the child would say it again
        self.pid = os.fork()
        if self.pid == 0:
            os.close(reader)
            os.close(self._prints)
            for number in (1, 2):
                os.dup2(prints_to, number)
            os.close(prints_to)
            _child(work, Teller(writer, self._outside))
        os.close(writer)
        os.close(prints_to)
        for one in (reader, self._prints):
            os.set_blocking(one, False)
        self._family = Family(self.pid)
        self._progress = reader
        self._printing = True
        self._item: int | None = None
        self._activity = Activity()
        self._peak = 0

    @property
    def descriptors(self) -> list[int]:
        """Readable when there is progress, when something was printed, and when the child has ended."""
        return [self._progress, *([self._prints] if self._printing else [])]

    @property
    def printed(self) -> str:
        """The beginning and the end of what the child, and what it started, has printed."""
        return self._ends.text()

    def finish(self) -> None:
        """Look again and again until the child has ended."""
        while not self.look():
            select.select(self.descriptors, [], [], LOOK_EVERY)

    def look(self) -> bool:
        """Check on the child, and return whether it has ended; an answer is there then."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        self._read_progress()
        if pid:
            self._close()
            if not self._job.result.exists():
                self._end_group()
            self._answer_if_missing("crash", _how(status))
            return True
        if self._worker is not None and not self._worker.lives():
            self.kill("lost", "the worker is gone")
            return True
        self._family.look()
        used = self._family.memory(self._peak)
        self._peak = max(self._peak, used)
        self._outside.note(used)
        limits = self._job.limits
        if limits.memory is not None and used > limits.memory:
            self.kill("memory", f"{used / MB:.0f} MB used, {limits.memory / MB:.0f} MB allocated")
            return True
        if limits.stall is not None and self._activity.still(self._family, self._item) > limits.stall:
            self.kill("stall", f"nothing happened for {limits.stall:.0f} s")
            return True
        return False

    def kill(self, kind: str, message: str) -> None:
        """End the child and all it started, in whatever group that is, and answer for it."""
        started = descent(self.pid)[1:]
        self._end_group()
        for pid in started:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)  # if it had not made its group yet
        os.waitpid(self.pid, 0)
        self._read_progress()
        self._close()
        self._job.result.unlink(missing_ok=True)
        self._answer_if_missing(kind, message)

    def _end_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def _close(self) -> None:
        os.close(self._progress)
        os.close(self._prints)

    def _read_progress(self) -> None:
        if self._printing:
            self._printing = drain(self._prints, self._ends)
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._progress, 4096):
                self._item = int.from_bytes(data[-4:], "little")

    def _answer_if_missing(self, kind: str, message: str) -> None:
        if self._job.result.exists():
            return
        wire.write(
            self._job.result,
            {
                "host": platform.node(),
                "pid": self.pid,
                "wall": time.monotonic() - self._began,
                "failures": [
                    {
                        "index": self._item,
                        "kind": kind,
                        "type": kind,
                        "message": message,
                        "traceback": "",
                        # how it ended is all that is known of where
                        "signature": f"{kind}: {message}" if kind == "crash" else kind,
                        "memory": self._peak,
                    }
                ],
            },
        )


def _child(work: Callable[[Teller], None], tell: Teller) -> None:
    code = 1
    try:
        os.setsid()  # one group with what it starts
        _die_with_parent()
        prints.by_line()
        work(tell)
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            prints.flush()
        # not sys.exit: what the parent registered for its own end is not ours to do
        os._exit(code)


def _die_with_parent() -> None:
    """Ask the kernel to end this process with its parent: the engine kills the parent, and only that."""
    import ctypes

    parent_death_signal = 1  # prctl(2), PR_SET_PDEATHSIG
    ctypes.CDLL(None).prctl(parent_death_signal, signal.SIGKILL)
    if os.getppid() == 1:
        os._exit(1)


def _how(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"the interpreter was ended by {signal.Signals(-code).name}"
    return f"the interpreter ended with exit code {code}"
