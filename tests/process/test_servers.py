"""Servers that failed lately are asked last."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wq_runner.model import InputFile
from wq_runner.remote import servers
from wq_runner.samples.anywhere import probe_anywhere
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
