"""Filesets in the dialects of other programs, and back."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from wq_runner.cli import samples as command
from wq_runner.errors import SamplesError
from wq_runner.model import Dataset, FileFacts, InputFile
from wq_runner.samples import convert, load

FACTS = FileFacts(entries=9, uuid=UUID("12345678123456781234567812345678").bytes)
MC = Dataset(
    name="TT_2018",
    files=(InputFile(path="/a.root", facts=FACTS), InputFile(path="root://host//b.root", facts=FACTS)),
    metadata={"year": "2018", "isData": False, "xsec": 88.29, "parts": ["x"]},
)
DATA = Dataset(name="Muon", files=(InputFile(path="/c.root"),), metadata={"isData": True, "year": "2018"})
PART = Dataset(name="part", files=(InputFile(path="/a.root", ranges=((2, 5), (7, 9)), facts=FACTS),))
TREE = Dataset(name="tree", files=(InputFile(path="/a.root", treename="Runs"),))

# as PocketCoffea's build-datasets writes them: all values are text
POCKETCOFFEA = {
    "DYToMuMu_M-50_2023": {
        "metadata": {
            "das_names": "['/DYToMuMu_M-20/Run3Winter23NanoAOD-v2/NANOAODSIM']",
            "sample": "DYToMuMu",
            "year": "2023",
            "isMC": "True",
            "xsec": "6077.22",
            "nevents": "9710000",
            "size": "9115860727",
        },
        "files": ["root://eoscms.cern.ch//eos/cms/store/mc/NANOAODSIM/0fba.root"],
    }
}
BTVNANOCOMMISSIONING = {
    "TTto2L2Nu_TuneCP5_13p6TeV_powheg-pythia8": [
        "root://dcache-cms-xrootd.desy.de:1094//store/mc/Run3Summer22/TTto2L2Nu/0128.root",
        "root://dcache-cms-xrootd.desy.de:1094//store/mc/Run3Summer22/TTto2L2Nu/f726.root",
    ]
}


def read(path: Path, document: Any) -> tuple[Dataset, ...]:
    path.write_text(json.dumps(document))
    return load([str(path)])


def test_theirs_are_read(tmp_path: Path) -> None:
    (one,) = read(tmp_path / "pocket.json", POCKETCOFFEA)
    assert (one.name, one.is_simulation, one.metadata["sample"]) == ("DYToMuMu_M-50_2023", True, "DYToMuMu")
    (two,) = read(tmp_path / "btv.json", BTVNANOCOMMISSIONING)
    (name,) = BTVNANOCOMMISSIONING
    assert (two.name, [file.path for file in two.files]) == (name, BTVNANOCOMMISSIONING[name])


def test_theirs_are_written_as_they_are(tmp_path: Path) -> None:
    for write, theirs in ((convert.pocketcoffea, POCKETCOFFEA), (convert.lists, BTVNANOCOMMISSIONING)):
        assert write(read(tmp_path / "theirs.json", theirs)).documents == {"": theirs}


def test_coffeas_says_it_all(tmp_path: Path) -> None:
    whole = (MC, DATA, PART, TREE)
    written = convert.coffea(whole)
    assert written.lost == ()
    assert read(tmp_path / "f.json", written.documents[""]) == whole


def test_sample_jsons_come_back_the_same(tmp_path: Path) -> None:
    bare = Dataset(name=MC.name, files=(InputFile(path="/a.root"),), metadata=MC.metadata)
    written = convert.topcoffea((bare, DATA, TREE))
    for name, document in written.documents.items():
        text = "\n".join(document) if name.endswith(".cfg") else json.dumps(document)
        (tmp_path / name).write_text(text)
    assert load([str(tmp_path / "samples.cfg")]) == (bare, DATA, TREE)


def test_pocketcoffeas_words() -> None:
    written = convert.pocketcoffea((MC, DATA))
    assert written.documents[""]["TT_2018"]["metadata"] == {
        "year": "2018",
        "xsec": "88.29",
        "parts": "['x']",
        "sample": "TT_2018",
        "isMC": "True",
        "nevents": "18",
    }
    assert written.lost == ("Muon: PocketCoffea needs nevents in the metadata",)


def test_lists_lose_metadata() -> None:
    written = convert.lists((MC,))
    assert written.documents == {"": {"TT_2018": ["/a.root", "root://host//b.root"]}}
    assert written.lost == ("TT_2018: metadata left out (year, isData, xsec, parts)",)


@pytest.mark.parametrize("write", [convert.lists, convert.pocketcoffea])
@pytest.mark.parametrize(
    ("dataset", "said"),
    [(PART, "has only parts of some files"), (TREE, "reads Runs")],
)
def test_what_would_change_the_events_is_refused(
    write: Callable[..., Any], dataset: Dataset, said: str
) -> None:
    with pytest.raises(SamplesError, match=said):
        write((MC, dataset))


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["wq-samples", *words])
    with pytest.raises(SystemExit) as caught:
        command.main()
    return int(caught.value.code or 0)


def test_the_command(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "pocket.json").write_text(json.dumps(POCKETCOFFEA))
    assert run(monkeypatch, "convert", "--to", "topcoffea", "-o", "jsons", "pocket.json") == 0
    (name,) = POCKETCOFFEA
    assert sorted(path.name for path in (here / "jsons").iterdir()) == [f"{name}.json", "samples.cfg"]
    assert json.loads((here / "jsons" / f"{name}.json").read_text())["isData"] is False
    assert run(monkeypatch, "convert", "--to", "higgsdna", "-o", "lists.json", "jsons/samples.cfg") == 0
    assert json.loads((here / "lists.json").read_text()) == {name: POCKETCOFFEA[name]["files"]}
    assert run(monkeypatch, "convert", "--to", "coffea", "-o", "f.json.gz", "jsons/samples.cfg") == 0
    assert json.loads(gzip.decompress((here / "f.json.gz").read_bytes())).keys() == {name}
    assert [one.name for one in load(["f.json.gz"])] == [name]
    capsys.readouterr()
    assert run(monkeypatch, "convert", "--to", "coffea", "-o", "lists.json", "jsons/samples.cfg") == 2
    assert "lists.json is there already" in capsys.readouterr().err
    assert run(monkeypatch, "convert", "--to", "pocketcofea", "-o", "x.json", "lists.json") == 2
    assert "Did you mean pocketcoffea?" in capsys.readouterr().err
