"""Several processors: chunks find theirs, read once together, and none sees what another does."""

from __future__ import annotations

import dataclasses
import functools
import pickle
from pathlib import Path
from typing import Any

import awkward as ak
import cloudpickle
import numpy as np
import pytest
import uproot
from coffea.nanoevents import BaseSchema
from coffea.processor import ProcessorABC, Runner
from coffea.processor.executor import ExecutorBase, WorkItem

from wq_runner.remote import functions, several, wire, work
from wq_runner.remote.pinned import Code
from wq_runner.remote.several import MEANT, Several, Shared


class Sum(ProcessorABC):
    def __init__(self, column: str = "x") -> None:
        self.column = column

    def process(self, events: Any) -> dict[str, Any]:
        values = np.asarray(ak.to_numpy(events[self.column]))
        metadata = {key: value for key, value in events.metadata.items() if key in {MEANT, "dataset"}}
        found = {"sum": float(values.sum()), "n": len(events), "told": {str(sorted(metadata.items()))}}
        for layout in (events[self.column].layout,):
            np.asarray(layout.data)[:] = -1.0  # what nobody should do, and somebody does
        return found

    def postprocess(self, accumulator: Any) -> Any:
        return accumulator


class Broken(Sum):
    def process(self, events: Any) -> dict[str, Any]:
        raise ValueError(f"no muons in {len(events)} events")


class Kept(ExecutorBase):
    """Keeps coffea's work function."""

    def __call__(self, items: Any, function: Any, accumulator: Any) -> Any:
        del accumulator
        _found.append(function)
        return {"out": {}, "processed": set()}, 0


_found: list[Any] = []


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "n.root"
    with uproot.recreate(path) as written:
        tree = written.mktree("Events", {"x": "float64", "y": "float64"})
        for half in (slice(0, 50), slice(50, 100)):
            tree.extend({"x": np.arange(100.0)[half], "y": np.ones(100)[half]})
    return path


def item(path: Path, processor: str, start: int = 0, stop: int = 100, dataset: str = "dy") -> WorkItem:
    with uproot.open(path) as opened:
        uuid = opened.file.uuid.bytes
    meta = {MEANT: (processor, dataset), "xsec": 1.0}
    return WorkItem(f"{processor}.{dataset}", str(path), "Events", start, stop, uuid, meta)


def answered(directory: Path, processors: Several, items: list[WorkItem], labels: list[int]) -> Any:
    """Run a task of these items, and return its answer and the results by label."""
    _found.clear()
    Runner(executor=Kept(), schema=BaseSchema).run(items, processors)
    import dill

    function = directory / "function"
    function.write_bytes(functions.preamble(Code()) + dill.dumps(_found[0]))
    result = directory / "result"
    work.execute(function, work.pack(items, labels=labels), result)
    header, blobs = wire.read(result)
    import lz4.frame

    sums = [pickle.loads(lz4.frame.decompress(blob)) for blob in (blobs[0], *blobs[2:])]
    return header, dict(zip([labels[done[0]] for done in header["sums"]], sums, strict=True))


def test_each_has_its_own_events_of_arrays_that_are_read_once(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decompressed: list[int] = []
    decompress = uproot.compression.decompress

    @functools.wraps(decompress)
    def noted(*given: Any, **more: Any) -> Any:
        found = decompress(*given, **more)
        decompressed.append(len(found.raw_data))
        return found

    monkeypatch.setattr(uproot.compression, "decompress", noted)
    processors = Several({"one": Sum(), "two": Sum(), "three": Sum("y")})
    ranges = [(0, 50), (50, 100)]
    items = [item(file, name, *each) for name in processors for each in ranges]
    header, found = answered(tmp_path, processors, items, [1, 1, 2, 2, 3, 3])
    assert header["failures"] == []
    assert {label: (one["out"]["n"], one["out"]["sum"]) for label, one in found.items()} == {
        1: (100, 4950.0),
        2: (100, 4950.0),
        3: (100, 100.0),
    }
    assert sum(size >= 400 for size in decompressed) == 2 * 2  # both columns, for each of the two ranges
    # the account has the names of the run, the processor those of the samples
    assert {one.dataset for one in found[2]["processed"]} == {"two.dy"}
    assert all("'dy'" in told and MEANT not in told for one in found.values() for told in one["out"]["told"])


def test_one_that_fails_takes_nothing_of_the_others_with_it(tmp_path: Path, file: Path) -> None:
    processors = Several({"bad": Broken(), "good": Sum()})
    items = [item(file, name, *each) for name in processors for each in ((0, 50), (50, 100))]
    header, found = answered(tmp_path, processors, items, [1, 1, 2, 2])
    assert [failure["index"] for failure in header["failures"]] == [0, 1]
    assert sorted(header["done"]) == [2, 3]
    assert {label: one["out"]["sum"] for label, one in found.items()} == {2: 4950.0}


def test_chunks_are_done_after_each_other_and_others_in_their_order(file: Path) -> None:
    both = [item(file, name, *each) for name in ("ee", "mm") for each in ((0, 50), (50, 100))]
    assert several.order(both) == [0, 2, 1, 3]
    alone = [dataclasses.replace(one, usermeta={}) for one in both]
    assert several.order(alone) == [0, 1, 2, 3]
    assert several.order(["a", "b", "a"]) == [0, 1, 2]


def test_they_travel_packed_and_are_unpacked_anew_for_each_chunk() -> None:
    processors = Several({"ee": Sum("x"), "mm": Sum("y")})
    there = cloudpickle.loads(cloudpickle.dumps(cloudpickle.loads(cloudpickle.dumps(processors))))
    assert list(there) == ["ee", "mm"]
    assert there.named("mm").column == "y"
    assert there.named("mm") is not there.named("mm")
    assert several.each(there)["ee"].column == "x"
    assert several.each(Sum("z"))[""].column == "z"


def test_what_was_shared_is_gone_with_its_last_reader() -> None:
    shared = Shared("chunk")
    first = shared.before(None)
    array = ak.Array([1.0, 2.0])
    first["key"] = array
    np.asarray(array.layout.data)[:] = 0.0
    assert shared.before({})["key"].tolist() == [1.0, 2.0]
    shared.is_last = True
    assert shared.before({})["key"].tolist() == [1.0, 2.0]
    assert not shared.arrays
    with pytest.raises(KeyError):
        shared.before({})["key"]
