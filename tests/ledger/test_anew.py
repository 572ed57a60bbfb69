"""A run that was started anew and killed: nobody takes what an earlier one left for what it made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nanoaod
import pytest
import running

COMMON = ("-p", "count.py:Count", "--schema", "BaseSchema", "-e", "iterative", "-o", "out", "samples.json")

COUNT = """
import os
import signal

from coffea import processor


class Count(processor.ProcessorABC):
    def process(self, events):
        # whether a file is there is no part of what a result is made of: only what is in it
        if os.path.exists(events.metadata["filename"] + ".die"):
            os.kill(os.getpid(), signal.SIGKILL)
        return {"entries": FACTOR * len(events)}

    def postprocess(self, accumulator):
        return accumulator
"""


def write(path: Path, factor: int) -> None:
    path.write_text(COUNT.replace("FACTOR", str(factor)))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return the directory of a run that is complete."""
    files = [str(nanoaod.write_simple(tmp_path / f"{number}.root", 100)) for number in range(3)]
    (tmp_path / "samples.json").write_text(json.dumps({"one": {"files": files, "metadata": {}}}))
    write(tmp_path / "count.py", 1)
    running.run_well(*COMMON, cwd=tmp_path)
    return tmp_path / "out"


def refused(*arguments: object, out: Path) -> str:
    """Return what a command said that would not take the run."""
    ended = running.run(*arguments, cwd=out.parent, name="wq-report")
    assert ended.code == 2, ended.out + ended.err
    return ended.error


def die_at(name: str, out: Path, *options: str) -> int:
    """Run until a process kills itself at a file, and return how it ended."""
    mark = out.parent / f"{name}.die"
    mark.touch()
    try:
        return running.run(*COMMON, *options, cwd=out.parent).code
    finally:
        mark.unlink()


def result(out: Path) -> Any:
    return running.output(out)["entries"]


def kept(out: Path) -> Path:
    """Return the one result that is kept besides the newest."""
    (found,) = (out / "results").iterdir()
    return found


def test_killed_after_an_edit(out: Path) -> None:
    assert result(out) == 300
    write(out.parent / "count.py", 2)
    assert die_at("2.root", out) == -9
    record = running.summary(out)
    assert (record["state"], record["complete"], record["outputs"]) == ("running", False, [])
    assert not (out / "output.coffea").exists()
    before = kept(out)
    assert result(before) == 300
    assert running.summary(before)["complete"] is True
    for command in (
        ("merge", "out", "other", "-o", "sum"),
        ("merge", "--kind", "root", "out"),
        ("show", "out"),
        ("diff", "out", "out"),
    ):
        assert "was killed before its end" in refused(*command, out=out)
    shown = running.run("out", cwd=out.parent, name="wq-status")
    assert "died" in shown.out
    again = running.run_well(*COMMON, cwd=out.parent)
    assert "resuming" in again.out
    assert result(out) == 600
    assert running.summary(out)["state"] == "ended"
    assert result(before) == 300


def test_killed_after_fresh_and_ended_in_part(out: Path) -> None:
    for place in ("0.root", "0.root"):  # which is before anything is done
        assert die_at(place, out, "--fresh") == -9
    assert result(kept(out)) == 300
    (out.parent / "2.root").rename(out.parent / "gone")
    assert running.run(*COMMON, "--skip-bad-files", cwd=out.parent).code == 3
    assert result(out) == 200  # and the one that is complete is still there
    assert result(kept(out)) == 300
    (out.parent / "gone").rename(out.parent / "2.root")
    assert "back " in running.run_well(*COMMON, cwd=out.parent).out
    assert result(out) == 300
    assert result(kept(out)) == 200
    running.run_well(*COMMON, "--fresh", cwd=out.parent)
    assert result(out) == 300
    assert result(kept(out)) == 200
