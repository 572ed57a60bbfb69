"""What tasks have read: on record once, and never of two versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from wq_runner.errors import ProcessorError
from wq_runner.execution.late import LateReads
from wq_runner.remote.reads import hash_of


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
