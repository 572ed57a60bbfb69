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
from wq_runner.errors import EngineError, WorkersError
from wq_runner.remote import leftovers
from wq_runner.units import MB, format_size
from wq_runner.workers.batch import several

log = logging.getLogger(__name__)

SHARE = 0.9  # of memory that all local workers together may claim
DISK_SHARE = 0.5  # of what is free: a worker ends when less is left than it has promised, whoever took it
DISK_OF_A_CORE = 4000 * MB  # bytes that a worker promises for each core, more than tasks need
LEAST_DISK = 50 * MB  # bytes, without which no worker does anything
NO_ROOM = 60.0  # seconds in which somebody may make room
QUICK_DEATH = 5.0  # seconds; a worker that lives shorter did not work at all
QUICK_DEATHS_ALLOWED = 5

MOST_OF_A_CORE, MOST = 4, 32  # cores that local workers may claim: of each that is there, and anywhere

PROGRAM = "work_queue_worker"
_TAIL = 4000  # bytes of what a worker said
_USUAL = re.compile(r"(creating|deleting) workspace|using \d+ cores|connected (to|from) manager")
_PREFIX = re.compile(r"^(\S+ \S+ )?work_queue_worker(\[\d+\] \w+)?: ")


@dataclass(frozen=True, kw_only=True)
class LocalSpec:
    """``local:N``, ``local:NxCORES``, ``local:NxCORESxMEMORYxDISK``: how many workers, and of what each.

    `memory` and `disk` are in bytes; None is an equal share of the machine's.
    """

    count: int
    cores: int = 1
    memory: int | None = None
    disk: int | None = None

    def __post_init__(self) -> None:
        """Refuse what would bring this machine down, such as the number of events of a chunk."""
        here, wanted = os.cpu_count() or 1, self.count * self.cores
        if wanted > max(MOST, here * MOST_OF_A_CORE):
            raise WorkersError(
                f"{self.count:,} workers are too many for this machine: {wanted:,} cores, and it has {here}",
                hint=f"--workers local:{here} takes all of it, "
                f"{several(f'{{}}:{self.count}')} go elsewhere; how many events a chunk has is said by "
                "--chunksize (-c)",
            )


@dataclass(frozen=True, kw_only=True)
class WorkerShape:
    """What a worker announces: memory and disk in MB."""

    cores: int
    memory: int
    disk: int


def shape(spec: LocalSpec, free: float, task_disk: float = 0) -> WorkerShape:
    """Share this machine's memory among the workers, unless it is said, and promise disk that tasks may need.

    `free` are the bytes of disk there are, `task_disk` those that a task asks for, if that is said.
    """
    memory = spec.memory or _memory_bytes() * SHARE / spec.count
    wanted = spec.disk or max(spec.cores * DISK_OF_A_CORE, spec.cores * task_disk)
    asked = spec.disk or task_disk
    # what is asked for is promised as long as it is there: a smaller worker would hold no task
    disk = min(wanted, max(free * DISK_SHARE / spec.count, min(asked, free * SHARE)))
    return WorkerShape(cores=spec.cores, memory=int(memory / MB), disk=int(disk / MB))


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
            page="workers",
        )
    return found


