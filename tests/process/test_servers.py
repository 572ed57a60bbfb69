"""Servers that failed lately are asked last, and what is read at another place is told."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import uproot

from wq_runner.coffea_adapter.fallbacks import apply_anywhere
from wq_runner.engine import answer
from wq_runner.model import InputFile
from wq_runner.remote import functions, servers, work
from wq_runner.remote.pinned import Code
from wq_runner.samples.anywhere import FileToOpen, open_file, probe_anywhere
from wq_runner.samples.probe import BadFileError


@pytest.mark.parametrize("shared", [True, False], ids=["tasks of a worker", "one process"])
def test_failures_count_by_server_and_for_a_while(
    shared: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "_here", type(servers._here)(list))
    monkeypatch.delenv("WORK_QUEUE_SANDBOX", raising=False)
    if shared:
        monkeypatch.setenv("WORK_QUEUE_SANDBOX", str(tmp_path))
    servers.note_failure("root://a.example:1094//store/x")
    servers.note_failure("root://a.example:1094//store/y")
    servers.note_failure("/data/x")
    assert servers.failures("root://a.example:1094//store/z") == 2
    assert servers.failures("root://b.example//store/x") == 0
    assert servers.failures("/other/y") == 1
    assert len(list(tmp_path.iterdir())) == (2 if shared else 0)
    monkeypatch.setattr(servers, "_MEMORY", -1.0)
    assert servers.failures("root://a.example:1094//store/z") == 0


def test_a_file_is_read_where_it_can_be(
    make_root: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORK_QUEUE_SANDBOX", str(tmp_path))
    good, gone = make_root("good.root", entries=7), "http://127.0.0.1:9/x.root"
    assert probe_anywhere(InputFile(path=gone, fallbacks=(str(good),))).entries == 7
    assert (servers.failures(gone), servers.failures(str(good))) == (1, 0)
    with pytest.raises(BadFileError) as caught:
        probe_anywhere(InputFile(path="/nowhere.root", fallbacks=(gone,)))
    assert caught.value.path == "/nowhere.root"


@dataclass(frozen=True)
class Chunk:
    """What is read of coffea's work item."""

    filename: str


def entries(chunk: Chunk) -> dict[str, int]:
    """Count as a processor does that has no ear for warnings."""
    warnings.filterwarnings("ignore")
    with uproot.open({chunk.filename: "Events"}) as tree:
        return {"entries": tree.num_entries}


def test_the_answer_tells_what_was_read_elsewhere_and_why(
    make_root: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORK_QUEUE_SANDBOX", str(tmp_path))
    good, gone = str(make_root("good.root", entries=7)), "http://127.0.0.1:9/x.root"
    function = functools.partial(apply_anywhere, {gone: (good,)}, entries)
    items = work.pack([Chunk(good), Chunk(gone), Chunk(gone)])
    work.execute(
        tmp_path / "function", items, tmp_path / "result", loaded=functions.Function(function, Code())
    )
    found = answer.read_answer(tmp_path / "result")
    assert answer.read_result(tmp_path / "result") == {"entries": 21}
    first, second = found.elsewhere
    assert (first.index, first.place, second.index, second.place) == (1, good, 2, good)
    assert "refused" in first.reason.lower() or "Connect call failed" in first.reason
    assert second.reason == ""  # the server was not asked again


def test_a_file_that_is_opened_elsewhere_is_told_as_well(
    make_root: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORK_QUEUE_SANDBOX", str(tmp_path))
    good = str(make_root("good.root", entries=7))
    file = InputFile(path=str(tmp_path / "none.root"), fallbacks=(good,))
    with pytest.warns(servers.ElsewhereWarning) as told:
        assert open_file(FileToOpen(number=3, dataset="a", file=file))[3].entries == 7
    (one,) = told
    assert isinstance(one.message, servers.ElsewhereWarning)
    assert (one.message.place, one.message.reason) == (good, "no such file")
