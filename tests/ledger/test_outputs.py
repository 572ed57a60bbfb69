"""What a run hands over: in which files, where, and what `run.json` says of it."""

from __future__ import annotations

import gzip
import hashlib
import json
import pickle
import platform
import subprocess
from pathlib import Path
from typing import Any

import nanoaod
import pytest
import running

COMMON = ("-p", f"{running.ANALYSIS}:Sums", "--schema", "BaseSchema", "-e", "iterative", "-o", "out")


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Return samples of two datasets, of 3 and 2 files."""
    fileset = {
        name: {
            "files": [str(nanoaod.write_simple(tmp_path / name / f"{i}.root", 200)) for i in range(number)],
            "metadata": {"isData": False},
        }
        for name, number in (("one", 3), ("two", 2))
    }
    path = tmp_path / "samples.json"
    path.write_text(json.dumps(fileset))
    return path


def check_described(out: Path, names: set[str]) -> None:
    described = running.summary(out)["outputs"]
    assert {one["path"] for one in described} == names
    for one in described:
        content = (out / one["path"]).read_bytes()
        assert len(content) == one["bytes"]
        assert hashlib.sha256(content).hexdigest() == one["sha256"]


def test_one_file_and_its_twin_for_other_tools(samples: Path, tmp_path: Path) -> None:
    running.run_well(*COMMON, "--pkl-gz", samples, cwd=tmp_path)
    with gzip.open(tmp_path / "out" / "output.pkl.gz") as stream:
        assert pickle.load(stream) == running.output(tmp_path / "out")
    check_described(tmp_path / "out", {"output.coffea", "output.pkl.gz"})


def test_one_file_for_each_dataset(samples: Path, tmp_path: Path) -> None:
    from coffea.util import load

    out = tmp_path / "out"
    running.run_well(*COMMON, samples, cwd=tmp_path)
    whole = running.output(out)
    assert whole["entries"] == 1000
    again = running.run_well(*COMMON, "--outputs", "per-dataset", samples, cwd=tmp_path)
    assert "resuming" in again.out
    check_described(out, {"outputs/one.coffea", "outputs/two.coffea"})
    assert not (out / "output.coffea").exists()
    for name, entries in (("one", 600), ("two", 400)):
        found = load(out / "outputs" / f"{name}.coffea")
        assert found["entries"] == entries
        assert found["by dataset"] == {name: entries}
        assert found["postprocessed"] is True
    assert (
        "is there already" in running.run_well(*COMMON, "--outputs", "per-dataset", samples, cwd=tmp_path).out
    )
    running.run_well(*COMMON, samples, cwd=tmp_path)
    assert running.output(out) == whole
    assert not (out / "outputs").exists()


def test_each_dataset_has_a_file_of_its_own_however_it_is_called(tmp_path: Path) -> None:
    from coffea.util import load

    datasets = ["a b", "a-b", "a/b", "A-b", "..", "long" * 60, "long" * 61]
    fileset = {
        name: {"files": [str(nanoaod.write_simple(tmp_path / f"{number}.root", number + 1))], "metadata": {}}
        for number, name in enumerate(datasets)
    }
    (tmp_path / "samples.json").write_text(json.dumps(fileset))
    running.run_well(*COMMON, "--outputs", "per-dataset", "samples.json", cwd=tmp_path)
    written = running.summary(tmp_path / "out")["form"]["names"]
    assert {name: load(tmp_path / f"out/outputs/{written[name]}.coffea")["entries"] for name in datasets} == {
        name: number + 1 for number, name in enumerate(datasets)
    }
    assert (written["a b"], written["a/b"]) == ("a~_b", "a~-b")


def test_staged_out(samples: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    ended = running.run_well(*COMMON, "--stage-out", there, samples, cwd=tmp_path)
    assert "staged out" in ended.out
    assert (there / "output.coffea").read_bytes() == (tmp_path / "out" / "output.coffea").read_bytes()
    assert json.loads((there / "run.json").read_text())["complete"] is True
    staged = running.summary(tmp_path / "out")["staged"]
    names = ["output.coffea", "run.json", "wq-run-owner.json"]
    assert sorted(Path(one["path"]).name for one in staged) == names
    assert sorted(path.name for path in there.iterdir()) == names
    # the same run again has its place, what it does not make any more is removed, and another run is refused
    again = running.run_well(*COMMON, "--outputs", "per-dataset", "--stage-out", there, samples, cwd=tmp_path)
    assert "staged out" in again.out
    assert sorted(path.name for path in there.iterdir()) == ["outputs", *names[1:]]
    other = running.run(*COMMON[:-1], "other", "--stage-out", there, samples, cwd=tmp_path)
    assert other.code == 2
    assert f"has the result of another run: {platform.node()}:{tmp_path / 'out'}" in other.error
    assert not (tmp_path / "other" / "journal.jsonl").exists()  # before anything ran


def test_a_place_that_cannot_be_written_is_said_before_anything_runs(samples: Path, tmp_path: Path) -> None:
    ended = running.run(*COMMON, "--stage-out", "nosuch://there/x", samples, cwd=tmp_path)
    assert ended.code == 2
    assert "nosuch" in ended.error
    assert not (tmp_path / "out").exists()


def test_staged_out_later_when_the_place_is_back(samples: Path, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("a file in the way")
    failed = running.run(*COMMON, "--stage-out", tmp_path / "there", samples, cwd=tmp_path)
    assert failed.code == 2
    assert "in 4 tries" in failed.error
    assert running.output(tmp_path / "out")["entries"] == 1000
    (tmp_path / "there").unlink()
    again = running.run_well(*COMMON, "--stage-out", tmp_path / "there", samples, cwd=tmp_path)
    assert "1,000 of 1,000 events are done" in again.out
    assert (tmp_path / "there" / "output.coffea").exists()


def git(*arguments: str, cwd: Path) -> None:
    name = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    subprocess.run(["git", *name, *arguments], cwd=cwd, check=True, capture_output=True)


def test_provenance(samples: Path, tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "mine.py").write_text(running.ANALYSIS.read_text())
    git("init", "-q", cwd=code)
    git("add", ".", cwd=code)
    git("commit", "-q", "-m", "first", cwd=code)
    (code / "mine.py").write_text(running.ANALYSIS.read_text() + "\nCHANGED = 1\n")
    options = ("--schema", "BaseSchema", "-e", "iterative", "-o", "out")
    running.run_well("-p", f"{code / 'mine.py'}:Sums", *options, samples, cwd=tmp_path)
    found: dict[str, Any] = running.summary(tmp_path / "out")
    assert found["user"]
    assert found["host"]
    assert found["directory"] == str(tmp_path)
    assert found["options"]["schema"] == {"value": "BaseSchema", "origin": "command line"}
    assert {"python", "coffea", "work_queue"} <= set(found["versions"])
    assert {"mode", "base", "overlay"} <= set(found["environment_details"])
    assert len(found["files"]) == 5
    for one in found["files"]:
        assert one["entries"] == one["planned"] == 200
        assert len(one["uuid"]) == 36
    assert {"preprocessing", "processing", "saving", "total"} <= set(found["seconds"])
    (source,) = [one for one in found["sources"] if one["path"] == str(code)]
    assert len(source["commit"]) == 40
    assert source["changed"] is True
    patch = tmp_path / "out" / source["patch"]
    assert "+CHANGED = 1" in patch.read_text()
    git("checkout", "-q", ".", cwd=code)
    git("apply", str(patch), cwd=code)
    assert (code / "mine.py").read_text().endswith("CHANGED = 1\n")


BINNINGS = """
import hist
import numpy as np

