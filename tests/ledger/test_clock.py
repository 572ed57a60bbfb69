"""A clock that is set back while a run goes, again and again: nothing that is said of the run shows it."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import nanoaod
import pytest

import wq_runner
from wq_runner.monitor import runs
from wq_runner.system import RunPaths

DAY = 86400.0


def count(events: Any) -> Any:
    return {"entries": len(events)}


def numbers(value: Any) -> list[float]:
    """Return all durations of a record."""
    return [number for number in value.values() if isinstance(number, int | float)]


def test_no_duration_is_of_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        nanoaod.write_simple(tmp_path / "data" / f"{number}.root", 100)
    now = itertools.count(1.8e9, -DAY)
    for directory in ("out", "out"):  # the second one another session
        monkeypatch.setattr("time.time", lambda: next(now))
        found = wq_runner.run(
            "data", count, schema="BaseSchema", executor="iterative", output=directory, fresh=True
        )
        monkeypatch.undo()
        monkeypatch.chdir(tmp_path)
        assert found.complete
        record = json.loads((tmp_path / "out" / "run.json").read_text())
        assert all(0 <= seconds < 300 for seconds in numbers(record["seconds"])), record["seconds"]
        assert 0 <= record["finished"] - record["started"] < 300
        view = runs.load(RunPaths(root=tmp_path / "out"))
        assert 0 < view.seconds < 300
        assert all(0 <= seconds < 300 for seconds in numbers(vars(view.core_time))), view.core_time
    said = capsys.readouterr().out
    assert re.search(r"\bin \d+(\.\d+)? s\b", said), said
    assert not re.search(r"\bin -|\d+ h\b|-\d+\.\d+ s", said), said
