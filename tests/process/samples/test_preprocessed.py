"""coffea's preprocessed filesets: what they know is used, and nothing is opened again."""

from __future__ import annotations

import json
from pathlib import Path

import nanoaod
import pytest
import running
import uproot
from coffea import dataset_tools

FILES, ENTRIES = 3, 40


@pytest.fixture
def preprocessed(tmp_path: Path) -> Path:
    """Return a fileset as coffea itself writes one that it preprocessed with a step size of 15."""
    files = [nanoaod.write_simple(tmp_path / f"f{number}.root", ENTRIES) for number in range(FILES)]
    known = {
        str(path): {
            "object_path": "Events",
            "steps": [[0, 15], [15, 30], [30, ENTRIES]],
            "num_entries": ENTRIES,
            "uuid": str(uproot.open(path).file.uuid),
        }
        for path in files
    }
    fileset = dataset_tools.DataGroupSpec({"A": {"files": known, "metadata": {"year": "2018"}}})
    path = tmp_path / "fileset.json"
    path.write_text(fileset.model_dump_json())
    return path


def test_nothing_is_opened_before_it_is_processed(preprocessed: Path, tmp_path: Path) -> None:
    content = json.loads(preprocessed.read_text())["A"]["files"]
    assert {(one["num_entries"], len(one["steps"])) for one in content.values()} == {(ENTRIES, 3)}
    options = ("-p", f"{running.ANALYSIS}:Sums", "--schema", "BaseSchema", "-e", "iterative", "-o", "out")
    ended = running.run_well(*options, "-c", 25, preprocessed, cwd=tmp_path)
    assert f"({FILES} files known from before)" in ended.out  # and none opened
    assert running.output(tmp_path / "out")["entries"] == FILES * ENTRIES
    assert running.summary(tmp_path / "out")["datasets"]["A"]["chunks"] == 2 * FILES
    phases = {getattr(event, "category", "") for event in running.events_of(tmp_path / "out")}
    assert "preprocessing" not in phases


def test_a_plan_needs_no_file_at_all(preprocessed: Path, tmp_path: Path) -> None:
    for path in tmp_path.glob("f*.root"):
        path.unlink()
    ended = running.run_well("--dry-run", "-c", "25", preprocessed, cwd=tmp_path)
    assert f"1 dataset, {FILES} files, {FILES * ENTRIES} events" in ended.out


def test_converted_it_stays_so(preprocessed: Path, tmp_path: Path) -> None:
    words = ("convert", "--to", "coffea", "-o", "again.json", preprocessed)
    assert running.run(*words, cwd=tmp_path, name="wq-samples").code == 0
    ended = running.run_well("--dry-run", "again.json", cwd=tmp_path)
    assert f"({FILES} files known from before)" in ended.out
