"""What is said while something takes long, of what fails within libraries, and of who does not answer."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import io
import logging
import socket
import stat
import threading
from pathlib import Path

import pytest
import running
from rich.console import Console

from wq_runner.terminal.floods import dammed
from wq_runner.terminal.waiting import waiting
from wq_runner.workers import controllers


def spoken() -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    return Console(file=stream, width=300), stream


def test_what_takes_long_is_said_again_and_again() -> None:
    console, stream = spoken()
    with waiting(console, "processor", "Importing mine.py", after=0.01, every=0.01):
        running.until(lambda: stream.getvalue().count("\n") > 2, "three lines")
    first, second, *_ = stream.getvalue().splitlines()
    assert first == "processor    Importing mine.py ..."
    assert second.startswith("processor    Importing mine.py ... (")


def test_what_is_quick_says_nothing_and_what_fails_fails() -> None:
    console, stream = spoken()
    with pytest.raises(KeyError), waiting(console, "processor", "Importing mine.py", after=30):
        raise KeyError
    assert stream.getvalue() == ""


def test_a_thousand_failures_in_a_loop_are_a_line() -> None:
    console, stream = spoken()

    async def fail(number: int) -> None:
        raise FileNotFoundError(2, "No such file or directory", f"condor_submit{number}")

    async def begin() -> None:
        tasks = [asyncio.ensure_future(fail(number)) for number in range(1000)]
        await asyncio.wait(tasks)

    with dammed(console):
        # in a thread of its own: in this one somebody's loop may be running, as that of a browser
        thread = threading.Thread(target=lambda: asyncio.run(begin()))
        thread.start()
        thread.join()
        gc.collect()  # when asyncio says it
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().startswith("note         failed within asyncio: FileNotFoundError: [Errno 2]")


def test_so_are_those_in_threads_and_callbacks() -> None:
    console, stream = spoken()

    def fail() -> None:
        raise ValueError("no\nway")

    with dammed(console):
        for _ in range(20):
            thread = threading.Thread(target=fail, name="worker")
            thread.start()
            thread.join()
            future: concurrent.futures.Future[None] = concurrent.futures.Future()
            future.add_done_callback(lambda _: fail())
            future.set_result(None)
    said = stream.getvalue().splitlines()
    assert [line.partition(" (")[0] for line in said] == [
        "note         failed within the thread worker: ValueError: no way",
        "note         failed within concurrent: ValueError: no way",
    ]


def test_afterwards_all_is_as_it_was() -> None:
    before = threading.excepthook, [*logging.getLogger("asyncio").handlers]
    with dammed(spoken()[0]):
        assert threading.excepthook is not before[0]
    assert (threading.excepthook, logging.getLogger("asyncio").handlers) == before
    assert logging.getLogger("asyncio").propagate


def program(directory: Path, name: str, code: str) -> None:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{code}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.mark.parametrize(("system", "asked"), [("slurm", "scontrol"), ("condor", "condor_q")])
def test_a_controller_that_does_not_answer(
    system: str, asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert controllers.silent(system) is None  # nobody to ask
    program(tmp_path, asked, "exit 0")
    assert controllers.silent(system) is None
    program(tmp_path, asked, "echo first; echo the controller is DOWN; exit 1")
    error = controllers.silent(system)
    assert error is not None
    assert error.message.endswith("the controller is DOWN")
    assert "does not answer here" in error.message
    monkeypatch.setattr(controllers, "PATIENCE", 0.1)
    program(tmp_path, asked, "exec /bin/sleep 60")
    error = controllers.silent(system)
    assert error is not None
    assert error.message.endswith("no answer in 0 s")


def test_a_scheduler_at_which_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        error = controllers.silent_scheduler(url)
        assert error is not None
        assert error.message.startswith(f"no Dask scheduler answers at {url}: ")
        taken.listen()
        assert controllers.silent_scheduler(url) is None
    for other in ("tcp://here", "ucx://h:1", "tcp://h:port"):  # Dask may know better
        assert controllers.silent_scheduler(other) is None
