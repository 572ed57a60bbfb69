"""What is in the result is what is in the files, whatever is remembered, claimed or called alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest
import running
import uproot
from pyarrow import parquet

from wq_runner.model import FileFacts, InputFile
from wq_runner.samples.cache import FactsCache
from wq_runner.samples.probe import probe

PROCESSOR = """
import pathlib

import numpy as np


def process(events):
    path = pathlib.Path(events.metadata["filename"])
    meanwhile = path.with_name("meanwhile")
    if meanwhile.exists():  # somebody writes another file
        meanwhile.replace(path)
    assert len(events.metadata["fileuuid"]) == 36
    return {path.name: float(np.asarray(events.x).sum()), "n": len(events)}
"""
COMMON = ("-p", "total.py:process", "--schema", "BaseSchema", "--task-time", 0, "-o", "out")
ENTRIES = 1000


@pytest.fixture(autouse=True)
def cwd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "total.py").write_text(PROCESSOR)
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def zeros() -> UUID:
    """What ROOT writes with ``?reproducible``."""
    return UUID(int=0)


def root(path: Path, x: float, entries: int = ENTRIES, uuid: Callable[[], UUID] = zeros) -> None:
    with uproot.recreate(path, uuid_function=uuid) as file:
        file.mktree("Events", {"x": "f8"})
        file["Events"].extend({"x": np.full(entries, x)})


def in_place(path: Path, x: float, entries: int = ENTRIES) -> None:
    """Update a file, whose uuid stays the same."""
    if not path.exists():
        root(path, x, entries)
        return
    with uproot.update(path) as file:
        file.mktree("Events", {"x": "f8"})
        file["Events"].extend({"x": np.full(entries, x)})


def columns(path: Path, x: float, entries: int = ENTRIES) -> None:
    parquet.write_table(pa.table({"x": np.full(entries, x)}), path)


def run(cwd: Path, *more: object, executor: str = "iterative") -> running.Ended:
    workers = {"iterative": (), "futures": ("-w", 1), "work_queue": ("-w", "local:1")}[executor]
    return running.run(*COMMON, "-e", executor, *workers, *more, cwd=cwd)


def whole(cwd: Path, **sums: float) -> dict[str, Any]:
    """Check that a run is complete and has these sums; return its account."""
    found = running.output(cwd / "out")
    events = found.pop("n")
    assert found == sums
    account: dict[str, Any] = running.summary(cwd / "out")["datasets"]["data"]
    assert account["events_read"] == account["events_planned"] == account["events_processed"] == events
    assert account["complete"]
    return account


@pytest.mark.parametrize("executor", ["work_queue", "futures", "iterative"])
def test_files_that_are_called_alike_are_each_read(executor: str, cwd: Path) -> None:
    for number in range(4):
        root(cwd / f"data/{number}.root", 10.0**number)
    ended = run(cwd, "-c", 250, "data", executor=executor)
    assert ended.code == 0, ended.err
    whole(cwd, **{f"{number}.root": 1000 * 10.0**number for number in range(4)})


@pytest.mark.parametrize(
    ("write", "name", "entries"),
    [
        pytest.param(root, "a.root", ENTRIES, id="written anew by the same uuid"),
        pytest.param(in_place, "a.root", 2 * ENTRIES, id="updated in place"),
        pytest.param(columns, "a.parquet", ENTRIES, id="parquet with as many rows"),
        pytest.param(columns, "a.parquet", 2 * ENTRIES, id="parquet with more rows"),
    ],
)
def test_a_file_that_changed_is_run_again_whole(
    write: Callable[..., None], name: str, entries: int, cwd: Path
) -> None:
    other = f"other{Path(name).suffix}"
    write(cwd / "data" / name, 1.0)
    write(cwd / "data" / other, 1.0)
    assert run(cwd, "-c", 500, "data").code == 0
    write(cwd / "data" / name, 2.0, entries)
    (cwd / "data" / other).touch()
    ended = run(cwd, "-c", 500, "data")
    assert ended.code == 0, ended.err
    assert f"{name} is not what it was: it is run again, whole" in ended.out
    assert f"{other} is not" not in ended.out
    whole(cwd, **{name: 2.0 * entries, other: 1000.0})


def samples(cwd: Path, entries: int, **more: Any) -> Path:
    path = cwd / "data/a.root"
    uuid = uproot.open(path).file.uuid
    entry = {"object_path": "Events", "num_entries": entries, "uuid": str(uuid), **more}
    (cwd / "samples.json").write_text(json.dumps({"data": {"files": {str(path): entry}}}))
    return cwd / "samples.json"


@pytest.mark.parametrize("claimed", [800, 1500])
def test_a_number_of_entries_in_the_samples_is_a_claim(claimed: int, cwd: Path) -> None:
    root(cwd / "data/a.root", 1.0)
    told = samples(cwd, claimed)
    ended = run(cwd, "-c", 250, told)
    assert ended.code == 0, ended.err
    assert f"it has 1,000 entries, but was planned with {claimed:,} (the samples say so)" in ended.out
    assert whole(cwd, **{"a.root": 1000.0})["chunks"] == 4


def test_what_samples_tell_is_confirmed_by_who_reads_it(cwd: Path) -> None:
    """Without opening a file before: then it is known, and whether it changed is seen."""
    root(cwd / "data/a.root", 1.0)
    told = samples(cwd, ENTRIES)
    ended = run(cwd, "-c", 250, told)
    assert ended.code == 0, ended.err
    assert "opened" not in ended.out
    whole(cwd, **{"a.root": 1000.0})
    assert "is there already" in run(cwd, "-c", 250, told).out
    root(cwd / "data/a.root", 2.0)
    assert "is not what it was: it is run again, whole" in run(cwd, "-c", 250, told).out
    whole(cwd, **{"a.root": 2000.0})


def test_ranges_that_were_asked_for_are_no_claim(cwd: Path) -> None:
    root(cwd / "data/a.root", 1.0)
    assert run(cwd, "-c", 250, samples(cwd, ENTRIES, steps=[[0, 300], [600, 700]])).code == 0
    whole(cwd, **{"a.root": 400.0})


@pytest.mark.parametrize(("name", "remembered"), [("a.root", 800), ("a.parquet", 1500)])
def test_what_is_remembered_is_compared_with_what_is_there(name: str, remembered: int, cwd: Path) -> None:
    path = cwd / "data" / name
    (root if path.suffix == ".root" else columns)(path, 1.0)
    file = InputFile(path=str(path))
    found = probe(file)
    wrong = FileFacts(entries=remembered, uuid=found.uuid, identity=found.identity)
    FactsCache(cwd / "cache/wq-runner/facts.sqlite").put_many({file: wrong})
    ended = run(cwd, "-c", 250, "data")
    assert ended.code == 0, ended.err
    assert f"but was planned with {remembered:,}" in ended.out
    assert "facts.sqlite has it so" in ended.out
    whole(cwd, **{name: 1000.0})


def test_a_file_that_is_written_while_it_is_read_is_run_again(cwd: Path) -> None:
    """What was done of the first content is dropped."""
    root(cwd / "data/a.root", 1.0)
    root(cwd / "data/b.root", 1.0)
    root(cwd / "data/meanwhile", 3.0, 600)
    ended = run(cwd, "-c", 250, "data/a.root", "data/b.root")
    assert ended.code == 0, ended.err
    assert "a.root: it has 600 entries, but was planned with 1,000 (so it was when" in ended.out
    found = running.output(cwd / "out")
    assert found == {"a.root": 1800.0, "b.root": 1000.0, "n": 1600}


def test_a_file_that_is_another_each_time_is_left_out(cwd: Path) -> None:
    """The run ends, and says that it lacks it."""
    text = PROCESSOR.replace("meanwhile.exists()", "True").replace(
        "meanwhile.replace(path)", "import os, shutil; shutil.copy(path, meanwhile); write(meanwhile)"
    )
    text += """

def write(path):
    import uproot
    with uproot.update(path) as file:
        file.mktree("Events", {"x": "f8"})
        file["Events"].extend({"x": np.full(1000, 1.0)})
    path.replace(path.with_name("a.root"))
"""
    (cwd / "total.py").write_text(text)
    root(cwd / "data/a.root", 1.0)
    ended = run(cwd, "-c", 250, "data/a.root")
    assert ended.code == 3, ended.out + ended.err
    assert "it was written anew, or changed, since it was planned" in ended.error
    assert not running.summary(cwd / "out")["complete"]
