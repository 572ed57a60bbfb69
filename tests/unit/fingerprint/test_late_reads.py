"""What tasks have read: on record once, and never of two versions."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from wq_runner.config.options import RunOptions, defaulted
from wq_runner.config.resolved import resolve
from wq_runner.directory import remarks, resume
from wq_runner.errors import ProcessorError
from wq_runner.fingerprint import identity
from wq_runner.fingerprint.identity import Places
from wq_runner.fingerprint.late_reads import LateReads
from wq_runner.journal import Journal
from wq_runner.remote.contents import hash_of
from wq_runner.run_events import Accepted, Fingerprint
from wq_runner.system import RunPaths


@pytest.fixture
def name(tmp_path: Path) -> str:
    (tmp_path / "sf.json").write_text("1")
    return f"file {tmp_path}/sf.json"


def test_it_is_on_record_once(name: str) -> None:
    watched = LateReads(name_of=lambda name: name.rpartition("/")[2])
    (event,) = watched.take({name: hash_of(name)}, "here")
    assert event.values == watched.recorded == {"sf.json": hash_of(name)}
    assert watched.take({name: hash_of(name)}, "there") == []


@pytest.mark.parametrize("first", ["in another task", "when the processor was made"])
def test_another_content_is_an_error(name: str, first: str) -> None:
    watched = LateReads(known={name: "a"} if first != "in another task" else {})
    if first == "in another task":
        watched.take({name: "a"}, "here")
    with pytest.raises(ProcessorError, match=r"sf\.json was changed while the run went: a task on there"):
        watched.take({name: "b"}, "there")


def test_two_contents_in_one_task_are_an_error(name: str) -> None:
    with pytest.raises(ProcessorError):
        LateReads().take({name: "a b"}, "here")


def test_what_was_edited_before_counts_for_this_run_only(name: str) -> None:
    assert LateReads(known={name: "a b"}).take({name: "b"}, "here") == []


def test_what_only_workers_see_is_not_watched(tmp_path: Path) -> None:
    watched = LateReads()
    assert watched.take({f"file {tmp_path}/theirs": "a", "variable NOT_HERE": "a"}, "there") == []
    assert len(watched.unwatched) == 2


def test_what_was_shipped_is_what_it_was_shipped_from(name: str) -> None:
    watched = LateReads(shipped={"site/sf.json": name.removeprefix("file ")})
    there = {"file shipped:site/sf.json": "then", "file shipped:site/compiled.txt": "a"}
    (event,) = watched.take(there, "there")
    assert event.values == {name: "then"}  # the next start sees that it is another by now
    assert watched.take(there, "elsewhere") == []


def test_results_that_are_added_up_are_not_read(name: str, tmp_path: Path) -> None:
    assert LateReads(ours=str(tmp_path)).take({name: hash_of(name)}, "here") == []


def test_what_is_not_compared_is_said(tmp_path: Path) -> None:
    watched = LateReads()
    watched.take({f"file {tmp_path}/theirs": "a", "code shipped:site/compiled/one.py": "a"}, "there")
    values = identity.state(Holds(lock=threading.Lock(), year=2018), Places.around(tmp_path))
    told = identity.not_watched(values, watched.unwatched)
    assert told == ["the attribute lock of the processor", f"the file {tmp_path}/theirs (only on workers)"]
    said = io.StringIO()
    remarks.not_watched(Console(file=said, width=300), told)
    assert said.getvalue().startswith(f"not watched  {told[0]}, {told[1]}: the next start")


class Holds:
    def __init__(self, **values: object) -> None:
        self.__dict__.update(values)


def test_a_result_does_not_count_without_what_its_task_has_read(tmp_path: Path) -> None:
    """The line that says it may be damaged, and cut out."""
    paths = RunPaths(root=tmp_path)
    record = Journal(paths.journal)
    record.record(Fingerprint(values={"a": "1"}))
    kept: dict[str, Any] = {"task": 1, "category": "processing", "dataset": "d", "events": 1}
    record.record(Accepted(**kept, items=(("a.root", "t", 0, 1, "u.i"),), late=1))
    record.close()
    found = resume.earlier(paths)
    told = io.StringIO()
    places = Places(base=tmp_path)
    settings = resolve(defaulted(RunOptions())).output
    recovered, _ = resume.start(paths, found, {"a": "1"}, places, settings, Console(file=told, width=200))
    assert not recovered.done
    assert "starting over: what tasks have read, of which a line is lost, changed" in told.getvalue()
