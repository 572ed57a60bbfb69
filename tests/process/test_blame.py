"""Whose failure is what coffea's own work function raises: the file's, the schema's, or the processor's."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from coffea.nanoevents import BaseSchema, NanoAODSchema, NanoEventsFactory
from coffea.processor import Runner
from coffea.processor.executor import WorkItem

from wq_runner.model import InputFile
from wq_runner.remote import failure, functions
from wq_runner.samples import probe

ENTRIES = 20_000
Process = Callable[[Any], Any]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make `good.root`, and of the same events `damaged.root`, whose column `x` cannot be decompressed."""
    directory = tmp_path_factory.mktemp("data")
    values = np.random.default_rng(1).integers(0, 99, ENTRIES)
    with uproot.recreate(directory / "good.root") as file:
        file.mktree("Events", {"x": "i4", "y": "i4"}).extend({"x": values, "y": values})
    with uproot.open(directory / "good.root") as file:
        basket = file["Events/x"].basket(0)
        start = (
            basket.cursor.index if hasattr(basket, "cursor") else file["Events/x"].member("fBasketSeek")[0]
        )
    content = bytearray((directory / "good.root").read_bytes())
    content[start + 100 : start + 1000] = bytes(900)
    (directory / "damaged.root").write_bytes(content)
    return directory


def blamed(path: Path, process: Process, schema: Any = BaseSchema, format: str = "root") -> str:
    """Return whose failure it is said to be that coffea's work function raises."""
    function = functools.partial(
        Runner._work_function, format, 60, schema, False, False,
        processor_instance=process, uproot_options={}, iteritems_options={}, checkpointer=None,
        cache_function=lambda: None,
    )  # fmt: skip
    item = WorkItem("A", str(path), "Events", 0, ENTRIES, b"", {})
    with pytest.raises((Exception, SystemExit)) as caught:
        function(item)
    return str(failure.describe(0, caught.value)["kind"])


def reads(column: str) -> Process:
    return lambda events: {"sum": int(ak.sum(events[column]))}


def opens(path: str) -> Process:
    def process(events: Any) -> Any:
        with uproot.open(path) as file:
            return {"sum": float(file["weights"].values().sum()) * len(events)}

    return process


def opens_its_own(events: Any) -> Any:
    with uproot.open(events.metadata["filename"]) as file:
        return {"sum": int(ak.sum(file["Events/x"].array()))}


def makes_events_of(path: Path) -> Process:
    def process(events: Any) -> Any:
        others = NanoEventsFactory.from_root({str(path): "Events"}, schemaclass=BaseSchema, mode="virtual")
        return {"sum": int(ak.sum(others.events().x)) + len(events)}

    return process


def writes(events: Any) -> Any:
    ak.to_parquet(ak.Array([1, 2]), "/proc/nowhere/skim.parquet")
    return {"n": len(events)}


def leaves(events: Any) -> Any:
    sys.exit("there are no corrections for this era")


def exhausts(events: Any) -> Any:
    raise MemoryError


