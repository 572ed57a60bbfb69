"""Run the commands as users do, in processes of their own, and wait for what they do."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import fcntl
import functools
import itertools
import json
import os
import pty
import random
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from copies import Copies

from wq_runner import journal
from wq_runner.cli import pages
from wq_runner.run_events import Accepted, Event

T = TypeVar("T")

MARK = "WQ_TESTS_MARK"
"""An environment variable that every process of a test inherits, orphans included."""

SETTINGS = {"WQ_RUNNER_ENVIRONMENT": "shared"}
"""Of every run here: tests of environments say otherwise."""

PATIENCE = 180.0
"""Seconds until a test gives up; nothing takes as long, even on a busy machine."""

ANALYSIS = Path(__file__).with_name("analysis.py")


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A command that ended."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def lines(self) -> list[str]:
        """What it said, without the signs of life of whatever took long on a busy machine.

        Any wait may be said, anywhere: see wq_runner/terminal/waiting.py.
        """
        return [line for line in self.out.splitlines() if not re.search(r" \.\.\.( \(.*\))?$", line)]

    @property
    def error(self) -> str:
        """What was said last, without the page that it names.

        It is one clear message, no traceback of ours, and there is a page about it.
        """
        assert self.err.count("error: ") == 1, self.err
        assert "wq_runner/" not in self.err, self.err
        assert "Traceback" not in self.err + self.out, self.err
        message, _, page = self.err[self.err.index("error: ") :].rpartition("more: wq-run explain ")
        assert page.strip() in pages.sections(), self.err
        return message


def program(name: str) -> str:
    """Return the path of one of our commands, if it is no path already."""
    return name if "/" in name else str(Path(sys.executable).with_name(name))


def start(*arguments: object, cwd: Path, name: str = "wq-run", **environ: str) -> subprocess.Popen[str]:
    """Start one of our commands; the caller ends it."""
    return subprocess.Popen(
        [program(name), *map(str, arguments)],
        cwd=cwd,
        env=_environ(**environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], timeout: float = PATIENCE) -> Ended:
    """Wait for a command that was started."""
    began = time.monotonic()
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"it did not end:\n{out}\n{err}") from None
    return Ended(code=process.returncode, out=out, err=err, seconds=time.monotonic() - began)


def run(*arguments: object, cwd: Path, name: str = "wq-run", **environ: str) -> Ended:
    """Run one of our commands to its end, as a copy of an imported one where it may be."""
    began = time.monotonic()
    if "/" in name or not (shared := _copies()).can_be(_environ(**environ)):
        ended = finish(start(*arguments, cwd=cwd, name=name, **environ))
        return dataclasses.replace(ended, seconds=time.monotonic() - began)
    code, out, err = shared.run(
        [program(name), *arguments], cwd=cwd, environ=_environ(**environ), timeout=PATIENCE
    )
    return Ended(code=code, out=out, err=err, seconds=time.monotonic() - began)


@functools.cache
def _copies() -> Copies:
    return Copies()


def end_copies() -> None:
    """End what `run` keeps for the commands to come."""
    if _copies.cache_info().currsize:
        _copies().close()
        _copies.cache_clear()


def _environ(**environ: str) -> dict[str, str]:
    return {**os.environ, **SETTINGS, **environ}


def run_well(*arguments: object, cwd: Path, **environ: str) -> Ended:
    """Run wq-run to its end, which must be a good one."""
    ended = run(*arguments, cwd=cwd, **environ)
    assert ended.code == 0, ended.out + ended.err
    return ended


@contextlib.contextmanager
def running(*arguments: object, cwd: Path, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """Run wq-run beside the test; it is killed at the end, should it still live."""
    process = start(*arguments, cwd=cwd, **environ)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def on_terminal(*arguments: object, cwd: Path, columns: int = 100) -> Ended:
    """Run wq-run on a pseudo-terminal of so many columns; `out` has all that was drawn, colours removed."""
    began = time.monotonic()
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    process = subprocess.Popen(
        [program("wq-run"), *map(str, arguments)],
        cwd=cwd,
        env=_environ(TERM="xterm-256color", COLUMNS=str(columns)),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    drawn = b""
    try:
        while time.monotonic() < began + PATIENCE:
            if not select.select([ours], [], [], 1.0)[0]:
                continue
            try:
                drawn += os.read(ours, 1 << 16)
            except OSError:  # the other side is closed
                break
        code = process.wait(10)
    finally:
        os.close(ours)
        if process.poll() is None:
            process.kill()
            process.wait()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.decode())
    return Ended(code=code, out=text.replace("\r", ""), err="", seconds=time.monotonic() - began)


def until(condition: Callable[[], T | None], what: str = "", patience: float = PATIENCE) -> T:
    """Wait until a condition holds, and return its value."""
    end = time.monotonic() + patience
    while not (value := condition()):
        assert time.monotonic() < end, f"it did not happen: {what or condition}"
        time.sleep(0.05)
    return value


# -- what a run leaves behind --


def events_of(directory: Path) -> list[Event]:
    """Return the events of a run's journal so far."""
    path = directory / "journal.jsonl"
    return [event for _, event in journal.read(path)] if path.exists() else []


