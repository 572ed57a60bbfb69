"""Ctrl-C, SIGTERM, a lost terminal, runs in the background: ended well, or at once, and gone on with."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nanoaod
import pytest
import running

from wq_runner.run_events import Accepted, Decided

FILES, EVENTS = 10, 100
COMMON = ("-p", f"{running.ANALYSIS}:Gated", "--schema", "BaseSchema", "--chunksize", 50, "--task-time", 0)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("stopping") / "data"
    for number in range(FILES):
        nanoaod.write_simple(directory / f"f{number}.root", EVENTS)
    return directory


def options(gate: Path, executor: str = "futures", *more: object) -> tuple[object, ...]:
    """Half of the chunks wait for the gate."""
    workers = {"iterative": (), "work_queue": ("-w", "local:2")}.get(executor, ("-w", 2))
    return (*COMMON, "--processor-args", f"gate={gate}", "-e", executor, *workers, "-o", "out", *more)


def check_goes_on(data: Path, gate: Path) -> None:
    """A later run does the rest, and only that; with any executor: here with the one that starts soonest."""
    gate.touch()
    ended = running.run_well(*options(gate, "iterative"), data, cwd=gate.parent)
    assert "resuming" in ended.out
    out = gate.parent / "out"
    assert running.output(out)["entries"] == FILES * EVENTS
    assert running.output(out)["chunks"] == FILES * 2
    items = [
        item
        for event in running.events_of(out)
        if isinstance(event, Accepted) and event.category == "processing"
        for item in event.items
    ]
    assert len(items) == len(set(items)) == FILES * 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda one: one.name)
def test_the_first_signal_waits_for_what_runs(data: Path, tmp_path: Path, number: signal.Signals) -> None:
    gate, out = tmp_path / "gate", tmp_path / "out"
    with running.running(*options(gate), data, cwd=tmp_path) as process:
        running.until(lambda: running.accepted(out) >= 2)
        process.send_signal(number)
        await_line(process, "stopping")
        gate.touch()
        ended = running.finish(process)
    gate.unlink()
    assert ended.code == 130
    assert "interrupted" in ended.error
    done = running.accepted(out)
    assert running.output(out)["chunks"] == done < FILES * 2
    assert running.summary(out)["exit_code"] == 130
    assert (out / "missing.json").exists()
    check_goes_on(data, gate)


def await_line(process: subprocess.Popen[str], beginning: str) -> None:
    """Wait until a run has printed a line."""
    assert process.stdout is not None
    assert any(line.startswith(beginning) for line in process.stdout)


def test_waits_no_longer_than_asked(data: Path, tmp_path: Path) -> None:
    gate, out = tmp_path / "gate", tmp_path / "out"
    with running.running(*options(gate, "futures", "--drain-time", 1), data, cwd=tmp_path) as process:
        running.until(lambda: running.accepted(out) >= 2)
        process.send_signal(signal.SIGTERM)
        ended = running.finish(process, timeout=30)
    assert ended.code == 130
    check_goes_on(data, gate)


@pytest.mark.parametrize("executor", ["futures", "work_queue", "dask", "parsl"])
def test_the_second_leaves_at_once(data: Path, tmp_path: Path, executor: str) -> None:
    gate, out = tmp_path / "gate", tmp_path / "out"
    with running.running(*options(gate, executor), data, cwd=tmp_path) as process:
        running.until(lambda: running.accepted(out) >= 2)
        process.send_signal(signal.SIGINT)
        await_line(process, "stopping")  # two that come at once are one
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        ended = running.finish(process, timeout=30)
        assert time.monotonic() - began < 15
    assert ended.code == 130
    assert "what was done is kept" in ended.error
    check_goes_on(data, gate)


@contextlib.contextmanager
def on_terminal(*arguments: object, cwd: Path, before: tuple[str, ...] = ()) -> Iterator[tuple[int, int]]:
    """Run wq-run as the leader of a session on a terminal; yield the terminal and the process."""
    ours, theirs = pty.openpty()

    def lead() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        [*before, running.program("wq-run"), *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **running.SETTINGS},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        preexec_fn=lead,  # noqa: PLW1509 - no other thread runs here
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    try:
        yield ours, process.pid
        running.until(lambda: process.poll() is not None)
    finally:
        with contextlib.suppress(OSError):
            os.close(ours)
        if process.poll() is None:
            process.kill()
        process.wait()


def until(terminal: int, condition: Callable[[], bool]) -> None:
    """Wait for a condition, and take what is printed, so that the program never waits for its reader."""

    def holds() -> bool:
        read_all(terminal)
        return condition()

    running.until(holds)


def says(terminal: int, text: bytes) -> None:
    """Wait until a text is printed."""
    printed = b""

    def is_there() -> bool:
        nonlocal printed
        printed += read_all(terminal)
        return text in printed

    running.until(is_there, text.decode())


def read_all(terminal: int) -> bytes:
    printed = b""
    with contextlib.suppress(OSError):  # nothing there, or, under nohup, nobody
        while part := os.read(terminal, 1 << 16):
            printed += part
    return printed


@pytest.mark.parametrize("executor", ["futures", "dask", "parsl"])
def test_ctrl_c_on_a_terminal_is_not_for_the_processes_of_the_pool(
    data: Path, tmp_path: Path, executor: str
) -> None:
    gate, out = tmp_path / "gate", tmp_path / "out"
    with on_terminal(*options(gate, executor), data, cwd=tmp_path) as (terminal, _):
        until(terminal, lambda: running.accepted(out) >= 2)
        os.write(terminal, b"\x03")
        says(terminal, b"stopping")
        gate.touch()
        until(terminal, (out / "run.json").exists)
    gate.unlink()
    assert running.summary(out)["exit_code"] == 130
    assert not [event for event in running.events_of(out) if isinstance(event, Decided)]
    check_goes_on(data, gate)


def test_a_lost_terminal_ends_a_run_well(data: Path, tmp_path: Path) -> None:
    gate, out = tmp_path / "gate", tmp_path / "out"
    with on_terminal(*options(gate), data, cwd=tmp_path) as (terminal, _):
        until(terminal, lambda: running.accepted(out) >= 2)
        os.close(terminal)
        time.sleep(0.5)
        gate.touch()
    gate.unlink()
    assert running.summary(out)["exit_code"] == 130
    check_goes_on(data, gate)


def test_under_nohup_a_lost_terminal_does_not_matter(data: Path, tmp_path: Path) -> None:
    gate, out = tmp_path / "gate", tmp_path / "out"
    with on_terminal(*options(gate), data, cwd=tmp_path, before=("nohup",)) as (terminal, _):
        until(terminal, lambda: running.accepted(out) >= 2)
        os.close(terminal)
        time.sleep(0.5)
        gate.touch()
    assert running.summary(out)["exit_code"] == 0
    assert running.output(out)["entries"] == FILES * EVENTS


def test_in_the_background(data: Path, tmp_path: Path) -> None:
    gate, out = tmp_path / "gate", tmp_path / "out"
    detached = running.run("--detach", *options(gate), data, cwd=tmp_path)
    assert detached.code == 0, detached.err
    assert "wq-run --stop out" in detached.out
    running.until(lambda: running.accepted(out) >= 2)
    again = running.run("--detach", *options(gate), data, cwd=tmp_path)
    assert again.code == 2
    assert "another wq-run works in out" in again.error
    status = running.run("out", cwd=tmp_path, name="wq-status")
    assert status.code == 0, status.err
    stopping = running.start("--stop", "out", cwd=tmp_path, PYTHONUNBUFFERED="1")
    assert stopping.stdout
    assert stopping.stdout.readline().startswith("stopping")
    gate.touch()
    stopped = running.finish(stopping)
    assert stopped.code == 0, stopped.err
    assert "exit code 130: interrupted" in stopped.out
    gate.unlink()
    assert "interrupted" in (out / "wq-run.out").read_text()
    check_goes_on(data, gate)
    nobody = running.run("--stop", "out", cwd=tmp_path)
    assert nobody.code == 2
    assert "no wq-run works in out" in nobody.error


def test_a_mistake_is_said_before_it_goes_to_the_background(tmp_path: Path) -> None:
    ended = running.run("--detach", "nosuch.json", cwd=tmp_path)
    assert ended.code == 2
    assert "no such file" in ended.error
    assert list(tmp_path.iterdir()) == []


def test_what_fails_at_once_in_the_background_is_said(data: Path, tmp_path: Path) -> None:
    ended = running.run("--detach", "-p", "nosuch:Thing", "-e", "iterative", "-o", "out", data, cwd=tmp_path)
    assert ended.code != 0
    assert "nosuch" in ended.out
