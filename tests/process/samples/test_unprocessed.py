"""What is missing from what others wrote: from names, and from the inputs only where names do not tell."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import nanoaod
import pytest
import running

from wq_runner.model import Dataset, FileFacts, InputFile
from wq_runner.samples import unprocessed

UUIDS = [UUID(int=number + 1) for number in range(4)]
FILES = tuple(InputFile(path=f"root://host//store/{name}.root") for name in "abcd")
FILESET = (Dataset(name="DY", files=FILES),)


def touch(directory: Path, *names: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).touch()


def facts(file: InputFile) -> FileFacts:
    return FileFacts(entries=100, uuid=UUIDS[FILES.index(file)].bytes)


def lacking(found: unprocessed.Found) -> dict[str, object]:
    return {one.file.path[-6]: one.ranges for one in found.lacking}


@pytest.mark.parametrize("convention", unprocessed.CONVENTIONS)
def test_whole_files_and_parts(tmp_path: Path, convention: str) -> None:
    a, b, c, _ = "abcd" if convention == "DAS" else UUIDS
    touch(
        tmp_path / "DY" / "nominal",
        f"{a}_Events_0-60.parquet",
        f"_{a}_Events_60-100.parquet",
        f"{b}_Events_10-30.parquet",
        f"{b}_Events_50-80.txt",  # a part with nothing selected
        f"{c}_%2FEvents%3B1_0-99.parquet",
        "notes.txt",
    )
    touch(tmp_path / "DY" / "scaleUp", f"{b}_Events_0-10.parquet")
    found = unprocessed.find(FILESET, tmp_path, convention, facts)
    assert lacking(found) == {"b": ((0, 10), (30, 50), (80, 100)), "c": ((99, 100),), "d": None}
    assert unprocessed.summary(found, FILESET[0]) == ("DY: 1 of 4 files are missing, 2 lack 51 events")


def test_das_names_alone_tell_which_files_are_missing(tmp_path: Path) -> None:
    def never(file: InputFile) -> FileFacts:
        raise AssertionError(f"{file.path} was opened")

    found = unprocessed.find(FILESET, tmp_path, "DAS", never)
    assert lacking(found) == dict.fromkeys("abcd")


def test_datasets_and_files_by_the_names_that_their_files_have(tmp_path: Path) -> None:
    file = InputFile(path="root://host//store/a b.root")
    fileset = (Dataset(name="/DY/Run3", files=(file,)), Dataset(name="DY", files=(file,)))
    found = ("a~_b_Events_0-100.parquet",)
    touch(tmp_path / "~-DY~-Run3", *found)
    touch(tmp_path / "DY", *found)
    assert not unprocessed.find(fileset, tmp_path, "DAS", lambda _: None).lacking


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    touch(tmp_path / "DY", "a_Events_0-50.parquet", "a_Events_70-90.parquet")
    found = unprocessed.find(FILESET, tmp_path, "DAS", lambda _: None)
    assert lacking(found)["a"] == ((50, 70),)
    assert found.unsure == [FILES[0]]


def test_the_command_and_what_wq_run_makes_of_it(tmp_path: Path) -> None:
    for number in range(3):
        nanoaod.write_simple(tmp_path / "data" / f"f{number}.root", 100)
    files = [str(tmp_path / "data" / f"f{number}.root") for number in range(3)]
    (tmp_path / "samples.json").write_text(json.dumps({"DY": files}))
    touch(tmp_path / "source" / "DY" / "nominal", "f0_Events_0-100.parquet", "f1_Events_0-30.parquet")
    arguments = ("--source", "source", "--json", "samples.json", "--output", "out.json")
    ended = running.run("missing", "--convention", "DAS", *arguments, cwd=tmp_path, name="wq-samples")
    assert ended.code == 3, ended.err
    assert "1 of 3 files are missing, 1 lack 70 events" in ended.out
    running.run_well(
        *("-p", f"{running.ANALYSIS}:count", "--schema", "BaseSchema", "-e", "iterative", "-o", "run"),
        "out.json",
        cwd=tmp_path,
    )
    assert running.output(tmp_path / "run") == {"entries": 170}
    touch(tmp_path / "source" / "DY" / "nominal", "f1_Events_30-100.parquet", "f2_Events_0-100.parquet")
    ended = running.run("missing", "--convention", "DAS", *arguments, cwd=tmp_path, name="wq-samples")
    assert ended.code == 0
    assert ended.out.splitlines()[-1] == "nothing is missing"
