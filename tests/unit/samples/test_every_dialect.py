"""What every dialect of samples promises; a new one enters by its line in `READERS`, and an example here."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from wq_runner import samples
from wq_runner.errors import SamplesError

DATA = frozenset({".root", ".parquet"})
"""Files of events, which name themselves, and which nobody opens here."""

FILESET = json.dumps({"ttbar": {"files": {"data/a.root": "Events"}}})


def _cfg(path: Path) -> None:
    (path.parent / "ttbar.json").write_text(json.dumps({"files": ["data/a.root"], "treeName": "Events"}))
    path.write_text("# samples of the test\nttbar.json\n")


WRITERS: Mapping[str, Callable[[Path], object]] = {
    ".cfg": _cfg,
    ".json": lambda path: path.write_text(FILESET),
    ".json.gz": lambda path: path.write_bytes(gzip.compress(FILESET.encode())),
    ".yaml": lambda path: path.write_text(FILESET),
    ".yml": lambda path: path.write_text(FILESET),
    ".root": lambda path: path.touch(),
    ".parquet": lambda path: path.touch(),
}

suffixes = pytest.mark.parametrize("suffix", samples.READERS)
documents = pytest.mark.parametrize("suffix", sorted(samples.READERS.keys() - DATA))


@pytest.fixture
def written(tmp_path: Path, suffix: str) -> Path:
    path = tmp_path / f"samples{suffix}"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.root").touch()
    WRITERS[suffix](path)
    return path


def test_every_dialect_has_an_example() -> None:
    assert WRITERS.keys() == samples.READERS.keys()


@suffixes
def test_it_says_the_same_from_wherever_it_is_named(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """Relative names are looked for beside the file that has them."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    found = []
    for directory, name in (
        (tmp_path, written.name),
        (elsewhere, f"../{written.name}"),
        (elsewhere, written),
    ):
        monkeypatch.chdir(directory)
        found.append(samples.load([os.fspath(name)]))
    assert found[0] == found[1] == found[2]
    (dataset,) = found[0]
    (file,) = dataset.files
    assert file.path == str(written if suffix in DATA else tmp_path / "data" / "a.root")
    assert dataset.name == ("samples" if suffix in DATA else "ttbar")


@documents
@pytest.mark.parametrize(
    "content", [b"", b"\x89\xff\xfe\x00", b"{", b"[[["], ids=["empty", "binary", "cut", "open"]
)
def test_what_is_none_is_said_with_its_name(written: Path, content: bytes) -> None:
    written.write_bytes(content)
    with pytest.raises(SamplesError) as refused:
        samples.load([str(written)])
    assert written.name in str(refused.value)
    assert "Traceback" not in str(refused.value)


@suffixes
def test_one_that_is_not_there_is_said_with_its_name(written: Path) -> None:
    written.unlink()
    with pytest.raises(SamplesError) as refused:
        samples.load([str(written)])
    assert written.name in str(refused.value)


@documents
@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_one_that_may_not_be_read_is_said_with_its_name(written: Path) -> None:
    written.chmod(0)
    with pytest.raises(SamplesError) as refused:
        samples.load([str(written)])
    assert written.name in str(refused.value)


@documents
def test_a_tree_that_is_asked_for_goes_before_that_of_the_samples(written: Path) -> None:
    (dataset,) = samples.load([str(written)], treename="Runs")
    assert [file.treename for file in dataset.files] == ["Runs"]


@documents
def test_one_without_a_dataset_is_refused(written: Path, suffix: str) -> None:
    text = b"# to be filled\n" if suffix == ".cfg" else b"{}"
    written.write_bytes(gzip.compress(text) if suffix.endswith(".gz") else text)
    with pytest.raises(SamplesError, match=r"no datasets?|empty"):
        samples.load([str(written)])
