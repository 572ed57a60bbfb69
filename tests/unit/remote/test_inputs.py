"""What a task opens is compared with the plan, and the answer says what was read, with coffea itself."""

from __future__ import annotations

import functools
import itertools
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import cloudpickle
import lz4.frame
import numpy as np
import pyarrow as pa
import pytest
import uproot
from coffea.nanoevents import BaseSchema
from coffea.processor import Runner
from coffea.processor.executor import WorkItem
from pyarrow import parquet

from wq_runner.engine.answer import Answer, Kind, read_answer
from wq_runner.model import FileFacts, InputFile
from wq_runner.remote import functions, inputs, wire, work
from wq_runner.remote.inputs import Known
from wq_runner.remote.pinned import Code
from wq_runner.samples.probe import probe

ENTRIES = 30


def process(events: Any) -> dict[str, float]:
    return {events.metadata["filename"].rpartition("/")[2]: float(np.asarray(events.x).sum())}


def write(path: Path, start: int, entries: int = ENTRIES, **options: Any) -> None:
    values = np.arange(start, start + entries, dtype="f8")
    if path.suffix == ".parquet":
        parquet.write_table(pa.table({"x": values}), path)
        return
    with uproot.recreate(path, **options) as file:
        file.mktree("sub/Events", {"x": "f8"})
        file["sub/Events"].extend({"x": values})
        file.mktree("Runs", {"x": "f8"})


def facts(path: Path) -> FileFacts:
    return probe(InputFile(path=str(path), treename="sub/Events"))


def known(path: Path) -> Known:
    found = facts(path)
    return found.identity.hex(), found.entries


def chunks(path: Path, *edges: int, uuid: bytes | None = None) -> list[WorkItem]:
    file = facts(path).uuid if uuid is None else uuid
    return [
        WorkItem("d", str(path), "sub/Events", start, stop, file, {})
        for start, stop in itertools.pairwise(edges)
    ]


def apply(
    items: Sequence[WorkItem], expected: Sequence[Known], directory: Path, **options: Any
) -> tuple[Answer, Any]:
    """Apply coffea's work function, as its Runner hands it over."""
    kind = "parquet" if items[0].filename.endswith(".parquet") else "root"
    packed = lz4.frame.compress(cloudpickle.dumps(process))
    inner = functools.partial(
        Runner._work_function,
        *(kind, 60, BaseSchema, False, options.get("savemetrics", False)),
        processor_instance=packed,
        uproot_options={},
        iteritems_options={},
        checkpointer=options.get("checkpointer"),
        cache_function=lambda: None,
    )
    function = functools.partial(Runner.automatic_retries, 0, False, inner)
    loaded = functions.Function(function, Code())
    work.execute(directory / "function", work.pack(items, expected), directory / "result", loaded=loaded)
    _, (result, _) = wire.read(directory / "result")
    return read_answer(directory / "result"), (pickle.loads(lz4.frame.decompress(result)) or {}).get("out")


@pytest.fixture(params=["a.root", "a.parquet"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path: Path = tmp_path / request.param
    write(path, 0)
    return path


@pytest.mark.parametrize("savemetrics", [False, True])
def test_the_answer_says_what_was_read(path: Path, savemetrics: bool, tmp_path: Path) -> None:
    items = chunks(path, 0, 10, 20, 30)
    for expected in ([known(path)] * 3, []):
        found, result = apply(items, expected, tmp_path, savemetrics=savemetrics)
        assert found.done == (0, 1, 2)
        assert {(one.identity, one.entries) for one in found.inputs.values()} == {known(path)}
        assert [one.events for one in found.inputs.values()] == [10, 10, 10]
        assert result == {path.name: sum(range(ENTRIES))}


@pytest.mark.parametrize("claimed", [ENTRIES - 1, ENTRIES + 1])
def test_another_number_of_entries_than_planned_is_said(path: Path, claimed: int, tmp_path: Path) -> None:
    found, _ = apply(chunks(path, 0, 10, 20), [("", claimed)] * 2, tmp_path)
    assert not found.done
    assert {one.kind for one in found.failures} == {Kind.CHANGED}
    assert found.failures[0].summary == f"it has {ENTRIES} entries, but was planned with {claimed}"


def test_a_chunk_beyond_the_end_is_said(path: Path, tmp_path: Path) -> None:
    """Whoever planned it, as a Runner of one's own whose cache of metadata is old."""
    found, _ = apply(chunks(path, 0, 20, 40), [], tmp_path)
    assert found.done == (0,)
    assert [one.summary for one in found.failures] == [
        f"it has {ENTRIES} entries, but was planned with 40 or more"
    ]


def test_other_content_of_the_same_size_is_said(path: Path, tmp_path: Path) -> None:
    before = known(path)
    write(path, 100)
    found, _ = apply(chunks(path, 0, 10, 20), [before] * 2, tmp_path)
    assert not found.done
    assert {one.summary for one in found.failures} == {
        "it was written anew, or changed, since it was planned"
    }


def test_a_file_that_is_written_between_two_chunks_of_a_task_is_seen(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The tree that is kept is not given out for another file."""
    other = tmp_path / f"other{path.suffix}"
    write(path, 0, uuid_function=lambda: UUID(int=7))
    before = known(path)
    write(other, 100, uuid_function=lambda: UUID(int=7))

    def processed(self: Any, events: Any) -> Any:
        if other.exists():
            other.replace(path)
        return called(self, events)

    called = inputs._Counting.process
    monkeypatch.setattr("wq_runner.remote.inputs._Counting.process", processed)
    found, _ = apply(chunks(path, 0, 10, 20, 30), [before] * 3, tmp_path)
    assert len(found.done) <= 1
    assert {one.kind for one in found.failures} == {Kind.CHANGED}


def test_files_of_one_uuid_are_each_read(tmp_path: Path) -> None:
    items, expected = [], []
    for number in range(3):
        one = tmp_path / f"{number}.root"
        write(one, 100 * number, uuid_function=lambda: UUID(int=0))
        items += chunks(one, 0, 10, 30)
        expected += [known(one)] * 2
    found, result = apply(items, expected, tmp_path)
    assert found.done == tuple(range(6))
    assert result == {f"{number}.root": sum(range(100 * number, 100 * number + 30)) for number in range(3)}
    assert len({one.identity for one in found.inputs.values()}) == 3


def test_what_comes_from_a_checkpoint_was_given_to_nobody(tmp_path: Path) -> None:
    class Kept:
        def load(self, *_: Any) -> Any:
            return {"out": {"a.root": 1.0}, "processed": {None}}

    from coffea.processor import CheckpointerABC

    kept = type("Kept", (Kept, CheckpointerABC), {"save": lambda *_: None})()
    write(tmp_path / "a.root", 0)
    found, _ = apply(chunks(tmp_path / "a.root", 0, 10), [], tmp_path, checkpointer=kept)
    assert found.done == (0,)
    assert not found.inputs
