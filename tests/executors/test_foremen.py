"""Foremen between the manager and the workers: each has some of the workers, and one connection to us."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import nanoaod
import releases
import running

from wq_runner.run_events import Workers

FILES, EVENTS = 4, 1000


@contextlib.contextmanager
def started(*command: object, cwd: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start one of the engine's programs, and end it."""
    cwd.mkdir()
    with (cwd / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(part) for part in command], cwd=cwd, stdout=log, stderr=log, env=os.environ
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def port_of(file: Path) -> int:
    running.until(lambda: file.exists() and file.read_text().strip(), "the foreman's port")
    return int(file.read_text())


def test_two_foremen_with_two_workers_each(tmp_path: Path) -> None:
    """Each event once, or a word that this release of the engine does not do it."""
    for number in range(FILES):
        nanoaod.write_simple(tmp_path / "data" / f"f{number}.root", EVENTS, basket=100)
    password = tmp_path / "password"
    password.touch(mode=0o600)
    password.write_text("open sesame")
    manager = running.free_port()
    common = ("--password", password, "--parent-death")
    with contextlib.ExitStack() as stack:
        run = stack.enter_context(
            running.running(
                *("-p", f"{running.ANALYSIS}:Sums", "--schema", "BaseSchema", "--chunksize", 100),
                *("--task-time", 0.5, "--port", manager, "--password-file", password, "-o", "out"),
                *("--catalog", "none", tmp_path / "data"),
                cwd=tmp_path,
            )
        )
        for number in range(2):
            file = tmp_path / f"port{number}"
            where = tmp_path / f"foreman{number}"
            foreman = ("work_queue_worker", "--foreman", "--foreman-port-file", file, "--disk", 5000)
            stack.enter_context(started(*foreman, *common, "-s", where, "127.0.0.1", manager, cwd=where))
            for worker in range(2):
                place = tmp_path / f"worker{number}{worker}"
                size = ("--cores", 1, "--memory", 1000, "--disk", 2000)
                stack.enter_context(
                    started(
                        *("work_queue_worker", *size, *common, "-s", place),
                        *("127.0.0.1", port_of(file)),
                        cwd=place,
                    )
                )
        ended = running.finish(run)
    if not releases.CARRIES_FOREMEN:
        assert ended.code == 5, ended.out + ended.err
        assert f"never ran: they do not work with ndcctools {releases.RELEASE}" in ended.error
        return
    assert ended.code == 0, ended.out + ended.err
    assert running.output(tmp_path / "out")["entries"] == FILES * EVENTS
    most = max(event.workers for event in running.events_of(tmp_path / "out") if isinstance(event, Workers))
    assert most <= 2, "workers connected to us and not to a foreman"
