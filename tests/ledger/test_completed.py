"""Parts of the result that are there while the run goes on: each as soon as it is complete."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nanoaod
import pytest
import running

from wq_runner.run_events import Written

COMMON = ("--schema", "BaseSchema", "--chunksize", 50, "--outputs", "per-dataset", "-o", "out")


def load(path: Path) -> Any:
    from coffea.util import load

    return load(path)


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Return three datasets; one has a single chunk, which no gate keeps waiting, the others four."""
    fileset = {
        name: {
            "files": [str(nanoaod.write_simple(tmp_path / "data" / f"{name}.root", events))],
            "metadata": {"year": "2018" if name == "small" else "2017"},
        }
        for name, events in (("large", 200), ("small", 50), ("last", 200))
    }
    path = tmp_path / "samples.json"
    path.write_text(json.dumps(fileset))
    return path


def written(directory: Path) -> list[Written]:
    return [event for event in running.events_of(directory) if isinstance(event, Written)]


@pytest.mark.parametrize("more", [(), ("--treereduction", 2)], ids=["here", "by tasks"])
def test_a_dataset_is_there_while_others_run(samples: Path, tmp_path: Path, more: tuple[object, ...]) -> None:
    gate, out = tmp_path / "gate", tmp_path / "out"
    command = (*COMMON, "-p", f"{running.ANALYSIS}:Gated", "--processor-args", f"gate={gate}", samples)
    alone = ("-p", f"{running.ANALYSIS}:Sums", "--schema", "BaseSchema", "--only", "small", "-o", "alone")
    running.run_well(*alone, "-e", "iterative", samples, cwd=tmp_path)
    with running.running(*command, *more, "--order", "smallest", "-w", "local:2", cwd=tmp_path) as run:
        small = out / "outputs" / "small.coffea"
        running.until(small.exists, "a part of the result")
        assert load(small) == load(tmp_path / "alone" / "output.coffea")
        running.until(lambda: written(out), "its line")
        assert [path.name for path in (out / "outputs").glob("*.coffea")] == ["small.coffea"]
        assert run.poll() is None
        assert running.summary(out)["state"] == "running"
        running.until(lambda: shown(out).get("small") == "outputs/small.coffea", "the page")
        listed = running.run("out", cwd=tmp_path, name="wq-status")
        assert "small" in listed.out
        gate.touch()
        ended = running.finish(run)
    assert ended.code == 0, ended.err
    assert "written      outputs/small.coffea; 1 of 3 datasets are complete" in ended.out
    check(out)
    assert load(small) == load(tmp_path / "alone" / "output.coffea")


def shown(directory: Path) -> dict[str, str]:
    try:
        return {one["name"]: one["output"] for one in running.status(directory)["datasets"]}
    except (OSError, ValueError):
        return {}


def check(directory: Path) -> None:
    """Compare what run.json and the journal say with what is there."""
    files = {one["path"]: (one["bytes"], one["sha256"]) for one in running.summary(directory)["outputs"]}
    assert sorted(files) == [f"outputs/{name}.coffea" for name in ("large", "last", "small")]
    for one in written(directory):
        assert files[one.path] == (one.bytes, one.sha256)