def test_a_file_that_only_a_missing_package_reads_is_no_bad_file(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decompress(*_: Any, **__: Any) -> Any:
        raise ModuleNotFoundError("No module named 'xxhash'")

    monkeypatch.setattr("uproot.models.TBasket.uproot.compression.decompress", decompress)
    assert blamed(data / "good.root", reads("x")) == failure.ENVIRONMENT


def test_a_file_that_no_package_opens_is_no_bad_file() -> None:
    lacking = ImportError("install 'fsspec-xrootd'")
    bad = probe.classified(InputFile(path="root://far//a.root"), lacking)
    bad.__cause__ = lacking
    found = failure.describe(0, bad)
    assert (found["kind"], found["type"]) == (failure.ENVIRONMENT, "ImportError")
    assert "fsspec-xrootd" in found["message"]


def imports(events: Any) -> Any:
    raise ModuleNotFoundError("No module named 'corrections'")


@pytest.mark.parametrize(
    ("name", "process", "kind"),
    [
        pytest.param("gone.root", reads("x"), "input", id="the file is not there"),
        pytest.param("damaged.root", reads("x"), "input", id="a column of it is damaged"),
        pytest.param("damaged.root", opens_its_own, "input", id="the processor opens it by itself"),
        pytest.param("good.root", reads("z"), "processor", id="there is no such column"),
        pytest.param(
            "good.root", opens("weights/pileup.root"), "processor", id="a file of weights is not there"
        ),
        pytest.param("good.root", opens(__file__), "processor", id="a file of weights is none"),
        pytest.param("good.root", writes, "processor", id="it writes where it may not"),
        pytest.param("good.root", leaves, "processor", id="it leaves"),
        pytest.param("good.root", imports, "processor", id="it lacks a package itself"),
        pytest.param("good.root", exhausts, "memory", id="there is no memory"),
    ],
)
def test_whose_failure_it_is(data: Path, name: str, process: Process, kind: str) -> None:
    assert blamed(data / name, process) == kind


def test_a_tree_that_is_not_there_is_the_files(data: Path, tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "other.root") as file:
        file["Runs"] = {"x": np.arange(3)}
    assert blamed(tmp_path / "other.root", reads("x")) == "input"


def test_a_file_of_weights_that_is_damaged_is_not_the_chunks(data: Path) -> None:
    def process(events: Any) -> Any:
        with uproot.open(data / "damaged.root") as file:
            return {"sum": int(ak.sum(file["Events/x"].array())) + len(events)}

    assert blamed(data / "good.root", process) == "processor"
    assert blamed(data / "good.root", makes_events_of(data / "damaged.root")) == "processor"


def test_a_schema_that_does_not_fit_is_neither_the_files_nor_the_processors(data: Path) -> None:
    class Strict(NanoAODSchema):
        def __init__(self, base_form: Any, *more: Any) -> None:
            if "nMuon" not in base_form["fields"]:
                raise RuntimeError("Missing branch nMuon")
            super().__init__(base_form, *more)

    assert blamed(data / "good.root", reads("x"), schema=Strict) == "schema"


@pytest.mark.parametrize("name", ["good.root", "gone.root"])
def test_a_runner_skips_no_file_that_is_there(data: Path, name: str) -> None:
    """What a processor lacks is no bad file, whatever its exception is."""
    function = functools.partial(
        Runner.automatic_retries, 0, True,
        functools.partial(
            Runner._work_function, "root", 60, BaseSchema, False, False,
            processor_instance=opens("weights/pileup.root"), uproot_options={}, iteritems_options={},
            checkpointer=None, cache_function=lambda: None,
        ),
    )  # fmt: skip
    own, _ = functions.lone(function)
    item = WorkItem("A", str(data / name), "Events", 0, ENTRIES, b"", {})
    if name == "good.root":
        with pytest.raises(Exception, match="The error was: FileNotFoundError"):
            own(item)
    else:
        with pytest.warns(UserWarning, match="Skipping bad file"):
            assert own(item) is None


def opens_to_know(path: Path) -> Any:
    return uproot.open(path)


def test_a_runner_skips_a_file_that_cannot_be_opened_to_be_known(tmp_path: Path) -> None:
    function = functools.partial(Runner.automatic_retries, 0, True, opens_to_know)
    own, _ = functions.lone(function)
    with pytest.warns(UserWarning, match="Skipping bad file"):
        assert own(tmp_path / "gone.root") is None


def test_parquet_is_told_apart_as_well(data: Path, tmp_path: Path) -> None:
    ak.to_parquet(ak.Array({"x": np.arange(ENTRIES)}), tmp_path / "good.parquet")
    content = bytearray((tmp_path / "good.parquet").read_bytes())
    content[4:400] = bytes(396)  # the header of its first page
    (tmp_path / "damaged.parquet").write_bytes(content)
    assert blamed(tmp_path / "gone.parquet", reads("x"), format="parquet") == "input"
    assert blamed(tmp_path / "damaged.parquet", reads("x"), format="parquet") == "input"
    missing = opens(str(tmp_path / "weights.root"))
    assert blamed(tmp_path / "good.parquet", missing, format="parquet") == "processor"


def test_what_leaves_without_a_word_says_how() -> None:
    assert failure.describe(0, SystemExit(3))["message"] == "the processor called sys.exit(3)"
    assert failure.describe(0, SystemExit("no corrections"))["message"] == "no corrections"
