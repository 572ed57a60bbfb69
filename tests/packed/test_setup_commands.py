"""What the user's commands leave on a worker for its tasks."""

from __future__ import annotations

from pathlib import Path

import nanoaod
import pytest
import running

SHOW = """
import os

def show(events):
    names = ("FIRST", "SECOND", "LISTED")
    return {"seen": {tuple(os.environ.get(name, "") for name in names)}, "chunks": 1, "where": {os.getcwd()}}
"""
OPTIONS = ("-p", "show.py:show", "--schema", "BaseSchema", "-w", "local:1", "-c", 5, "-o", "out")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    nanoaod.write_simple(tmp_path / "a.root", 20)
    (tmp_path / "show.py").write_text(SHOW)
    return tmp_path


def test_what_they_export_is_there_in_each_task(place: Path) -> None:
    (place / "o.yaml").write_text(
        'custom-setup-commands:\n  - export FIRST=1\n  - cd / && export SECOND="it\'s $FIRST; \\$HOME"\n'
        f"  - echo once >> {place}/marks; NOT_EXPORTED=1\n"
    )
    # short tasks, so that there is more than one
    running.run_well(*OPTIONS, "-ro", "o.yaml", "--task-time", "0", "a.root", cwd=place)
    output = running.output(place / "out")
    assert output["chunks"] == 4
    assert output["seen"] == {("1", "it's 1; $HOME", "")}
    assert "/" not in output["where"]
    assert (place / "marks").read_text() == "once\n"


def test_a_value_may_have_several_lines(place: Path) -> None:
    command = "export LISTED=\"$(printf 'a\\n b')\""
    running.run_well(*OPTIONS, "--setup-command", command, "a.root", cwd=place)
    assert running.output(place / "out")["seen"] == {("", "", "a\n b")}
