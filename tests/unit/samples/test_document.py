from __future__ import annotations

import gzip
import json
import logging
import uuid
from pathlib import Path

import pytest

from wq_runner.coffea_adapter import runner
from wq_runner.errors import SamplesError
from wq_runner.model import Chunk, FileFacts, InputFile
from wq_runner.samples import convert, load

UUID = "01234567-89ab-cdef-0123-456789abcdef"
BYTES = uuid.UUID(UUID).bytes


def write(here: Path, value: object, name: str = "f.json") -> str:
    (here / name).write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return name


def problems(name: str, treename: str | None = None) -> list[tuple[str, str]]:
    with pytest.raises(SamplesError) as caught:
        load([name], treename=treename)
    return [(problem.where, problem.text) for problem in caught.value.problems]


def test_a_sample_has_its_fields_as_metadata(here: Path) -> None:
    fields = {"xsec": 1.5, "year": "2018", "isData": False, "WCnames": [], "nEvents": 7}
    write(here, {"files": ["/a.root"], "treeName": "T", **fields}, "DY.v9.json")
    (dataset,) = load(["DY.v9.json"])
    assert dataset.name == "DY.v9"
    assert dataset.files == (InputFile(path="/a.root", treename="T"),)
    assert dataset.metadata == fields


@pytest.mark.parametrize("name", ["DY.json.gz", "DY.yaml", "DY.yml", "DY.JSON"])
def test_the_name_is_the_stem_in_every_format(here: Path, name: str) -> None:
    data = b'{"files": ["/a.root"], "year": "2018"}'
    (here / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    (dataset,) = load([name])
    assert (dataset.name, dataset.metadata) == ("DY", {"year": "2018"})


def test_a_sample_without_files_is_kept(here: Path) -> None:
    (dataset,) = load([write(here, {"files": [], "year": "2022"})])
    assert dataset.files == ()


def test_relative_names_are_beside_the_samples_or_here(here: Path) -> None:
    (here / "d").mkdir()
    (here / "d/beside.root").touch()
    write(here, {"ds": ["beside.root", "other.root"]}, "d/f.json")
    (dataset,) = load(["d/f.json"])
    assert [file.path for file in dataset.files] == [f"{here}/d/beside.root", f"{here}/other.root"]


@pytest.mark.parametrize(
    ("body", "file"),
    [
        (["/a.root"], InputFile(path="/a.root")),
        ({"files": ["/a.root"], "treename": "T"}, InputFile(path="/a.root", treename="T")),
        ({"files": {"/a.root": "T"}}, InputFile(path="/a.root", treename="T")),
        ({"/a.root": "T"}, InputFile(path="/a.root", treename="T")),
        ({"files": {"/a.root": None}, "treename": "U"}, InputFile(path="/a.root", treename="U")),
        ({"files": {"/a.root": {"object_path": "T"}}}, InputFile(path="/a.root", treename="T")),
        (
            {"files": {"/a.root": {"steps": [[0, 5], [5, 9]], "num_entries": 9, "uuid": UUID}}},
            InputFile(path="/a.root", facts=FileFacts(entries=9, uuid=BYTES)),
        ),
        (
            {"files": {"/a.root": {"steps": [[5, 9], [2, 5]], "num_entries": 9, "uuid": UUID}}},
            InputFile(path="/a.root", ranges=((2, 9),), facts=FileFacts(entries=9, uuid=BYTES)),
        ),
        (
            {"files": {"/a.root": {"steps": [[0, 0]], "num_entries": 0, "uuid": UUID}}},
            InputFile(path="/a.root", facts=FileFacts(entries=0, uuid=BYTES)),
        ),
        ({"files": {"/a.root": {"steps": [0, 5, 9]}}}, InputFile(path="/a.root", ranges=((0, 9),))),
        (
            {"files": {"/a.root": {"ranges": [[3, 4], [7, 9]], "steps": [[0, 9]], "num_entries": 9}}},
            InputFile(path="/a.root", ranges=((3, 4), (7, 9))),
        ),
        ({"files": {"/a.root": {"ranges": []}}}, InputFile(path="/a.root", ranges=())),
    ],
)
def test_files_of_a_fileset(here: Path, body: object, file: InputFile) -> None:
    (dataset,) = load([write(here, {"ds": body})])
    assert dataset.files == (file,)


def test_metadata_of_a_fileset(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    # PocketCoffea's flavour, and a field beside the metadata
    metadata = {"year": "2018", "isMC": "True", "dataset": "ds", "uuid": "x"}
    (dataset,) = load([write(here, {"ds": {"files": ["/a.root"], "metadata": metadata, "xsec": 3}})])
    assert dataset.metadata == {"year": "2018", "isMC": "True", "xsec": 3}
    assert dataset.is_simulation is True
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "uuid" in record.message, "what is lost is said"
    assert "metadata dataset" not in record.message, "nothing is lost by a dataset that is its own name"


def test_coffea_refuses_what_is_left_out_here() -> None:
    executor = pytest.importorskip("coffea.processor.executor")
    from wq_runner.samples.metadata import RESERVED

    assert executor._PROTECTED_NAMES <= RESERVED


def test_yaml(here: Path) -> None:
    text = "common: &m {year: 2018}\nDY: {files: [/ä b.root], metadata: *m}\n"
    with pytest.raises(SamplesError):
        load([write(here, text, "f.yaml")])
    (dataset,) = load([write(here, "DY:\n  files: [/ä b.root]\n  metadata: {year: 2018}\n", "f.yaml")])
    assert dataset.files == (InputFile(path="/ä b.root"),)
    assert dataset.metadata == {"year": 2018}


@pytest.mark.parametrize(
    ("text", "where", "part"),
    [
        ('{\n"a": [],\n}', "f.json:3", "not JSON"),
        (
            '{"a": ["/x.root"],\n "b": [":{"],\n\n "a": ["/y.root"]}',
            "f.json:4",
            "a is there twice; first in line 1",
        ),
        ('{"a": {"files": {"/x.root": "T",\n "/x.root": "T"}}}', "f.json:2", "/x.root is there twice"),
        (
            '{"a": ["/x.root", "/y.root", "//x.root"]}',
            "f.json",
            "a: //x.root is listed twice (also as /x.root)",
        ),
        ('{"files": ["root://h//x.root", "root://h/x.root"]}', "f.json", "listed twice"),
        ('{"a": ["rooot://h//x.root"]}', "f.json", "nearest: root"),
        ('{"a": [3]}', "f.json", "a: 3 in files"),
        ('{"a": {"files": 3}}', "f.json", "a: files is 3, expected a list"),
        ('{"a": {"file": ["/x.root"]}}', "f.json", "a: has no list of files; it has file"),
        ('{"a": {}}', "f.json", "a: has no list of files; it is empty"),
        ('{"a": {"files": ["/x.root"], "metdata": {}}}', "f.json", "no field metdata; nearest: metadata"),
        ('{"a": {"files": ["/x.root"], "metadata": 3}}', "f.json", "expected a mapping"),
        ('{"a": {"files": ["/x.root"], "treename": 3}}', "f.json", "treename is 3"),
        ('{"files": ["/x.root"], "treeName": 3}', "f.json", "treeName is 3"),
        ('{"file": ["/x.root"], "xsec": 1}', "f.json", "has no list of files; nearest: file"),
        ('{"": ["/x.root"]}', "f.json", "not text"),
        ("[1]", "f.json", "it is a list"),
        ("{}", "f.json", "it is empty"),
        (
            '{"a": {"files": {"/x.root": {"ranges": [[0, 5], [4, 6]]}}}}',
            "f.json",
            "ranges 0-5 and 4-6 overlap",
        ),
        ('{"a": {"files": {"/x.root": {"ranges": [[5, 4]]}}}}', "f.json", "[5, 4] in ranges"),
        (
            '{"a": {"files": {"/x.root": {"steps": [[0, 9]], "num_entries": 8}}}}',
            "f.json",
            "after the 8 entries",
        ),
        ('{"a": {"files": {"/x.root": {"steps": 3}}}}', "f.json", "steps is 3"),
        ('{"a": {"files": {"/x.root": {"num_entries": "9"}}}}', "f.json", "num_entries is '9'"),
        ('{"a": {"files": {"/x.root": {"num_entries": 9, "uuid": "z"}}}}', "f.json", "uuid is 'z'"),
    ],
)
def test_mistakes_in_json(here: Path, text: str, where: str, part: str) -> None:
    ((found, problem),) = problems(write(here, text))
    assert found == where
    assert part in problem


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("a: [/x.root]\nb: [/y.root]\na: [/z.root]\n", 3, "a is there twice; first in line 1"),
        ("a:\n  - [x\n", 3, "not YAML"),
        ("a: !!python/object:os.system [x]\n", 1, "not YAML"),
    ],
)
def test_mistakes_in_yaml(here: Path, text: str, line: int, part: str) -> None:
    ((where, problem),) = problems(write(here, text, "f.yaml"))
    assert where == f"f.yaml:{line}"
    assert part in problem