def write_password(path: Path) -> None:
    """Write a new random password that only this user can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="ascii") as stream:  # noqa: PTH123 - a descriptor
        stream.write(secrets.token_hex(32))


def describe(count: int, shape: WorkerShape) -> str:
    """Say how many workers there are to be, and of what size."""
    cores = "1 core" if shape.cores == 1 else f"{shape.cores} cores"
    return f"{count} local, {cores}, {format_size(shape.memory * MB)} each"


class LocalWorkers:
    """Keeps `spec.count` workers alive until it is stopped.

    `task_disk` are the bytes that a task asks for, 0 if that is not said.
    """

    def __init__(
        self, spec: LocalSpec, *, logs: Path | None = None, tls: bool = False, task_disk: float = 0
    ) -> None:
        self.spec = spec
        self._task_disk = task_disk
        self._least = max(LEAST_DISK, task_disk / SHARE)
        self._program = find_program()
        # not in the run's directory, which may be on a slow shared file system
        self._scratch = Path(tempfile.mkdtemp(prefix=leftovers.prefix("workers")))
        self.shape = shape(spec, self._free(), task_disk)
        self.password_file = self._scratch / "password"
        self._logs = logs if logs is not None else self._scratch
        self._tls = tls
        self._port = 0
        self._processes: list[subprocess.Popen[bytes]] = []
        self._born: dict[int, float] = {}
        self._lives: dict[int, int] = {}  # where in its log the life of each begins
        self._quick_deaths = 0
        self._joined = 0
        self._no_room_since: float | None = None

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes]

    def describe(self) -> str:
        return describe(self.spec.count, self.shape)

    def prepare(self) -> None:
        """Make the scratch directory and the password, before the queue starts that asks for it.

        Raises
        ------
        EngineError
            If there is no room for any worker.
        """
        system.make_private(self._scratch)
        if self._free() < self._least:
            raise self._no_room()
        if not self.password_file.exists():
            write_password(self.password_file)

    def start(self, port: int) -> None:
        self._port = port
        self._no_room_since = None
        system.make_private(self._logs)
        self._processes = [self._start_one(number) for number in range(self.spec.count)]

    def keep_alive(self, joined: int = 0) -> None:
        """Replace workers that died; `joined` is how many have come to the queue so far.

        Raises
        ------
        EngineError
            If workers die again and again right after their start, and none ever comes, or there is no room
            for any.
        """
        if joined != self._joined:
            self._joined, self._quick_deaths = joined, 0
        for number, process in enumerate(self._processes):
            if process.poll() is None:
                continue
            if time.monotonic() - self._born.pop(process.pid, 0.0) < QUICK_DEATH:
                self._quick_deaths += 1
            said = last_words(self._log_of(number), self._lives[number])
            if self._quick_deaths > QUICK_DEATHS_ALLOWED:
                raise EngineError(
                    f"local workers end as soon as they start (exit code {process.returncode}){said}",
                    hint=f"what they said is in {self._logs}; they work in {self._scratch.parent}",
                    page="workers",
                )
            if not self._has_room():
                continue
            log.warning(
                "local worker %d ended with exit code %s%s; replaced", number, process.returncode, said
            )
            # what it promised may be there no more
            self.shape = shape(self.spec, self._free(), self._task_disk)
            self._processes[number] = self._start_one(number)

    def _has_room(self) -> bool:
        """Say whether a worker can be started; if there is no room for long, nobody is going to make any."""
        if self._free() >= self._least:
            self._no_room_since = None
            return True
        now = time.monotonic()
        if self._no_room_since is None:
            self._no_room_since = now
            log.warning(
                "no room for local workers in %s; waiting %.0f s for it", self._scratch.parent, NO_ROOM
            )
        if now - self._no_room_since > NO_ROOM:
            raise self._no_room()
        return False

    def _no_room(self) -> EngineError:
        return EngineError(
            f"no room for local workers in {self._scratch.parent}: {units.format_size(self._free())} are "
            f"free, and they need {units.format_size(self._least)} at least",
            hint="make room there, or name another place by the variable TMPDIR",
            page="workers",
        )

    def _free(self) -> int:
        try:
            return shutil.disk_usage(self._scratch).free
        except FileNotFoundError:  # it was removed: the place is as good
            return shutil.disk_usage(self._scratch.parent).free

    def _log_of(self, number: int) -> Path:
        return self._logs / f"local-{number}.log"

    def stop(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.terminate()
        for process in self._processes:
            system.stop(process)
        self._processes = []
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _start_one(self, number: int) -> subprocess.Popen[bytes]:
        written = self._log_of(number)
        self._lives[number] = written.stat().st_size if written.exists() else 0
        process = system.start(
            worker_command(
                self._program, self.shape, self._port, self.password_file, self._scratch, tls=self._tls
            ),
            cwd=self._scratch,
            output=self._log_of(number),
        )
        self._born[process.pid] = time.monotonic()
        return process


def last_words(path: Path, start: int = 0) -> str:
    """Return why a worker ended, as far as it said so, to be put behind a sentence; empty if it did not.

    `start` is where in its log its life begins.
    """
    try:
        with path.open("rb") as stream:
            stream.seek(max(start, path.stat().st_size - _TAIL))
            text = stream.read().decode(errors="replace")
    except OSError:
        return ""
    telling = [line for line in text.splitlines() if line.strip() and not _USUAL.search(line)]
    return f": {_PREFIX.sub('', telling[-1]).strip()}" if telling else ""


def _memory_bytes() -> int:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
    except (OSError, ValueError):
        return total
    return min(total, limit)