def accepted(directory: Path) -> int:
    """Return how many chunks are in the result so far."""
    return sum(
        len(event.items)
        for event in events_of(directory)
        if isinstance(event, Accepted) and event.category == "processing"
    )


def accepts(directory: Path, count: int) -> None:
    """Wait until so many chunks are in the result."""
    until(lambda: accepted(directory) >= count, f"{count} chunks")


def summary(directory: Path) -> dict[str, Any]:
    """Return run.json."""
    found: dict[str, Any] = json.loads((directory / "run.json").read_text())
    return found


def status(directory: Path) -> dict[str, Any]:
    """Return status.json."""
    found: dict[str, Any] = json.loads((directory / "status.json").read_text())
    return found


def output(directory: Path) -> Any:
    """Return what the processor returned, merged and postprocessed."""
    from coffea.util import load

    return load(directory / "output.coffea")


# -- processes --


def marked(mark: str) -> dict[int, str]:
    """Return the processes that inherited the mark, but for this one: ids and command lines."""
    return inherited(MARK, mark)


def inherited(name: str, value: str) -> dict[int, str]:
    """Return the processes, but for this one, that started with such an environment variable."""
    wanted = f"{name}={value}".encode()
    found = {}
    for place in Path("/proc").iterdir():
        if not place.name.isdecimal() or int(place.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):  # it ended meanwhile, or is another user's
            if wanted in (place / "environ").read_bytes().split(b"\0"):
                command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if command:  # not a zombie
                    found[int(place.name)] = command
    return found


def command_of(pid: int) -> str:
    """Return the command of a process; empty if it is gone, or only not buried yet."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def workers(mark: str) -> list[int]:
    """Return the ids of the workers that inherited the mark."""
    found = {pid for pid, command in marked(mark).items() if "work_queue_worker" in command.split(" ")[0]}
    # for a moment, what a worker forks to start a task looks like another one
    return sorted(pid for pid in found if _parent(pid) not in found)


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def queues(mark: str) -> list[int]:
    """Return the ids of the processes that hold a queue."""
    return [pid for pid, command in marked(mark).items() if "engine.queue_process" in command]


def tasks(mark: str) -> list[str]:
    """Return the commands of the tasks that run on local workers."""
    return [command for command in marked(mark).values() if " function items result" in command]


def kill(pid: int) -> None:
    """Kill a process at once, as a crash or a batch system does."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _ports() -> Iterator[int]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    mine = range(10_000 + 2000 * (worker % 11), 12_000 + 2000 * (worker % 11))
    start = random.randrange(len(mine))
    return itertools.cycle([*mine[start:], *mine[:start]])


_PORTS = _ports()
_KEPT = contextlib.ExitStack()  # what keeps ports, until this process ends
atexit.register(_KEPT.close)


def free_port() -> int:
    """Return a port that is free, and will be until it is used.

    It is none of those that the kernel gives to whoever asks for any, none of another process of this run of
    the tests or of another run on this machine, and none that was returned before.
    """
    for port in _PORTS:
        # whoever asks for the same port meanwhile finds the name taken, which is no file and ends with us
        kept = socket.socket(socket.AF_UNIX)
        try:
            kept.bind(f"\0{MARK}-port-{port}")
            with socket.socket() as sock:
                sock.bind(("", port))
        except OSError:
            kept.close()
            continue
        _KEPT.enter_context(kept)
        return port
    raise AssertionError("there is always another one")


def others_settings(directory: Path) -> Path:
    """Return a directory with the user's settings of other programs, as of pip and git, but not with ours."""
    known = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    for path in known.iterdir() if known.is_dir() else ():
        if path.name != "wq-runner":
            (directory / path.name).symlink_to(path)
    return directory
