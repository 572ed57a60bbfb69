"""What every dialect of samples promises; a new one enters by its module, and an example here."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from wq_runner import samples
from wq_runner.errors import SamplesError
from wq_runner.samples import dialects
from wq_runner.samples.reading import DocumentDialect, FileDialect

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

KNOWN = dialects.known()
NO_DATASETS = {".cfg": b"# to be filled\n", **dict.fromkeys((".json", ".json.gz", ".yaml", ".yml"), b"{}")}
"""What says that there are none, where it is more than an empty file."""

suffixes = pytest.mark.parametrize("suffix", sorted(KNOWN.readers))
documents = pytest.mark.parametrize("suffix", KNOWN.described)

DOCUMENTS: Mapping[str, Any] = {
    "sample": {"files": ["/data/a.root"]},
    "fileset": json.loads(FILESET),
    "groups": {"ttbar": {"nominal": {"files": ["/data/a.root"]}}},
    "redirected": {"redirector": "root://h.example/", "jsonFiles": ["ttbar.json"]},
    "definitions": {"ttbar": {"json_output": "built.json", "files": [{"metadata": {"year": "2018"}}]}},
    "runner": {"samplejson": "fileset.json", "year": {"ttbar": ["2018"]}},
    "runner_catalog": {"samples": {"catalog": "fileset.json", "sample_list": ["ttbar"]}},
}
"""What is in a JSON or YAML of each dialect that is recognised by it."""


@pytest.fixture
def written(tmp_path: Path, suffix: str) -> Path:
    path = tmp_path / f"samples{suffix}"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.root").touch()
    WRITERS[suffix](path)
    return path


def test_every_dialect_has_an_example() -> None:
    assert WRITERS.keys() == KNOWN.readers.keys()
    assert DOCUMENTS.keys() == {name for name, one in KNOWN.known.items() if isinstance(one, DocumentDialect)}


def test_each_module_is_a_dialect_and_no_two_are_asked_at_once() -> None:
    """Else the one that answers would hang on the names of modules."""
    assert all(isinstance(one, (FileDialect, DocumentDialect)) for one in KNOWN.known.values())
    suffixes = [
        suffix for one in KNOWN.known.values() if isinstance(one, FileDialect) for suffix in one.suffixes
    ]
    ranks = [one.rank for one in KNOWN.known.values() if isinstance(one, DocumentDialect)]
    assert sorted(set(suffixes)) == sorted(suffixes)
    assert sorted(set(ranks)) == sorted(ranks)


def test_a_dialect_is_found_in_a_zip_too(tmp_path: Path) -> None:
    """As Python imports packages from there: nothing looks for files of the package by itself."""
    package = Path(samples.__file__).parent.parent
    with zipfile.ZipFile(tmp_path / "package.zip", "w") as archive:
        for path in package.rglob("*.py"):
            archive.write(path, path.relative_to(package.parent))
    code = "from wq_runner.samples import dialects; print(*dialects.known().known, dialects.__file__)"
    command = [sys.executable, "-c", code]
    environ = {**os.environ, "PYTHONPATH": str(tmp_path / "package.zip")}
    done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=True)
    *found, place = done.stdout.split()
    assert place.startswith(str(tmp_path))
    assert found == list(KNOWN.known)


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_a_document_is_read_in_its_dialect_whatever_its_name(tmp_path: Path, name: str, suffix: str) -> None:
    (tmp_path / "fileset.json").write_text(FILESET)
    (tmp_path / "built.json").write_text(FILESET.replace("ttbar", "ttbar_2018"))
    (tmp_path / "ttbar.json").write_text(json.dumps({"files": ["/store/a.root"]}))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.root").touch()
    path = tmp_path / f"any{suffix}"
    path.write_text(json.dumps(DOCUMENTS[name]))
    assert KNOWN.recognise(DOCUMENTS[name]) is KNOWN.known[name]
    (dataset,) = samples.load([str(path)])
    assert [Path(file.path).name for file in dataset.files] == ["a.root"]


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
    text = NO_DATASETS.get(suffix, b"")
    written.write_bytes(gzip.compress(text) if suffix.endswith(".gz") else text)
    with pytest.raises(SamplesError, match=r"no datasets?|empty"):
        samples.load([str(written)])
