"""A run has one duration, with what it imports, wherever it is told; and imports that take long are said."""

from __future__ import annotations

import json
from pathlib import Path

import nanoaod
import pytest
import running

from wq_runner.monitor import runs
from wq_runner.units import format_rate

SLOW = """
import pathlib, time
while not pathlib.Path("gate").exists():
    time.sleep(0.05)
from coffea.processor import ProcessorABC
class Slow(ProcessorABC):
    def process(self, events):
        return {"events": len(events)}
    def postprocess(self, output):
        return output
"""


def test_one_duration_with_imports_that_are_said(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    nanoaod.write_simple(tmp_path / "a.root", 10)
    options = ("-p", "slow.py:Slow", "-e", "iterative", "--schema", "BaseSchema", "-o", "out", "a.root")
    process = running.start(*options, cwd=tmp_path)
    try:
        assert process.stdout
        lines = [process.stdout.readline()]
        while lines[-1] and "Importing slow.py" not in lines[-1]:
            lines.append(process.stdout.readline())
        assert lines[-1] == "processor    Importing slow.py ...\n"
    finally:
        (tmp_path / "gate").touch()  # whatever was said, it ends
        said = running.finish(process)
    assert said.code == 0, said
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    view = runs.load(runs.paths_of(tmp_path / "out"))
    # the clock of all begins with the command, and not when its imports have ended
    assert view.started == pytest.approx(record["started"], abs=1e-3)
    assert 1 <= record["seconds"]["total"] <= view.seconds + 0.1


def test_one_rate_which_is_without_the_wait_for_workers(tmp_path: Path) -> None:
    (tmp_path / "fast.py").write_text("def process(events):\n    return {'events': len(events)}\n")
    nanoaod.write_simple(tmp_path / "a.root", 1000)
    options = ("-w", 1, "-p", "fast.py:process", "--schema", "BaseSchema", "-c", 100, "-o", "out", "a.root")
    ended = running.run_well(*options, cwd=tmp_path)
    total = json.loads((tmp_path / "out" / "status.json").read_text())["total"]
    assert f"({format_rate(total['mean_rate'])} events/s while processing)" in ended.out
    seconds = running.summary(tmp_path / "out")["seconds"]["processing"]
    assert total["mean_rate"] > 1000 / seconds
