"""What tells an input file from every other: real files, written anew in every way."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest
import uproot
from pyarrow import parquet

from wq_runner.model import InputFile
from wq_runner.remote import identity
from wq_runner.samples.probe import probe

Values = Sequence[float] | np.ndarray[Any, Any]
Writer = Callable[[Path, Values], None]

TREE = "deep/er/Events"


def ttree(path: Path, values: Values, **options: Any) -> None:
    with uproot.recreate(path, **options) as file:
        file.mktree(TREE, {"x": "f8"})
        file[TREE].extend({"x": np.asarray(values, dtype="f8")})


def rntuple(path: Path, values: Values, **options: Any) -> None:
    with uproot.recreate(path, **options) as file:
        file.mkrntuple(TREE, {"x": np.asarray(values, dtype="f8")})


def reproducible(path: Path, values: Values) -> None:
    ttree(path, values, uuid_function=lambda: UUID(int=0))


def reproducible_rntuple(path: Path, values: Values) -> None:
    rntuple(path, values, uuid_function=lambda: UUID(int=0))


def columns(path: Path, values: Values, **options: Any) -> None:
    parquet.write_table(pa.table({"x": np.asarray(values, dtype="f8")}), path, **options)


def bare(path: Path, values: Values) -> None:
    columns(path, values, compression="NONE", use_dictionary=False, write_statistics=False)


WRITERS: dict[str, Writer] = {
    "a.root": ttree,
    "rntuple.root": rntuple,
    "zeros.root": reproducible,
    "zeros_rntuple.root": reproducible_rntuple,
    "a.parquet": columns,
    "bare.parquet": bare,
}

VALUES = np.linspace(0.0, 1.0, 500)


def found(path: Path) -> bytes:
    return probe(InputFile(path=str(path), treename=TREE)).identity


@pytest.fixture(params=WRITERS)
def written(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Writer]:
    path = tmp_path / request.param
    WRITERS[request.param](path, VALUES)
    return path, WRITERS[request.param]


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(VALUES[:-1], id="fewer rows"),
        pytest.param([*VALUES, 1.0], id="more rows"),
        pytest.param(VALUES + 1, id="as many rows"),
        # the same size, least and largest value
        pytest.param(np.roll(VALUES, 100), id="the same rows in another order"),
    ],
)
def test_other_content_is_another_file(written: tuple[Path, Writer], values: Values) -> None:
    path, write = written
    before = found(path)
    assert len(before) == 8
    write(path, values)
    assert found(path) != before


@pytest.mark.parametrize("how", ["touched", "copied", "renamed", "linked"])
def test_what_changes_nothing_in_it_is_the_same_file(
    written: tuple[Path, Writer], how: str, tmp_path: Path
) -> None:
    path, _ = written
    before, other = found(path), tmp_path / f"other{path.suffix}"
    match how:
        case "touched":
            os.utime(path, (0, 0))
            other = path
        case "copied":
            shutil.copyfile(path, other)
        case "renamed":
            path.rename(other)
        case _:
            other.symlink_to(path)
    assert found(other) == before


@pytest.mark.parametrize("write", [ttree, reproducible])
@pytest.mark.parametrize("what", ["more of it", "something else"])
def test_an_update_in_place_makes_another_file(write: Writer, what: str, tmp_path: Path) -> None:
    """The uuid stays the same."""
    path = tmp_path / "a.root"
    write(path, VALUES)
    before, uuid = found(path), uproot.open(path).file.fUUID
    with uproot.update(path) as file:
        if what == "something else":
            file["h"] = np.histogram([1, 2, 3])
        else:
            file.mktree(TREE, {"x": "f8"})
            file[TREE].extend({"x": VALUES})
    assert uproot.open(path).file.fUUID == uuid
    assert found(path) != before


@pytest.mark.parametrize("write", [reproducible, bare])
def test_of_large_files_without_a_uuid_pieces_are_compared(
    write: Writer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(identity, "SMALL", 1000)
    monkeypatch.setattr(identity, "_SAMPLE", 8)
    path = tmp_path / ("a.parquet" if write is bare else "a.root")
    values = np.random.default_rng(1).random(10_000)
    write(path, values)
    before = found(path)
    write(path, values)
    if write is bare:
        assert found(path) == before
    write(path, values[::-1])
    assert found(path) != before


def test_what_is_read_remotely_is_the_same_file(tmp_path: Path) -> None:
    """uproot's own way to read it, as for a URL."""
    reproducible(tmp_path / "a.root", VALUES)
    with uproot.open(tmp_path / "a.root") as file:
        assert identity.of_root(file[TREE]) == found(tmp_path / "a.root")
