"""What a process uses, as the kernel counts it."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = 1 / os.sysconf("SC_CLK_TCK")


class Meter:
    """Measures what one item uses: wall and CPU seconds, peak resident bytes, bytes read."""

    def __init__(self) -> None:
        # proc(5): 5 resets the peak; refused in some containers, where peaks then only grow
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
        self._wall, self._cpu, self._read = time.perf_counter(), time.process_time(), bytes_read()

    def read(self) -> dict[str, float]:
        return {
            "wall": time.perf_counter() - self._wall,
            "cpu": time.process_time() - self._cpu,
            "memory": _peak(),
            "bytes_read": bytes_read() - self._read,
        }


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


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * _TICK
    except (OSError, ValueError, IndexError):
        return 0


def _peak() -> int:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
