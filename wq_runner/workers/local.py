"""Workers on this machine, real `work_queue_worker` processes that end with the run."""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from wq_runner import system, units
from wq_runner.errors import EngineError, UsageError

log = logging.getLogger(__name__)

SHARE = 0.9  # of memory and free disk that all local workers together may claim
QUICK_DEATH = 5.0  # seconds; a worker that lives shorter did not work at all
QUICK_DEATHS_ALLOWED = 5

PROGRAM = "work_queue_worker"


@dataclass(frozen=True, kw_only=True)
class LocalSpec:
    """``local:N``, ``local:NxCORES``, ``local:NxCORESxMEMORYxDISK``: how many workers, and of what each.

    `memory` and `disk` are in bytes; None is an equal share of the machine's.
    """

    count: int
    cores: int = 1
    memory: int | None = None
    disk: int | None = None

    @classmethod
    def parse(cls, text: str) -> LocalSpec:
        match = re.fullmatch(
            r"local(?::(\d+)(?:x(?=.)(\d*)(?:x(?=.)([^\Wx][^x]*|)(?:x(\w[^x]*))?)?)?)?", text.strip()
        )
        count = int(match[1] or os.cpu_count() or 1) if match else 0
        cores = int(match[2] or 1) if match else 0
        try:
            memory = units.size(match[3]) if match and match[3] else None
            disk = units.size(match[4]) if match and match[4] else None
        except ValueError:
            count = 0
        if count < 1 or cores < 1:
            raise UsageError(
                f"workers {text!r} not understood",
                hint="local:4 starts 4 of one core, local:2x4 two of 4 cores, local:2x4x8GB with 8 GB each",
            )
        return cls(count=count, cores=cores, memory=memory, disk=disk)


@dataclass(frozen=True, kw_only=True)
class WorkerShape:
    """What a worker announces: memory and disk in MB."""

    cores: int
    memory: int
    disk: int


def shape(spec: LocalSpec, scratch: Path) -> WorkerShape:
    """Share this machine's memory, unless it is said, and the disk below `scratch` among the workers."""
    memory = spec.memory or _memory_bytes() * SHARE / spec.count
    return WorkerShape(
        cores=spec.cores,
        memory=int(memory / 1e6),
        disk=int((spec.disk or shutil.disk_usage(scratch).free * SHARE / spec.count) / 1e6),
    )


def worker_command(
    program: str, shape: WorkerShape, port: int, password_file: Path, scratch: Path, *, tls: bool = False
) -> list[str]:
    """Return the command of one worker; it dies with its parent, and retries a lost manager at once."""
    return [
        program,
        f"--cores={shape.cores}",
        f"--memory={shape.memory}",
        f"--disk={shape.disk}",
        f"--password={password_file}",
        f"--workdir={scratch}",
        "--parent-death",
        "--min-backoff=1",
        "--max-backoff=2",
        *(["--ssl"] if tls else []),
        "127.0.0.1",
        str(port),
    ]


def find_program(name: str = PROGRAM) -> str:
    """Return the path of one of the engine's programs, on PATH or beside this interpreter.

    Raises
    ------
    EngineError
        If it is not installed.
    """
    beside = str(Path(sys.executable).parent)
    found = shutil.which(name) or shutil.which(name, path=beside)
    if found is None:
        raise EngineError(
            f"{name} is not on PATH (nor in {beside})",
            hint="it comes with ndcctools (conda-forge), or coop-computing-tools (Debian, Ubuntu)",
        )
    return found


def write_password(path: Path) -> None:
    """Write a new random password that only this user can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="ascii") as stream:  # noqa: PTH123 - a descriptor
        stream.write(secrets.token_hex(32))


class LocalWorkers:
    """Keeps `spec.count` workers alive until it is stopped."""

    def __init__(self, spec: LocalSpec, *, logs: Path | None = None, tls: bool = False) -> None:
        self.spec = spec
        self._program = find_program()
        # not in the run's directory, which may be on a slow shared file system
        self._scratch = Path(tempfile.mkdtemp(prefix="wq-runner-workers-"))
        self.shape = shape(spec, self._scratch)
        self.password_file = self._scratch / "password"
        self._logs = logs if logs is not None else self._scratch
        self._tls = tls
        self._port = 0
        self._processes: list[subprocess.Popen[bytes]] = []
        self._born: dict[int, float] = {}
        self._quick_deaths = 0
        self._joined = 0

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes]

    def describe(self) -> str:
        cores = "1 core" if self.shape.cores == 1 else f"{self.shape.cores} cores"
        return f"{self.spec.count} local, {cores}, {self.shape.memory / 1000:.1f} GB each"

    def prepare(self) -> None:
        """Make the scratch directory and the password, before the queue starts that asks for it."""
        system.make_private(self._scratch)
        if not self.password_file.exists():
            write_password(self.password_file)

    def start(self, port: int) -> None:
        self._port = port
        system.make_private(self._logs)
        self._processes = [self._start_one(number) for number in range(self.spec.count)]

    def keep_alive(self, joined: int = 0) -> None:
        """Replace workers that died; `joined` is how many have come to the queue so far.

        Raises
        ------
        EngineError
            If workers die again and again right after their start, and none ever comes.
        """
        if joined != self._joined:
            self._joined, self._quick_deaths = joined, 0
        for number, process in enumerate(self._processes):
            if process.poll() is None:
                continue
            if time.monotonic() - self._born.pop(process.pid, 0.0) < QUICK_DEATH:
                self._quick_deaths += 1
            if self._quick_deaths > QUICK_DEATHS_ALLOWED:
                raise EngineError(
                    f"local workers end as soon as they start (exit code {process.returncode})",
                    hint=f"what they said is in {self._logs}",
                )
            log.warning("local worker %d ended with exit code %s; replaced", number, process.returncode)
            self._processes[number] = self._start_one(number)

    def stop(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.terminate()
        for process in self._processes:
            system.stop(process)
        self._processes = []
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _start_one(self, number: int) -> subprocess.Popen[bytes]:
        process = system.start(
            worker_command(
                self._program, self.shape, self._port, self.password_file, self._scratch, tls=self._tls
            ),
            cwd=self._scratch,
            output=self._logs / f"local-{number}.log",
        )
        self._born[process.pid] = time.monotonic()
        return process


def _memory_bytes() -> int:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
    except (OSError, ValueError):
        return total
    return min(total, limit)
