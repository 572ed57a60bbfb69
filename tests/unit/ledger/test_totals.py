"""Sums across datasets and chunks: of what cannot be added, everything is said that finds it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hist
import pytest

from wq_runner.errors import EngineError, OutputError, ProcessorError
from wq_runner.ledger import reducer, totals
from wq_runner.ledger.ledger import Holding


@dataclass(frozen=True)
class Chunk:
    filename: str
    entrystart: int = 0
    entrystop: int = 10


class Stubborn:
    """A sum of one's own, which ends the process that adds it, or has no memory left."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __add__(self, other: Any) -> Stubborn:
        raise self.error

    __iadd__ = __add__


def result(out: Any, path: str, start: int = 0) -> dict[str, Any]:
    return {"out": out, "processed": {Chunk(path, start, start + 10)}}


def booked(bins: int) -> Any:
    return hist.Hist(hist.axis.Regular(bins, 0, 1, name="pt"))


def test_results_stay_as_they_are() -> None:
    results = {name: result({"n": {name: 1}, "all": 1}, name) for name in "abc"}
    whole = totals.total(results)
    assert whole["out"] == {"n": {"a": 1, "b": 1, "c": 1}, "all": 3}
    assert results["a"]["out"] == {"n": {"a": 1}, "all": 1}
    assert totals.total({"a": results["a"]}) is results["a"]


def test_the_key_both_datasets_and_a_chunk_of_each_are_named() -> None:
    results = {
        "none": result({"cuts": 3}, "/data/none.root"),
        "a": result({"cuts": 1, "plots": {"pt": booked(10)}}, "/data/a.root"),
        "b": result({"cuts": 1, "plots": {"pt": booked(20)}}, "/data/b.root", 30),
    }
    with pytest.raises(ProcessorError) as caught:
        totals.total(results, hint="book them alike")
    text = str(caught.value)
    assert "'plots' -> 'pt' of datasets a and b cannot be added: ValueError: axes not mergable" in text
    assert "a, a.root, events 0-10: Regular(10, 0, 1, name='pt')" in text
    assert "b, b.root, events 30-40: Regular(20, 0, 1, name='pt')" in text
    assert text.endswith("book them alike")
    assert "File" not in text  # no line of the user's is in it


def test_two_chunks_of_a_dataset() -> None:
    whole = totals.added(result({"n": 1}, "a.root"), None)
    with pytest.raises(ProcessorError) as caught:
        totals.added(result({"n": {1}}, "a.root", 10), whole)
    assert "'n' of two chunks cannot be added: " in str(caught.value)
    assert "a.root, events 0-10: int 1\n" in str(caught.value)
    assert "a.root, events 10-20: set {1}\n" in str(caught.value)


@pytest.mark.parametrize(
    "error", [ValueError("no"), OSError(28, "No space"), SystemExit("no"), BaseException("no")], ids=repr
)
def test_a_sum_of_ones_own_fails_with_its_own_lines(error: BaseException) -> None:
    results = {name: result({"x": Stubborn(error)}, name) for name in "ab"}
    with pytest.raises(ProcessorError) as caught:
        totals.total(results)
    assert "raise self.error" in caught.value.message
    assert "wq_runner" not in caught.value.message
    assert caught.value.__cause__ is error


def test_no_memory_is_no_fault_of_what_is_added() -> None:
    results = {name: result({"x": Stubborn(MemoryError())}, name) for name in "ab"}
    with pytest.raises(EngineError, match="not enough memory on this machine"):
        totals.total(results)


def test_a_damaged_part_is_no_fault_of_the_processors(tmp_path: Path) -> None:
    (tmp_path / "part-1").write_bytes(b"WQR2 and nothing else")
    damaged = Holding(name="part-1", dataset="a", tasks=(1,), items=())
    with pytest.raises(OutputError, match="the ledger is damaged") as caught:
        reducer.add_up([damaged], tmp_path)
    assert caught.value.page == "damaged-files"
    with pytest.raises(OutputError, match="part-2: No such file"):
        reducer.add_up([Holding(name="part-2", dataset="a", tasks=(2,), items=())], tmp_path)
