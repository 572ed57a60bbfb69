"""Commands that runs print are typed as they stand, and do what the sentence says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nanoaod
import pytest
import running

ANALYSIS = """
import json

from analysis import Sums


class Weighted(Sums):
    def process(self, events):
        with open("weights.json") as stream:
            weight = json.load(stream)["weight"]
        return {**super().process(events), "weighted": weight * len(events)}
"""


def typed(command: str, directory: Path) -> running.Ended:
    """Run a line as whoever pastes it does, in the directory where it was printed."""
    began = time.monotonic()
    environ = {**os.environ, **running.SETTINGS}
    environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
    ended = subprocess.run(
        ["sh", "-c", command],
        cwd=directory,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=running.PATIENCE,
    )
    return running.Ended(
        code=ended.returncode, out=ended.stdout, err=ended.stderr, seconds=time.monotonic() - began
    )


def line(ended: running.Ended, beginning: str) -> str:
    """Return the command that stands behind the beginning of a line."""
    (found,) = [text for text in ended.error.splitlines() if text.strip().startswith(beginning)]
    return found.strip().removeprefix(beginning).strip()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name in ("a", "b", "c"):
        nanoaod.write_simple(tmp_path / "my data" / f"{name}.root", 100)
    (tmp_path / "weighted.py").write_text(ANALYSIS)
    (tmp_path / "weights.json").write_text('{"weight": 2}')
    return tmp_path


def test_the_rest_and_both_together(data: Path) -> None:
    bad = data / "my data" / "b.root"
    shutil.copy(bad, data / "aside")
    nanoaod.write_garbage(bad)
    options = ("-p", f"{running.ANALYSIS}:Sums", "-c", 30, "--skip-bad-files", "-o", "the part", "my data")
    first = running.run(*options, cwd=data, WQ_RUNNER_SCHEMA="BaseSchema", WQ_RUNNER_EXECUTOR="iterative")
    assert first.code == 3, first.err
    shutil.copy(data / "aside", bad)
    rest = typed(line(first, "the rest:"), data)
    assert rest.code == 0, rest.err
    assert running.output(data / "the part-rest")["entries"] == 100
    merged = typed(line(first, "then both together:"), data)
    assert merged.code == 0, merged.err
    assert running.output(data / "the part-whole")["entries"] == 300
    assert running.summary(data / "the part-whole")["complete"] is True


def test_to_see_it_here_shows_it(data: Path) -> None:
    """The file is here, and not where tasks are: unless it is sent there."""
    environ = {"PYTHONPATH": str(running.ANALYSIS.parent)}
    common = ("-p", "weighted.py:Weighted", "--schema", "BaseSchema", "my data", "-o")
    first = running.run(*common, "out", "-w", "local:1", cwd=data, **environ)
    assert first.code == 6
    assert "weights.json" in first.error
    command = first.error.splitlines()[-1].strip()
    here = typed(f"PYTHONPATH={environ['PYTHONPATH']} {command}", data)
    assert here.code == 6, here.out + here.err
    assert "weights.json" in here.error
    # so does what is for debugging, until the file is named or the place is this one
    assert running.run(*common, "alone", "--test", cwd=data, **environ).code == 6
    running.run_well(*common, "in-place", "--test", "--in-place", cwd=data, **environ)
    running.run_well(*common, "with-it", "--test", "--extra-file", "weights.json", cwd=data, **environ)
    for name in ("in-place", "with-it"):
        assert running.output(data / name)["weighted"] == 200
