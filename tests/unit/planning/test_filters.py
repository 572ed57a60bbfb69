"""Which datasets a run is for, and what it was not asked to process."""

from __future__ import annotations

import pytest

from wq_runner.errors import UsageError
from wq_runner.model import Chunk, Dataset, FileFacts, InputFile, PerDataset
from wq_runner.planning.file_info import BadFile
from wq_runner.planning.filters import Pattern, check_patterns, chosen
from wq_runner.planning.left_out import LeftOut, left_out

FILESET = (
    Dataset(name="TTTo2L_18", files=(), metadata={"year": "2018", "isData": False, "parts": ["a", "b"]}),
    Dataset(name="TTTo2L_17", files=(), metadata={"year": 2017, "isMC": "True", "xsec": 88.29}),
    Dataset(name="DYJets_18", files=(), metadata={"year": "2018", "isMC": "True", "sample": "DY"}),
    Dataset(name="Muon_18", files=(), metadata={"year": "2018", "isData": True, "era": "A"}),
    Dataset(name="odd[1]", files=()),
)


@pytest.mark.parametrize(
    ("only", "skip", "expected"),
    [
        ((), (), "TTTo2L_18 TTTo2L_17 DYJets_18 Muon_18 odd[1]"),
        (("TT*",), (), "TTTo2L_18 TTTo2L_17"),
        (("TT*", "DY*"), (), "TTTo2L_18 TTTo2L_17 DYJets_18"),
        (("year=2018",), (), "TTTo2L_18 DYJets_18 Muon_18"),
        (("year=2017", "year=2018"), ("Muon*",), "TTTo2L_18 TTTo2L_17 DYJets_18"),
        (("year=2018", "TT*"), (), "TTTo2L_18"),
        (("isData=false",), (), "TTTo2L_18 TTTo2L_17 DYJets_18"),
        (("isMC=True", "year=20?8"), (), "TTTo2L_18 DYJets_18"),
        (("isData=true",), (), "Muon_18"),
        ((), ("isMC=true", "odd*"), "Muon_18"),
        (("parts=b",), (), "TTTo2L_18"),
        (("odd[1]",), (), "odd[1]"),
        (("xsec=88.29",), (), "TTTo2L_17"),
    ],
)
def test_what_is_left(only: tuple[str, ...], skip: tuple[str, ...], expected: str) -> None:
    assert [dataset.name for dataset in chosen(FILESET, only, skip)] == expected.split()


@pytest.mark.parametrize(
    ("only", "skip", "said"),
    [
        (("TTo2L_18",), (), "--only TTo2L_18: no dataset of this name. Did you mean TTTo2L_18?"),
        ((), ("Moun_18",), "--skip Moun_18: no dataset of this name. Did you mean Muon_18?"),
        (("yaer=2018",), (), "--only yaer=2018: no dataset has yaer in its metadata. Did you mean year?"),
        (
            ("year=2019",),
            (),
            "--only year=2019: no dataset has this value. Did you mean 2018? There are: 2018, 2017",
        ),
        (("TT*",), ("year=201*",), "no dataset is left by --only TT* --skip year=201*"),
        (("TT*", "isData=true"), (), "no dataset is left by --only TT* --only isData=true"),
        (("=3",), (), "pattern '=3' not understood"),
        (("year=",), (), "pattern 'year=' not understood"),
    ],
)
def test_what_matches_nothing_is_refused(only: tuple[str, ...], skip: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        chosen(FILESET, only, skip)
    assert str(caught.value).startswith(said)


def test_a_pattern_is_shown_as_it_was_written() -> None:
    assert [str(Pattern.parse(text)) for text in ("TT*", "year=2018")] == ["TT*", "year=2018"]


def test_values_for_datasets_that_are_not_there() -> None:
    check_patterns("chunksize", PerDataset(default=1, patterns=(("TT*", 2), ("odd[1]", 3))), FILESET)
    check_patterns("chunksize", 5, FILESET)
    with pytest.raises(UsageError, match=r"--chunksize: no dataset DYJet_18. Did you mean DYJets_18?"):
        check_patterns("chunksize", PerDataset(default=1, patterns=(("DYJet_18", 2),)), FILESET)


def chunk(path: str, stop: int) -> Chunk:
    return Chunk(dataset="A", path=path, treename="Events", start=0, stop=stop)


def test_what_was_left_out() -> None:
    a, b, c = (InputFile(path=f"/{name}.root") for name in "abc")
    part = InputFile(path="/d.root", ranges=((5, 9), (20, 30)))
    whole = (Dataset(name="A", files=(a, b)), Dataset(name="B", files=(c,)), Dataset(name="C", files=(part,)))
    facts = {file: FileFacts(entries=10, uuid=b"") for file in (a, b)}
    bad = [BadFile(dataset="A", path="/b.root", reason="")]
    assert left_out(whole[:1], [chunk("/a.root", 10), chunk("/b.root", 10)], [], facts) == {}
    assert left_out(whole[:1], [chunk("/a.root", 10)], bad, facts) == {}  # missing, not left out
    assert left_out(whole, [chunk("/a.root", 4)], [], facts) == {
        "A": LeftOut(files=1, of_files=2, events=16),
        "B": LeftOut(files=1, of_files=1, events=None),
        "C": LeftOut(files=1, of_files=1, events=14),
    }
