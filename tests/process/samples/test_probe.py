from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

from wq_runner.model import InputFile
from wq_runner.samples import headers
from wq_runner.samples.probe import BadFileError, Cause, probe

Make = Callable[..., Path]


def failure(path: Path | str, treename: str = "Events") -> BadFileError:
    with pytest.raises(BadFileError) as caught:
        probe(InputFile(path=str(path), treename=treename), timeout=2)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("name", ["a.root", "a b ä.root", "run:3/a:b.root", "y[1]*{a,b}#%20.root"])
def test_entries_and_uuid(make_root: Make, name: str) -> None:
    path = make_root(name, entries=7)
    facts = probe(InputFile(path=str(path)))
    with uproot.open({str(path): None}) as file:
        assert facts.uuid == file.file.fUUID
    assert (facts.entries, facts.clusters) == (7, None)


def test_clusters(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", {"x": "f8"})
        tree.extend({"x": np.zeros(3)})
        tree.extend({"x": np.zeros(4)})
    assert probe(InputFile(path=str(path)), clusters=True).clusters == (0, 3, 7)


@pytest.mark.parametrize("name", ["Events", "deep/er/Events"])
def test_a_tree_says_the_same_without_its_branches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / "a.root"
    with uproot.recreate(path) as root:
        tree = root.mktree(name, {"x": "f8", "p": ("f4", (3,))}, title="a title")
        for count in (3, 4):
            tree.extend({"x": np.zeros(count), "p": np.zeros((count, 3), "f4")})
    file = InputFile(path=str(path), treename=name)
    whole = probe(file, whole=True)
    assert whole.entries == 7

    def nothing(*_: object, **__: object) -> None:
        raise AssertionError("a branch is read")

    for model in uproot.classes["TBranch"].known_versions.values():
        monkeypatch.setattr(model, "read", nothing)
    with pytest.raises(BadFileError, match="a branch is read"):
        probe(file, whole=True)
    assert probe(file) == whole


@pytest.mark.parametrize("kind", ["TObjArray", "TAttLine"])
def test_a_tree_that_cannot_be_read_without_its_branches(
    make_root: Make, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """It is read as a whole; nothing is left of the try, as uproot keeps what it learns of classes."""
    file = InputFile(path=str(make_root("a.root", entries=7)))
    known = {name: dict(getattr(model, "known_versions", {})) for name, model in uproot.classes.items()}
    mine = headers.classes()

    base: Any = mine["TObjArray"]

    class Model_Unreadable(base):  # noqa: N801
        def read_members(self, *_: object) -> None:
            raise uproot.DeserializationError("refers to a branch", None, None, {}, "a.root")

    monkeypatch.setattr(headers, "classes", lambda: {**mine, kind: Model_Unreadable})
    assert probe(file).entries == 7
    assert known == {name: getattr(model, "known_versions", {}) for name, model in uproot.classes.items()}
    assert probe(file, whole=True).entries == 7


def test_an_empty_tree(make_root: Make) -> None:
    facts = probe(InputFile(path=str(make_root("a.root", entries=0))), clusters=True)
    assert (facts.entries, facts.clusters) == (0, (0,))


def test_an_rntuple(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        file.mkrntuple("Events", {"x": np.arange(5)})
    facts = probe(InputFile(path=str(path)), clusters=True)
    assert (facts.entries, facts.clusters) == (5, (0, 5))


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"x": [1, 2, 3, 4, 5]}), path, row_group_size=2)
    facts = probe(InputFile(path=str(path)), clusters=True)
    assert (facts.entries, facts.clusters) == (5, (0, 2, 4, 5))
    assert facts.uuid == hashlib.md5(str(path).encode()).digest()
    path.write_bytes(path.read_bytes()[:-20])
    assert failure(path).cause is Cause.CORRUPT


@pytest.mark.parametrize("part", [0.2, 0.5, 0.9])
def test_a_file_cut_short(make_root: Make, part: float) -> None:
    path = make_root("a.root", entries=20_000)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    error = failure(path)
    assert error.cause is Cause.TRUNCATED
    assert f"of {len(whole):,} bytes" in error.text


@pytest.mark.parametrize(
    ("content", "cause", "text"),
    [
        (b"", Cause.TRUNCATED, "empty, 0 bytes"),
        (b"root\x00", Cause.TRUNCATED, "cut short: 5 bytes"),
        (b"\x00" * 500, Cause.NOT_DATA, "zeros"),
        (b"<!DOCTYPE html><html>", Cause.NOT_DATA, "HTML page"),
        (b"PK\x03\x04....", Cause.NOT_DATA, "zip archive"),
        (b"PAR1....", Cause.NOT_DATA, "a parquet file"),
        (b"hello, this is text", Cause.NOT_DATA, "text: 'hello, this is t'"),
        (b"\xca\xfe\xba\xbe\x00", Cause.NOT_DATA, "data that start with"),
    ],
)
def test_what_is_not_root(tmp_path: Path, content: bytes, cause: Cause, text: str) -> None:
    path = tmp_path / "a.root"
    path.write_bytes(content)
    error = failure(path)
    assert error.cause is cause
    assert text in error.text


def test_a_damaged_directory(make_root: Make) -> None:
    path = make_root("a.root", entries=2000)
    whole = path.read_bytes()
    path.write_bytes(whole[:200] + bytes(len(whole) - 200))
    assert failure(path).cause in {Cause.CORRUPT, Cause.NO_TREE}


def test_a_missing_tree(make_root: Make) -> None:
    path = make_root("a.root")
    with uproot.update(path) as file:
        file.mktree("Runs", {"x": "f8"})
        file["h"] = np.histogram([1.0])
    error = failure(path, "Event")
    assert (error.cause, error.text) == (Cause.NO_TREE, "no tree Event; it has Events, Runs; nearest: Events")
    assert failure(path, "h").text == "h is a TH1D, not a tree"


def test_a_tree_in_a_directory(make_root: Make) -> None:
    path = str(make_root("a.root", tree="dir/Events", entries=3))
    assert probe(InputFile(path=path, treename="dir/Events")).entries == 3
    assert failure(path).text == "no tree Events; it has dir/Events"


def test_a_file_that_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    uproot.recreate(path).close()
    assert "holds nothing" in failure(path).text


def test_no_file_a_directory_no_server(tmp_path: Path) -> None:
    assert failure(tmp_path / "no.root").cause is Cause.MISSING
    assert failure(tmp_path).cause is Cause.NOT_DATA
    assert failure("http://127.0.0.1:1/a.root").cause is Cause.UNREACHABLE


def test_no_permission(make_root: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    path = make_root("a.root")
    monkeypatch.setattr(Path, "open", refuse)
    assert failure(path).cause is Cause.PERMISSION


def test_the_error_survives_the_way_back_from_a_worker(tmp_path: Path) -> None:
    error = failure(tmp_path / "no.root")
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.cause, copy.path) == (str(error), error.cause, error.path)
    assert pickle.loads(pickle.dumps(probe)) is probe
