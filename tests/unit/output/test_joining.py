"""Files that processors wrote, joined: everything in them is in the sum, or named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import awkward as ak
import boost_histogram as bh
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import uproot

from wq_runner.cli import report_runs
from wq_runner.errors import PartialResultError
from wq_runner.output import join_parquet, join_root
from wq_runner.system import RunPaths


def write(path: Path, **content: Any) -> Path:
    """Write a ROOT file as uproot does by default: columns become an RNTuple; a list is a TTree."""
    with uproot.recreate(path) as file:
        for name, value in content.items():
            where = name.replace("__", "/")
            if isinstance(value, list):
                file.mktree(where, {key: ak.Array(one).type.content for key, one in value[0].items()})
                if value[1:] != ["empty"]:
                    file[where].extend(value[0])
            else:
                file[where] = value
    return path


def joined(tmp_path: Path, *contents: Mapping[str, Any]) -> tuple[Any, list[str], list[str]]:
    files = [write(tmp_path / f"{number}.root", **one) for number, one in enumerate(contents)]
    notes, left_out = join_root.join(files, tmp_path / "sum.root")
    assert not list(tmp_path.glob(".*"))
    there = (tmp_path / "sum.root").exists()
    return uproot.open(tmp_path / "sum.root") if there else None, notes, left_out


def test_ntuples_as_uproot_writes_them_are_joined(tmp_path: Path) -> None:
    pt = ak.Array([[1.0, 2.0], []])
    events = {"x": np.arange(2), "pt": pt, "name": ["a", "bc"]}
    found, notes, left_out = joined(tmp_path, {"Events": events}, {"Events": events}, {"Events": events})
    assert (notes, left_out) == ([], [])
    assert found["Events"].arrays().to_list() == 3 * ak.zip(events, depth_limit=1).to_list()


def test_trees_of_any_number_in_directories_and_without_entries(tmp_path: Path) -> None:
    def content(n: int) -> dict[str, Any]:
        return {
            "Events": [{"x": np.arange(n), "j": ak.Array([[1.0]] * n)}],
            "a__b__Runs": [{"run": np.array([n])}],
            "Empty": [{"x": np.arange(1), "j": ak.Array([[1.0]])}, "empty"],
            "d__Tuple": {"y": np.arange(n)},
        }

    found, notes, left_out = joined(tmp_path, content(2), content(3))
    assert (notes, left_out) == ([], [])
    assert found["Events"]["x"].array().tolist() == [0, 1, 0, 1, 2]
    assert found["a/b/Runs"]["run"].array().tolist() == [2, 3]
    assert (found["Empty"].num_entries, found["Empty"].keys()) == (0, ["nj", "j", "x"])
    assert found["d/Tuple"].num_entries == 5


def test_only_the_last_cycle_of_a_name_counts(tmp_path: Path) -> None:
    for number in (0, 1):
        with uproot.recreate(tmp_path / f"{number}.root") as file:
            file["n"] = "an old text"
            file["n"] = {"x": np.arange(3)}
    notes, left_out = join_root.join([tmp_path / "0.root", tmp_path / "1.root"], tmp_path / "sum.root")
    assert (notes, left_out) == ([], [])
    with uproot.open(tmp_path / "sum.root") as found:
        assert found["n"].num_entries == 6


@pytest.mark.parametrize("kind", ["counts", "weights", "2d", "3d", "profile", "growing"])
def test_histograms_are_added_with_errors_and_statistics(tmp_path: Path, kind: str) -> None:
    axis: Any = bh.axis.Regular(3, 0, 3)
    axes: list[Any] = {"2d": [axis] * 2, "3d": [axis] * 3, "growing": [bh.axis.Variable([0, 1, 5])]}.get(
        kind, [axis]
    )
    storage: Any = {"weights": bh.storage.Weight(), "profile": bh.storage.Mean()}.get(
        kind, bh.storage.Double()
    )
    parts = [bh.Histogram(*axes, storage=storage) for _ in range(3)]
    whole = bh.Histogram(*axes, storage=storage)
    for seed, one in enumerate(parts):
        values = np.random.default_rng(seed).uniform(-1, 6, size=(len(axes), 20))
        more = {"weights": {"weight": values[0]}, "profile": {"sample": values[0] ** 2}}.get(kind, {})
        for each in (one, whole):
            each.fill(*values, **more)
    found, notes, left_out = joined(tmp_path, *({"d__h": one} for one in parts))
    assert (notes, left_out) == ([], [])
    write(tmp_path / "whole.root", h=whole)
    with uproot.open(tmp_path / "whole.root") as other:
        got, wanted = found["d/h"], other["h"]
        np.testing.assert_allclose(got.values(flow=True), wanted.values(flow=True))
        np.testing.assert_allclose(got.variances(flow=True), wanted.variances(flow=True))
        assert got.classname == wanted.classname


def test_what_cannot_be_joined_is_named_and_the_rest_is_joined(tmp_path: Path) -> None:
    narrow, wide = np.histogram([1.0], bins=2), np.histogram([1.0], bins=3)
    first = {
        "Events": {"x": np.arange(2)},
        "Few": [{"x": np.arange(2), "only_here": np.arange(2)}],
        "Type": {"x": np.arange(2)},
        "Kind": {"x": np.arange(2)},
        "h": narrow,
        "same": "text",
        "other": "text",
        "once": "text",
    }
    second = {
        **{name: first[name] for name in ("Events", "same")},
        "Few": [{"x": np.arange(2)}],
        "Type": {"x": np.arange(2) * 0.5},
        "Kind": [{"x": np.arange(2)}],
        "h": wide,
        "other": "another",
    }
    found, notes, left_out = joined(tmp_path, first, second)
    assert sorted(found.keys(cycle=False)) == ["Events", "once", "same"]
    assert (found["Events"].num_entries, found["same"], found["once"]) == (4, "text", "text")
    assert notes == ["once is only in 1 of 2 files, not in 1.root"]
    assert sorted(left_out) == [
        "Few has only_here in 0.root, but not in 1.root",
        "Kind is a ROOT::RNTuple in 0.root and a TTree in 1.root",
        "Type has x as int64 in 0.root and as float64 in 1.root",
        "h has different bins or labels (X axis)",
        "other (TObjString) is not the same in 0.root and 1.root",
    ]


def test_nothing_to_be_joined_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "sum.root").touch()  # of an earlier time
    found, _, left_out = joined(tmp_path, {"a": "x"}, {"a": "y"})
    assert found is None
    assert left_out == ["a (TObjString) is not the same in 0.root and 1.root"]


def test_metadata_of_parquet_that_differ_are_in_no_sum(tmp_path: Path) -> None:
    files = []
    for number in range(2):
        files.append(tmp_path / f"{number}.parquet")
        table = pyarrow.table({"x": [number], "y": [1]} if number else {"x": [number]})
        metadata = {"era": "2018", "sum_genw_presel": f"{number}.5"}
        pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), files[-1])
    notes, left_out = join_parquet.join(files, tmp_path / "sum.parquet")
    assert notes == ["y is null in the rows of 1 of 2 files, which do not have it"]
    assert left_out == ["the metadata sum_genw_presel differs between the files, and is not in the sum"]
    found = pyarrow.parquet.read_schema(tmp_path / "sum.parquet").metadata
    assert found == {b"era": b"2018"}


def test_the_command_ends_with_its_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = RunPaths(root=tmp_path).files / "DY"
    folder.mkdir(parents=True)
    for number in range(2):
        write(folder / f"skim_{number}-{number + 1}.root", Events={"x": np.arange(3)}, info=f"{number}")
    (folder / "weights.json").write_text("{}")
    (folder / "other_0-1.ROOT").write_text("no ROOT file")
    with pytest.raises(PartialResultError) as caught:
        report_runs._join((tmp_path,), "root", None)
    assert "\n  DY.root: none of its 3 files: other_0-1.ROOT cannot be read: " in str(caught.value)
    assert not list((tmp_path / "merged").rglob("*.root"))
    (folder / "other_0-1.ROOT").unlink()
    with pytest.raises(PartialResultError) as caught:
        report_runs._join((tmp_path,), "root", None)
    said = "DY.root: info (TObjString) is not the same in skim_0-1.root and skim_1-2.root"
    assert str(caught.value).splitlines()[1].strip() == said
    out, err = capsys.readouterr()
    assert out.startswith(f"{tmp_path}/merged/DY.root  ")
    assert "note: files of other kinds are left as they are: 1 .json; such as DY/weights.json\n" in err
