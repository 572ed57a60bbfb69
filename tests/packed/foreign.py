"""Workers and tasks as a foreign machine has them, and the runs that send them an environment."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import running
from repositories import Repository

from wq_runner.environment import base
from wq_runner.environment.launch import Launch, script

PATIENCE = 400.0  # to pack and to unpack on a busy machine


@contextlib.contextmanager
def worker(port: int, workdir: Path, *, cores: int = 1, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a worker as a foreign machine has it: nothing on its PATH, another home."""
    workdir.mkdir(exist_ok=True)
    home = workdir.parent / "another home"
    home.mkdir(exist_ok=True)
    command = [
        shutil.which("work_queue_worker") or "work_queue_worker",
        f"--cores={cores}",
        "--memory=4000",
        "--disk=20000",
        f"--workdir={workdir}",
        "--parent-death",
        "127.0.0.1",
        str(port),
    ]
    mark = {running.MARK: os.environ[running.MARK]}
    process = subprocess.Popen(
        command,
        env={"PATH": "", "HOME": str(home), "CATALOG_HOST": "127.0.0.1", **mark, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()


@contextlib.contextmanager
def manager(analysis: Repository, cache: Path, *options: object) -> Iterator[tuple[int, Callable[[], Any]]]:
    """Start a run that waits for workers; yield its port, and the function that waits for its output."""
    port = running.free_port()
    out = analysis.root.parent / f"out{port}"
    with running.running(
        *("-p", "where.py:where", "--schema", "BaseSchema", "--port", port, "-o", out, *options),
        "events.root",
        cwd=analysis.root,
        XDG_CACHE_HOME=str(cache),
    ) as process:
        log = out / "journal.jsonl"
        running.until(
            lambda: (
                process.poll() is not None or ('"PhaseStarted"' in log.read_text() if log.exists() else False)
            ),
            "the run waits for workers",
            patience=PATIENCE,
        )

        def ended() -> Any:
            done = running.finish(process, timeout=PATIENCE)
            assert done.code == 0, done.out + done.err
            return running.output(out), running.summary(out)

        yield port, ended


def unpacked(workdir: Path) -> list[Path]:
    """The environments that were unpacked below a worker's directory; overlays have no Python."""
    found = (path.parent for path in workdir.glob(f"wq-runner-{os.getuid()}/*/bin/python"))
    return [path for path in found if not path.parent.is_symlink()]


def a_task(directory: Path, packed: base.Base) -> Path:
    """Make the directory of a task, as the engine does."""
    directory.mkdir(parents=True)
    launch = Launch(kind="packed", base=packed.key, base_archive="base.tar.gz")
    (directory / "environment.sh").write_text(script(launch))
    (directory / "base.tar.gz").symlink_to(packed.archive)
    return directory


def start_task(directory: Path, code: str = "import sys; print(sys.prefix)") -> subprocess.Popen[bytes]:
    with (directory / "out").open("wb") as out:
        return subprocess.Popen(
            ["/bin/sh", "environment.sh", "-c", code],
            cwd=directory,
            env={"WORK_QUEUE_SANDBOX": str(directory.parent)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
