"""The lines with which a run says how workers are started: each is pasted as it stands, and brings some."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import running
from condor import Pool
from conftest import SUMS, Follow, complete, ports

from wq_runner.workers.catalog import Address


@pytest.fixture
def user() -> Iterator[str]:
    """Return a name of a user, whose directory for jobs the engine makes and leaves."""
    name = f"tester{os.getpid()}"
    yield name
    shutil.rmtree(f"/tmp/{name}-workers", ignore_errors=True)


@pytest.mark.parametrize("label", ["here", "by name", "by port", "HTCondor"])
def test_each_line_brings_workers(  # noqa: PLR0917 - fixtures
    follow: Follow, pool: Pool, address: Address, samples: Path, tmp_path: Path, user: str, label: str
) -> None:
    secret = tmp_path / "my secrets" / "password"
    secret.parent.mkdir()
    secret.touch(0o600)
    secret.write_text("a" * 64)
    options = (*ports(), "--catalog", address, "--name", "my.run", "--password-file", secret, "-o", "out")
    environ = {"USER": user, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with follow("wq-run", *SUMS, *options, samples, **environ) as run:
        text = run.says("or let the run start them itself")
        start = f"  {label:<10}  "
        (command,) = [row.removeprefix(start) for row in text.splitlines() if row.startswith(start)]
        program = command if command.startswith("(") else f"exec {command}"
        with follow("sh", "-c", program, **environ) as started:
            run.ends_well()
            running.kill(started.process.pid)
    complete(tmp_path / "out")
    assert bool(pool.descriptions()) is (label == "HTCondor")
