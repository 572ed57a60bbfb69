"""Files that a processor leaves where its task works, and that are gone with it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from wq_runner.monitor import words
from wq_runner.monitor.incidents import LeftTally
from wq_runner.remote import files
from wq_runner.remote.files import Folder, Scratch
from wq_runner.run_events import LeftBehind
from wq_runner.steps import announcements


def test_what_was_left_is_counted_and_named(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "function").touch()
    (here / "given").mkdir()
    scratch = Scratch(Path("result"))
    assert scratch.left() is None
    (here / "out" / "nominal").mkdir(parents=True)
    for number in range(7):
        (here / "out" / "nominal" / f"{number}.parquet").write_text("1234")
    (here / "top.root").write_text("1")
    # what is the engine's, ours, or Python's
    for name in (".hidden", "cctools-monitor.summary", "result.part"):
        (here / name).touch()
    (here / "out" / "__pycache__").mkdir()
    (here / "out" / "__pycache__" / "a.pyc").touch()
    folder = Folder(Path("result"))
    folder._root.mkdir()
    (folder._root / "kept.parquet").touch()
    names = [f"out/nominal/{number}.parquet" for number in range(5)]
    assert scratch.left() == {"files": 8, "bytes": 29, "names": names}
    monkeypatch.setattr(files, "MOST_LEFT", 3)
    found = scratch.left()
    assert found is not None
    assert found["files"] == 3


def test_in_a_directory_that_stays_nothing_is_lost(here: Path) -> None:
    (here / "staging").mkdir()
    scratch = Scratch(here / "staging" / "result")
    (here / "out.parquet").touch()
    (here / "staging" / "other-task").touch()
    assert scratch.left() is None


def test_it_is_said_once_when_it_begins_and_in_all_at_the_end() -> None:
    tally = LeftTally()
    assert tally.summary() is None
    stream = io.StringIO()
    told = announcements.losing(Console(file=stream, width=300))
    for number in range(3):
        event = LeftBehind(
            task=number, dataset="DY", host="h", files=2, bytes=500, names=(f"out/{number}.root",)
        )
        tally.add(event)
        told(0.0, event)
    assert stream.getvalue().count("lost") == 1
    assert "out/0.root" in stream.getvalue()
    found = tally.summary()
    assert found is not None
    assert words.left_behind(found).startswith("6 files (1.5 kB) that the processor wrote to the directories")
    assert "events.metadata['output_dir']" in words.left_behind(found)