def process(events):
    bins = 10 if events.metadata["dataset"] == "one" else 20
    return {"x": hist.Hist(hist.axis.Regular(bins, 0, 500, name="x")).fill(np.asarray(events.x))}
"""


def test_what_cannot_be_added_across_datasets_is_not_lost(samples: Path, tmp_path: Path) -> None:
    from coffea.util import load

    (tmp_path / "binnings.py").write_text(BINNINGS)
    common = ("-p", "binnings.py:process", *COMMON[2:])
    failed = running.run(*common, samples, cwd=tmp_path)
    assert failed.code == 6
    assert "'x' of datasets one and two cannot be added" in failed.error
    assert "one, 0.root, events 0-200" in failed.error
    assert not running.summary(tmp_path / "out")["complete"]
    # as the message says
    command = failed.error.rpartition("\n")[0].rpartition("\n")[2]
    merged = running.run(*command.split()[1:], "-o", "merged", name=command.split()[0], cwd=tmp_path)
    assert merged.code == 0, merged.err
    again = running.run_well(*common, "--outputs", "per-dataset", samples, cwd=tmp_path)
    assert "1,000 of 1,000 events are done" in again.out
    for directory in ("merged", "out"):
        found = {name: load(tmp_path / directory / f"outputs/{name}.coffea") for name in ("one", "two")}
        assert [found[name]["x"].axes[0].size for name in found] == [10, 20]
        assert [found[name]["x"].sum() for name in found] == [600, 400]
        assert running.summary(tmp_path / directory)["complete"]
