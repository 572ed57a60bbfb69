"""Nodes that lack what the worker's program loads: what their loader says reaches who waits for workers."""

from __future__ import annotations

import os
from pathlib import Path

import loaders
import pytest
from batch.following import SUMS, Follow

FIXTURE = {"condor": "pool", "slurm": "cluster"}


@pytest.mark.parametrize("system", FIXTURE)
def test_the_run_says_it(
    follow: Follow, samples: Path, tmp_path: Path, system: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(FIXTURE[system])
    broken = loaders.make_broken(tmp_path / "broken")
    workers = ("-w", f"{system}:1x1x1GBx1GB", "-o", "out")
    path = f"{broken.parent}:{os.environ['PATH']}"
    with follow("wq-run", *SUMS, *workers, samples, PATH=path) as run:
        said = run.says(f"none is installed there: work_queue_worker: {loaders.SAID}", patience=120)
        run.process.terminate()
        run.ends()
    assert "the worker of the run does not start on " in said
    assert not list((tmp_path / "out" / "workers").glob("**/*.err"))
