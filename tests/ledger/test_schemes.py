"""`--outputs`: which results are written together, in a run, when it is resumed, and after a merge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nanoaod
import pytest
import running

COMMON = ("-p", f"{running.ANALYSIS}:Sums", "--schema", "BaseSchema", "--chunksize", 100)
YEARS = {"one": 2017, "two": 2018, "three": 2018}


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Return samples of three datasets, of 3, 2 and 1 files of 200 events."""
    fileset = {
        name: {
            "files": [str(nanoaod.write_simple(tmp_path / name / f"{i}.root", 200)) for i in range(number)],
            "metadata": {"isData": False, "year": YEARS[name]},
        }
        for name, number in (("one", 3), ("two", 2), ("three", 1))
    }
    path = tmp_path / "samples.json"
    path.write_text(json.dumps(fileset))
    return path


def outputs(directory: Path) -> dict[str, Any]:
    from coffea.util import load

    assert not (directory / "output.coffea").exists()
    described = {one["path"] for one in running.summary(directory)["outputs"]}
    found = {path.stem: load(path) for path in (directory / "outputs").iterdir()}
    assert described == {f"outputs/{name}.coffea" for name in found}
    assert all(one["postprocessed"] for one in found.values())
    return found


def files(found: Any) -> set[str]:
    return {"/".join(Path(path).parts[-2:]) for path, _ in found["files"]}


GROUPS = {"2017": {"one": 600}, "2018": {"two": 400, "three": 200}}
FILES = {
    "one-0000": {"one/0.root", "one/1.root"},
    "one-0001": {"one/2.root"},
    "two-0000": {"two/0.root", "two/1.root"},
    "three-0000": {"three/0.root"},
}


def test_one_for_each_group(samples: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = (*COMMON, "-e", "iterative", "-o", "out", samples)
    running.run_well(*command, "--outputs", "group:year", cwd=tmp_path)
    assert {name: one["by dataset"] for name, one in outputs(out).items()} == GROUPS
    again = running.run_well(*command, "--outputs", "group:year", cwd=tmp_path)
    assert "is there already" in again.out
    refused = running.run(*command, "--outputs", "group:yaer", cwd=tmp_path)
    assert refused.code == 2
    assert "one has no yaer in its metadata. Did you mean year?" in refused.error


@pytest.mark.parametrize("tree", ["auto", "2"])
def test_one_for_so_many_files(tree: str, samples: Path, tmp_path: Path) -> None:
    """By real workers: no task has chunks of files that are written apart, or adds such results up."""
    options = ("--workers", "local:1", "--outputs", "files:2", "--treereduction", tree, "-o", "out")
    running.run_well(*COMMON, *options, "--chunksize", 50, "--task-time", 0, samples, cwd=tmp_path)
    found = outputs(tmp_path / "out")
    assert {name: files(one) for name, one in found.items()} == FILES
    assert {name: one["entries"] for name, one in found.items()} == {
        name: 200 * len(paths) for name, paths in FILES.items()
    }


def test_another_number_of_files(samples: Path, tmp_path: Path) -> None:
    """What is done counts where it can be taken apart, and runs again where not."""
    out = tmp_path / "out"
    command = (*COMMON, "-e", "iterative", "-o", "out", samples)
    running.run_well(*command, "--outputs", "files:1", cwd=tmp_path)
    assert len(outputs(out)) == 6
    coarser = running.run_well(*command, "--outputs", "group:year", cwd=tmp_path)
    assert "1,200 of 1,200 events are done" in coarser.out
    assert {name: one["by dataset"] for name, one in outputs(out).items()} == GROUPS
    # of files:1 and files:2, the first portion of each dataset has the same name but not the same files
    finer = running.run_well(*command, "--outputs", "files:2", cwd=tmp_path)
    assert "200 of 1,200 events are done" in finer.out
    assert {name: files(one) for name, one in outputs(out).items()} == FILES
    whole = running.run_well(*command, cwd=tmp_path)
    assert "1,200 of 1,200 events are done" in whole.out
    assert running.output(out)["entries"] == 1200


@pytest.mark.parametrize("scheme", ["group:year", "files:2"])
def test_interrupted_and_resumed(scheme: str, samples: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gated = (*COMMON, "-p", f"{running.ANALYSIS}:Gated", "--processor-args", f"gate={gate}")
    command = (*gated, "--workers", "local:1", "--task-time", 0, "--outputs", scheme, "-o", "out", samples)
    with running.running(*command, cwd=tmp_path) as process:
        running.until(lambda: running.accepted(tmp_path / "out") >= 2, "the first chunks")
        running.kill(process.pid)
        process.communicate()
    gate.touch()
    again = running.run_well(*command, cwd=tmp_path)
    assert "resuming" in again.out
    found = outputs(tmp_path / "out")
    if scheme == "files:2":
        assert {name: files(one) for name, one in found.items()} == FILES
    else:
        assert {name: one["by dataset"] for name, one in found.items()} == GROUPS
    assert sum(one["entries"] for one in found.values()) == 1200


@pytest.mark.parametrize("scheme", ["one", "per-dataset", "group:year", "files:2"])
def test_runs_are_merged(scheme: str, samples: Path, tmp_path: Path) -> None:
    common = (*COMMON, "-e", "iterative", "--outputs", scheme)
    running.run_well(
        *common, "-o", "some", "--select", "one", "--select", "two:0.root", samples, cwd=tmp_path
    )
    rest = ("--select", "two:1.root", "--select", "three")
    running.run_well(*common, "-o", "rest", *rest, samples, cwd=tmp_path)
    merged = running.run("merge", "some", "rest", "-o", "sum", cwd=tmp_path, name="wq-report")
    assert merged.code == 0, merged.err
    if scheme == "one":
        assert running.output(tmp_path / "sum")["entries"] == 1200
        return
    found = outputs(tmp_path / "sum")
    if scheme == "per-dataset":
        assert {name: one["entries"] for name, one in found.items()} == {"one": 600, "two": 400, "three": 200}
    elif scheme == "group:year":
        assert {name: one["by dataset"] for name, one in found.items()} == GROUPS
    else:  # those of each run stay apart
        assert {name: len(files(one)) for name, one in found.items()} == {
            "one-0000": 2, "one-0001": 1, "two-0000": 1, "two-0001": 1, "three-0000": 1,
        }  # fmt: skip


def test_a_scheme_that_does_not_exist(samples: Path, tmp_path: Path) -> None:
    for wrong, said in (("groups:year", "Did you mean group:?"), ("files:0", "not at least 1")):
        ended = running.run(*COMMON, "--outputs", wrong, samples, cwd=tmp_path)
        assert ended.code == 2
        assert said in ended.error
