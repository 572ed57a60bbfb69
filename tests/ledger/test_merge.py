"""Parts of the same samples, run apart and added up: the same as one run of all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import awkward as ak
import nanoaod
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import running
import uproot

from wq_runner.output import joining

COMMON = ("-p", f"{running.ANALYSIS}:Writer", "--schema", "BaseSchema", "-e", "iterative", "--chunksize", 250)


def report(*arguments: object, cwd: Path) -> running.Ended:
    return running.run(*arguments, cwd=cwd, name="wq-report")


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """Return samples of two datasets of five files, of which one each is broken; the whole ones are aside."""
    for name in ("one", "two"):
        for number in range(5):
            nanoaod.write_simple(tmp_path / "data" / name / f"f{number}.root", 1000)
        shutil.copy(tmp_path / "data" / name / "f3.root", tmp_path / f"{name}.aside")
        nanoaod.write_garbage(tmp_path / "data" / name / "f3.root")
    fileset = {
        name: {
            "files": [str(tmp_path / "data" / name / f"f{number}.root") for number in range(5)],
            "metadata": {"isData": False, "xsec": 1.5},
        }
        for name in ("one", "two")
    }
    path = tmp_path / "samples.json"
    path.write_text(json.dumps(fileset))
    return path


def mend(directory: Path) -> None:
    for name in ("one", "two"):
        shutil.copy(directory / f"{name}.aside", directory / "data" / name / "f3.root")


def written(directory: Path) -> list[float]:
    paths = (directory / "files").rglob("*.parquet")
    return sorted(value for path in paths for value in pyarrow.parquet.read_table(path)["x"].to_pylist())


def test_a_part_and_the_rest_are_the_whole(broken: Path, tmp_path: Path) -> None:
    partial = running.run(*COMMON, "--skip-bad-files", "-o", "part", broken, cwd=tmp_path)
    assert partial.code == 3
    assert "sums of weights of one, two are incomplete" in partial.err
    mend(tmp_path)
    running.run_well(
        *COMMON, "--skip-bad-files", "-o", "rest", tmp_path / "part" / "missing.json", cwd=tmp_path
    )
    merged = report("merge", "part", "rest", "-o", "sum", cwd=tmp_path)
    assert merged.code == 0, merged.err
    running.run_well(*COMMON, "--skip-bad-files", "-o", "whole", broken, cwd=tmp_path)
    assert running.output(tmp_path / "sum") == running.output(tmp_path / "whole")
    assert running.output(tmp_path / "sum")["entries"] == 10_000
    assert written(tmp_path / "sum") == written(tmp_path / "whole")
    found = running.summary(tmp_path / "sum")
    assert found["complete"] is True
    assert {name: one["events_processed"] for name, one in found["datasets"].items()} == {
        "one": 5000,
        "two": 5000,
    }
    assert not (tmp_path / "sum" / "missing.json").exists()
    again = report("merge", "sum", "part", "-o", "twice", cwd=tmp_path)
    assert again.code == 2
    assert "would count twice" in again.error


def test_overlaps_and_other_code_are_refused(broken: Path, tmp_path: Path) -> None:
    mend(tmp_path)
    running.run_well(*COMMON, "-o", "all", broken, cwd=tmp_path)
    running.run_well(*COMMON, "-o", "some", "--limit-files", 1, "--chunksize", 400, broken, cwd=tmp_path)
    ended = report("merge", "all", "some", "-o", "sum", cwd=tmp_path)
    assert ended.code == 2
    assert "events 0-1000 of" in ended.error
    running.run_well(*COMMON, "-o", "other", "--processor-args", "fail_once=", broken, cwd=tmp_path)
    ended = report("merge", "all", "other", "-o", "sum", cwd=tmp_path)
    assert ended.code == 2
    assert "differ in the arguments of the processor" in ended.error
    assert not (tmp_path / "sum").exists()


def test_a_sum_that_still_lacks_something(broken: Path, tmp_path: Path) -> None:
    assert running.run(*COMMON, "--skip-bad-files", "-o", "part", broken, cwd=tmp_path).code == 3
    shutil.copy(tmp_path / "one.aside", tmp_path / "data" / "one" / "f3.root")
    rest = tmp_path / "part" / "missing.json"
    assert running.run(*COMMON, "--skip-bad-files", "-o", "rest", rest, cwd=tmp_path).code == 3
    ended = report("merge", "part", "rest", "-o", "sum", cwd=tmp_path)
    assert ended.code == 3
    lacking: dict[str, Any] = json.loads((tmp_path / "sum" / "missing.json").read_text())
    assert [list(body["files"]) for body in lacking.values()] == [
        [str(tmp_path / "data" / "two" / "f3.root")]
    ]
    assert list(lacking) == ["two"]
    mend(tmp_path)
    running.run_well(
        *COMMON, "--skip-bad-files", "-o", "last", tmp_path / "sum" / "missing.json", cwd=tmp_path
    )
    assert report("merge", "sum", "last", "-o", "whole", cwd=tmp_path).code == 0
    assert running.output(tmp_path / "whole")["entries"] == 10_000


def test_diff(broken: Path, tmp_path: Path) -> None:
    mend(tmp_path)
    running.run_well(*COMMON, "-o", "a", broken, cwd=tmp_path)
    running.run_well(*COMMON, "-o", "b", broken, cwd=tmp_path)
    same = report("diff", "a", "b", cwd=tmp_path)
    assert same.code == 0
    assert same.out.startswith("the runs do not differ in anything that the results depend on"), same.out
    nanoaod.write_simple(tmp_path / "data" / "one" / "f0.root", 1100)
    running.run_well(*COMMON, "-o", "c", "--chunksize", 500, broken, cwd=tmp_path)
    found = report("diff", "a", "c", cwd=tmp_path).out
    assert "chunksize: 250 and 500" in found
    assert "f0.root: entries 1000 and 1100" in found
    assert "one: 5,000 and 5,100 events are in the result" in found
    assert "output.coffea: not the same bytes" in found


# -- files that the processor wrote --


def test_parquet_files_are_joined(broken: Path, tmp_path: Path) -> None:
    mend(tmp_path)
    running.run_well(*COMMON, "-o", "out", broken, cwd=tmp_path)
    ended = report("merge", "--kind", "parquet", "out", cwd=tmp_path)
    assert ended.code == 0, ended.err
    for name in ("one", "two"):
        found = pyarrow.parquet.read_table(tmp_path / "out" / "merged" / name / "skim.parquet")[
            "x"
        ].to_pylist()
        wanted = [float(x) for x in range(1000) if not 500 <= x < 750]
        assert sorted(found) == sorted(wanted * 5)
        assert found[: len(wanted)] == wanted  # in the order of the events


def test_columns_that_only_some_have(tmp_path: Path) -> None:
    folder = tmp_path / "files" / "DY" / "nominal"
    folder.mkdir(parents=True)
    for name, columns in (("a_Events_0-2", {"x": [1, 2]}), ("a_Events_2-4", {"y": [1.5, 2.5], "x": [3, 4]})):
        pyarrow.parquet.write_table(pyarrow.table(columns), folder / f"{name}.parquet")
    groups = joining.grouped(tmp_path / "files", "parquet", folder.iterdir())
    assert list(groups) == ["DY/nominal.parquet"]
    joining.KINDS["parquet"](groups["DY/nominal.parquet"], tmp_path / "joined.parquet")
    found = pyarrow.parquet.read_table(tmp_path / "joined.parquet").to_pydict()
    assert found == {"x": [1, 2, 3, 4], "y": [None, None, 1.5, 2.5]}


def test_root_files_are_joined(tmp_path: Path) -> None:
    files = []
    for number in range(3):
        path = tmp_path / f"f_{number}-{number + 1}.root"
        files.append(path)
        with uproot.recreate(path) as file:
            pt = ak.Array([[1.0 + number, 2.0], [], [3.0]])
            content = {"x": np.arange(3) + number, "Muon": ak.zip({"pt": pt, "eta": -pt})}
            file.mktree("Events", {name: ak.Array(value).type.content for name, value in content.items()})
            file["Events"].extend(content)
            file["counts"] = np.histogram([0.5, 1.5], bins=2, range=(0, 2))
    joining.KINDS["root"](files, tmp_path / "joined.root")
    with uproot.open(tmp_path / "joined.root") as joined:
        tree = joined["Events"]
        assert set(tree.keys()) == {"x", "nMuon", "Muon_pt", "Muon_eta"}
        assert tree["x"].array().tolist() == [0, 1, 2, 1, 2, 3, 2, 3, 4]
        assert tree["Muon_pt"].array().tolist()[6] == [3.0, 2.0]
        assert joined["counts"].values().tolist() == [3.0, 3.0]
