"""Commands that run beside a test, and what they say meanwhile."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import running

SUMS = ("-p", f"{running.ANALYSIS}:Sums", "--schema", "BaseSchema", "--chunksize", "10", "--task-time", "0")
ENTRIES = 80
SIZE = ("--cores", "1", "--memory", "2000", "--disk", "2000", "-t", "60")


def ports() -> tuple[str, str]:
    """Return the option for a port that no other test has used.

    The engine would take the first free one: that of a test which has just ended, whose workers may still
    look for it.
    """
    return ("--port", str(running.free_port()))


@dataclass
class Followed:
    """A command that runs beside the test; what it says goes to a file."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def says(self, text: str, patience: float = running.PATIENCE) -> str:
        """Wait until it says something, and return all that it said."""
        running.until(lambda: text in self.said or self.process.poll() is not None, text, patience)
        assert text in self.said, self.said
        return self.said

    def ends(self, patience: float = running.PATIENCE) -> int:
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end:\n{self.said}") from None

    def ends_well(self, patience: float = running.PATIENCE) -> str:
        assert self.ends(patience) == 0, self.said
        return self.said


class Follow(Protocol):
    def __call__(self, *command: object, **environ: str) -> AbstractContextManager[Followed]: ...


def in_directory(directory: Path) -> Follow:
    """Return what starts commands in a directory, and ends them with their block."""
    count = 0

    @contextlib.contextmanager
    def started(*command: object, **environ: str) -> Iterator[Followed]:
        nonlocal count
        count += 1
        name, *rest = map(str, command)
        log = directory / f"said-{count}"
        path = running.program(name) if name.startswith("wq-") else name
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [path, *rest],
                cwd=directory,
                env={**os.environ, **running.SETTINGS, "PYTHONUNBUFFERED": "1", **environ},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        try:
            yield Followed(process=process, log=log)
        finally:
            if process.poll() is None:
                # a run would wait for its tasks, and a worker that looks for a name does not listen
                if name in {"wq-run", "work_queue_worker"}:
                    process.kill()
                process.terminate()
                process.wait(40)

    return started


def complete(directory: Path) -> None:
    """Check that a run's output has every event once."""
    assert running.output(directory)["entries"] == ENTRIES
    assert running.summary(directory)["complete"] is True


def port_of(run: Followed) -> int:
    text = run.says("waiting for workers, port ")
    return int(text.partition("waiting for workers, port ")[2].partition(".")[0])


def password(directory: Path, name: str, text: str) -> Path:
    path = directory / name
    path.touch(0o600)
    path.write_text(text)
    return path


@contextlib.contextmanager
def talking(port: int, text: bytes = b"") -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(text)
        yield sock
