"""The lines with which a run says how workers are started: each is pasted as it stands, and brings some."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import running
from batch.following import SUMS, Follow, complete, ports
from condor import Pool

from wq_runner.workers.catalog import Address


@pytest.mark.parametrize("label", ["here", "by name", "by port", "HTCondor"])
def test_each_line_brings_workers(
    follow: Follow, pool: Pool, address: Address, samples: Path, tmp_path: Path, label: str
) -> None:
    secret = tmp_path / "my secrets" / "password"
    secret.parent.mkdir()
    secret.touch(0o600)
    secret.write_text("a" * 64)
    options = (*ports(), "--catalog", address, "--name", "my.run", "--password-file", secret, "-o", "out")
    environ = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with follow("wq-run", *SUMS, *options, samples, **environ) as run:
        text = run.says("or let the run start them itself")
        start = f"  {label:<10}  "
        (command,) = [row.removeprefix(start) for row in text.splitlines() if row.startswith(start)]
        with follow("sh", "-c", f"exec {command}", **environ) as started:
            run.ends_well()
            running.kill(started.process.pid)
    complete(tmp_path / "out")
    assert bool(pool.descriptions()) is (label == "HTCondor")