@pytest.mark.parametrize(
    ("data", "part"),
    [(b"\x1f\x8b\x08broken", "decompressed"), (b'{\n"a": ["\xff.root"]}', "not UTF-8")],
)
def test_bytes_that_are_no_text(here: Path, data: bytes, part: str) -> None:
    (here / "f.json.gz").write_bytes(data)
    ((_, problem),) = problems("f.json.gz")
    assert part in problem


def test_another_tree_forgets_what_was_known_of_the_first(here: Path) -> None:
    files = {"/a.root": {"object_path": "Events", "num_entries": 9, "uuid": UUID}, "/b.root": "Runs"}
    (dataset,) = load([write(here, {"ds": {"files": files}})], treename="Runs")
    assert dataset.files == tuple(InputFile(path=path, treename="Runs") for path in files)


def test_ranges_are_of_their_own_tree(here: Path) -> None:
    name = write(here, {"ds": {"files": {"/a.root": {"ranges": [[0, 1]]}}}})
    ((where, problem),) = problems(name, treename="Runs")
    assert where == "ds"
    assert "ranges of the tree Events, not of Runs" in problem


def test_preload_reaches_the_work_items_and_what_is_written_anew(here: Path) -> None:
    body = {"files": {"/a.root": "Events"}, "preload": ["Muon_pt", "nMuon"]}
    fileset = load([write(here, {"DY": body})])
    assert fileset[0].preload == ("Muon_pt", "nMuon")
    assert load([write(here, {**body, "files": ["/a.root"]}, "DY.json")]) == fileset
    chunk = Chunk(dataset="DY", path="/a.root", treename="Events", start=0, stop=5)
    [item] = runner._work_items(fileset, [chunk])
    assert item.preload == frozenset({"Muon_pt", "nMuon"})
    assert load([write(here, convert.coffea(fileset).documents[""])]) == fileset
    assert convert.lists(fileset).lost == ("DY: what is to be preloaded is left out",)
    [item] = runner._work_items(load([write(here, {"DY": ["/a.root"]})]), [chunk])
    assert item.preload is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"files": ["a.root"], "preload": "x"}, "D: preload is 'x', expected a list of names of branches"),
        ({"files": ["a.parquet"], "preload": ["x"]}, "D: preload is for ROOT files, not for parquet files"),
        ({"files": {"a.root": {"num_entires": 5}}}, "D: no field num_entires of files; nearest: num_entries"),
        (
            {"files": {"a.root": {"object-path": "T"}}},
            "D: no field object-path of files; nearest: object_path",
        ),
    ],
)
def test_fields_that_were_meant_to_be_ours(here: Path, body: object, said: str) -> None:
    assert problems(write(here, {"D": body})) == [("f.json", said)]


def test_fields_of_files_that_say_nothing_are_said(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = {f"/{number}.root": {"object_path": "T", "site": "T2_DE", "lfn": "/store"} for number in (1, 2)}
    with caplog.at_level(logging.WARNING):
        load([write(here, {"D": {"files": files}})])
    assert caplog.messages == ["f.json: D: fields of files that say nothing here are left out: site"]
