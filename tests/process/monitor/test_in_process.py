"""What is said of a run without workers: there are none to wait for, nor any that are idle."""

from __future__ import annotations

from pathlib import Path

import nanoaod
import pytest
from journals import view_of

import wq_runner
from wq_runner import journal
from wq_runner.monitor import sections, words
from wq_runner.run_events import PhaseStarted

MOMENTS = 5  # events of a journal between two looks


def test_nothing_is_said_of_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    nanoaod.write_simple(tmp_path / "a.root", 100)
    Path("counting.py").write_text("def process(events):\n    return {'entries': len(events)}\n")
    wq_runner.run(
        ["a.root"], "counting.py:process", schema="BaseSchema", chunksize=10, executor="iterative", output="o"
    )
    events = list(journal.read(Path("o/journal.jsonl")))
    began = next(place for place, (_, one) in enumerate(events) if isinstance(one, PhaseStarted))
    for stop in (*range(began + 2, len(events), MOMENTS), len(events)):
        view = view_of(events[:stop])
        assert words.status(view).startswith("in this process"), words.status(view)
        said = (words.status(view), *words.explain(view), str(sections.summary(view)))
        assert "worker" not in " ".join(said)
