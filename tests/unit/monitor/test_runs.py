"""Runs as their directories tell."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import journals
import jsonschema
import pytest
from journals import Timed

from wq_runner import journal
from wq_runner.errors import UsageError
from wq_runner.monitor import runs, schema, status
from wq_runner.monitor.follow import Follower
from wq_runner.monitor.view import RunView
from wq_runner.run_events import RunEnded, RunStarted
from wq_runner.system import RunPaths

SCHEMAS = Path(__file__).parents[3] / "docs" / "schemas"


def started(directory: Path, *, host: str, pid: int, ended: int | None = None) -> RunPaths:
    events: list[Timed] = [(time.time(), RunStarted(command=("wq-run",), version="1", host=host, pid=pid))]
    if ended is not None:
        events.append((time.time(), RunEnded(code=ended)))
    return RunPaths(root=journals.write(directory, events))


@pytest.mark.parametrize(
    ("code", "state"), [(0, "complete"), (3, "partial"), (130, "interrupted"), (6, "failed"), (1, "failed")]
)
def test_the_state_of_a_run_that_ended(tmp_path: Path, code: int, state: str) -> None:
    assert runs.load(started(tmp_path, host="x", pid=1, ended=code)).state == state


def test_a_process_of_this_host_runs_or_died(tmp_path: Path) -> None:
    here = platform.node()
    assert runs.load(started(tmp_path / "a", host=here, pid=os.getpid())).state == "running"
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    assert runs.load(started(tmp_path / "b", host=here, pid=int(gone.stdout))).state == "died"


def test_on_another_host_signs_of_life_count(tmp_path: Path) -> None:
    paths = started(tmp_path, host="elsewhere", pid=1)
    assert runs.load(paths).state == "running"
    os.utime(paths.journal, (0, 0))
    assert runs.load(paths).state == "died"
    paths.status_json.write_text("{}")  # rewritten while a task takes long
    assert runs.load(paths).state == "running"


def test_the_state_survives_being_json(simple: RunView, run_directory: Path) -> None:
    paths = RunPaths(root=run_directory)
    paths.status_json.write_bytes(status.to_json(simple))
    assert runs._written(paths) == simple
    # and is not believed once the journal has more
    later = time.time() + 10
    os.utime(paths.journal, (later, later))
    assert runs._written(paths) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 99}', '{"format": 1, "total": 3}'])
def test_a_status_that_is_not_ours_is_passed_over(run_directory: Path, text: str) -> None:
    (run_directory / "status.json").write_text(text)
    assert runs.load(RunPaths(root=run_directory)).total.done == 700


def test_runs_are_found_below(tmp_path: Path) -> None:
    for name in ("one", "deep/er/two", "deep/er/two/inside", ".hidden/three", "a/b/c/d/four"):
        journals.write(tmp_path / name, journals.simple()[:1])
    found = [str(paths.root.relative_to(tmp_path)) for paths in runs.find(tmp_path)]
    assert found == ["deep/er/two", "one"]
    assert [paths.root for paths in runs.find(tmp_path / "one")] == [tmp_path / "one"]


def test_a_directory_without_a_run_names_those_inside(tmp_path: Path) -> None:
    journals.write(tmp_path / "one", journals.simple()[:1])
    with pytest.raises(UsageError) as caught:
        runs.paths_of(tmp_path)
    assert str(tmp_path / "one") in str(caught.value)


def test_a_torn_last_line_is_left_for_later(run_directory: Path) -> None:
    path = run_directory / "journal.jsonl"
    content = path.read_bytes()
    follower = Follower(RunPaths(root=run_directory))
    for size in (len(content) // 3, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        follower.look()
    path.write_bytes(content)
    assert follower.look().total == runs.load(RunPaths(root=run_directory)).total
    journals.write(run_directory / "other", journals.simple())


def test_a_follower_sees_that_another_run_began(run_directory: Path) -> None:
    follower = Follower(RunPaths(root=run_directory))
    assert follower.look().total.done == 700
    path = run_directory / "journal.jsonl"
    path.write_bytes(journal._line(journals.START, RunStarted(command=("new",), version="1")))
    assert follower.look().command == ("new",)


@pytest.mark.parametrize("name", ["status", "journal"])
def test_the_schema_is_the_one_in_the_docs(name: str) -> None:
    made = {"status": schema.schema, "journal": schema.journal_schema}[name]()
    assert json.loads((SCHEMAS / f"{name}.schema.json").read_text()) == made, (
        f"to accept the change: python -m wq_runner.monitor.schema {name} > docs/schemas/{name}.schema.json"
    )


def test_the_events_of_the_journal_fit_their_schema() -> None:
    validator = jsonschema.Draft202012Validator(schema.journal_schema())
    for now, event in journals.simple():
        validator.validate(json.loads(journal._line(now, event)))
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({"time": 1.0, "event": "RunEnded"})  # without its code


@pytest.mark.parametrize("part", [0.0, 0.3, 0.7, 1.0])
def test_the_state_fits_its_schema_at_any_time(part: float) -> None:
    events = journals.simple()
    view = journals.view_of(events[: int(part * len(events))])
    found = json.loads(status.to_json(dataclasses.replace(view, log=("a line",))))
    jsonschema.Draft202012Validator(schema.schema()).validate(found)


def test_that_a_long_journal_is_read_is_said_before(
    run_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = RunPaths(root=run_directory)
    said: list[str] = []
    runs.load(paths, say=said.append)
    assert not said
    monkeypatch.setattr(runs, "_SMALL", 100)
    runs.load(paths, say=said.append)
    assert [line.endswith("of journal.jsonl") for line in said] == [True]
