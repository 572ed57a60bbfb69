"""What a process uses, as the kernel counts it."""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import time
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = 1 / os.sysconf("SC_CLK_TCK")


class Outside:
    """What who watches a process sees of it and of all that it started: a page of memory that both have."""

    _BYTES = struct.Struct("q")

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)

    def begin(self) -> None:
        """Forget the peak so far."""
        self._BYTES.pack_into(self._page, 0, 0)

    def note(self, memory: int) -> None:
        if memory > self.peak:
            self._BYTES.pack_into(self._page, 0, memory)

    @property
    def peak(self) -> int:
        found: int = self._BYTES.unpack_from(self._page)[0]
        return found


class Meter:
    """Measures what one item uses: wall and CPU seconds, peak resident bytes, bytes read.

    Programs that it starts count: their CPU time and what they read when they have ended and were waited for,
    their memory by what is seen from `outside`.
    """

    def __init__(self, outside: Outside | None = None) -> None:
        self._outside = outside
        if outside is not None:
            outside.begin()
        # proc(5): 5 resets the peak; refused in some containers, where peaks then only grow
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
        self._wall, self._cpu, self._read = time.perf_counter(), _cpu(), bytes_read()

    def read(self) -> dict[str, float]:
        return {
            "wall": time.perf_counter() - self._wall,
            "cpu": _cpu() - self._cpu,
            "memory": self.peak(),
            "bytes_read": bytes_read() - self._read,
        }

    def peak(self) -> int:
        """Return the largest memory since it began to measure."""
        return max(_peak(), self._outside.peak if self._outside is not None else 0)


def resident(pid: int) -> int:
    """Return the resident bytes of a process, 0 if it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return 0


def bytes_read(pid: int | str = "self") -> int:
    """Return what a process has read by system calls; 0 if that may not be known."""
    try:
        return int(Path(f"/proc/{pid}/io").read_text().split(maxsplit=2)[1])
    except (OSError, ValueError, IndexError):
        return 0


def own_share(pid: int) -> int:
    """Return the resident bytes of a process, of those that it shares its part; 0 if that is not known."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return 0


def cpu_seconds(pid: int, *, ended: bool = False) -> float:
    """Return the CPU time of a process, 0 if it is gone; with that of its children that have `ended`."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11 : 15 if ended else 13])) * _TICK
    except (OSError, ValueError, IndexError):
        return 0


def waited_seconds(pid: int) -> float:
    """Return how long the first thread of a process was ready to run while others had the cores.

    0 if it is gone, and where the kernel does not count that:
    https://docs.kernel.org/scheduler/sched-stats.html
    """
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) * 1e-9
    except (OSError, ValueError, IndexError):
        return 0


def _cpu() -> float:
    """Return the CPU time of this process, and of those that it started and waited for."""
    used = os.times()
    return time.process_time() + used.children_user + used.children_system


def _peak() -> int:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
