"""Processors that go wrong, each in one way, for trees that `nanoaod.write_simple` made."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from analysis import PATIENCE, Sums

MB = 2**20


class Troubled(Sums):
    """Does `what` in every chunk, or in the one that holds entry `entry` of the file `file`.

    In the directory `marks`, each attempt leaves a file NAME-START-NUMBER.
    """

    def __init__(
        self, what: str, file: str = "", entry: int = -1, marks: str = "", times: int = 10**6
    ) -> None:
        self.what = what
        self.file = file
        self.entry = entry
        self.marks = marks
        self.times = times

    def process(self, events: Any) -> Any:
        attempt = self.mark(events)
        if self.is_meant(events) and attempt < self.times:
            return getattr(self, self.what)(events)
        return super().process(events)

    def is_meant(self, events: Any) -> bool:
        found = events.metadata
        here = found["entrystart"] <= self.entry < found["entrystop"] or self.entry < 0
        return here and found["filename"].endswith(self.file)

    def mark(self, events: Any) -> int:
        if not self.marks:
            return 0
        name = f"{Path(events.metadata['filename']).stem}-{events.metadata['entrystart']}"
        attempt = len(list(Path(self.marks).glob(f"{name}-*")))
        Path(self.marks, f"{name}-{attempt}").write_text(str(os.getpid()))
        return attempt

    # the ways to go wrong

    def exit(self, events: Any) -> None:
        os._exit(3)

    def leave(self, events: Any) -> None:
        sys.exit("there are no corrections for this era")

    def segv(self, events: Any) -> None:
        os.kill(os.getpid(), signal.SIGSEGV)

    def error(self, events: Any) -> None:
        raise ValueError(f"on purpose, from entry {events.metadata['entrystart']}")

    def hang(self, events: Any) -> None:
        ctypes.PyDLL(None).pause()  # in C, without giving the interpreter's lock away

    def devour(self, events: Any) -> None:
        held = np.ones(1000 * MB, np.int8)
        time.sleep(PATIENCE + held[0])

    def wait(self, events: Any) -> None:
        time.sleep(PATIENCE)

    def read_fifo(self, events: Any) -> None:
        Path(events.metadata["filename"]).with_name("fifo").read_bytes()

    def lock(self, events: Any) -> dict[str, Any]:
        return {**super().process(events), "lock": threading.Lock()}

    def nothing(self, events: Any) -> None:
        return None

    def cut(self, events: Any) -> Any:
        return super().process(events[events.x < 0])

    def kill_worker(self, events: Any) -> None:
        # the workspace has the name of its worker: worker-USER-PROCESS
        os.kill(int(os.environ["WORK_QUEUE_SANDBOX"].rpartition("-")[2]), signal.SIGKILL)
        time.sleep(PATIENCE)


class Hungry(Sums):
    """Holds so many MB for each 1000 events, for some seconds; by dataset, NAME=MB."""

    def __init__(self, seconds: float = 0.0, **megabytes: float) -> None:
        self.seconds = seconds
        self.megabytes = megabytes

    def process(self, events: Any) -> dict[str, Any]:
        held = np.ones(int(self.megabytes[events.metadata["dataset"]] * MB * len(events) / 1000), np.int8)
        time.sleep(self.seconds)
        return {**super().process(events), "held": int(held[-1])}


class Limits(Sums):
    """Tells what its task may use."""

    def process(self, events: Any) -> dict[str, Any]:
        names = ("CORES", "MEMORY", "DISK", "OMP_NUM_THREADS")
        return {**super().process(events), "limits": {tuple(os.environ.get(name, "") for name in names)}}


class Slow(Sums):
    """Takes so many seconds for each 1000 events."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def process(self, events: Any) -> dict[str, Any]:
        time.sleep(self.seconds * len(events) / 1000)
        return super().process(events)
