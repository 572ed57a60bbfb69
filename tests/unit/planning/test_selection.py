"""Selections of a part of the samples."""

from __future__ import annotations

import pytest

from wq_runner.errors import UsageError
from wq_runner.model import Dataset, InputFile
from wq_runner.planning.selection import Selection, select

FILESET = (
    Dataset(name="DYJets", files=(InputFile(path="/data/a/n_1.root"), InputFile(path="/data/b/n_1.root"))),
    Dataset(name="TTbar", files=(InputFile(path="root://host//store/t:1.root"),)),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("DYJets", Selection(dataset="DYJets")),
        ("DY*:n_1.root", Selection(dataset="DY*", file="n_1.root")),
        ("DY:n.root:10-20", Selection(dataset="DY", file="n.root", range=(10, 20))),
        ("TT:t:1.root:0-5", Selection(dataset="TT", file="t:1.root", range=(0, 5))),
    ],
)
def test_what_a_selection_says(text: str, expected: Selection) -> None:
    assert Selection.parse(text) == expected


@pytest.mark.parametrize("text", ["", ":x", "DY:n.root:20-10"])
def test_what_is_not_a_selection(text: str) -> None:
    with pytest.raises(UsageError):
        Selection.parse(text)


def test_no_selection_keeps_all() -> None:
    assert select(FILESET, ()) == FILESET


def test_files_by_name_and_by_path() -> None:
    assert [file.path for file in select(FILESET, ["DYJets:n_1.root"])[0].files] == [
        "/data/a/n_1.root",
        "/data/b/n_1.root",
    ]
    assert [file.path for file in select(FILESET, ["DYJets:/data/b/*"])[0].files] == ["/data/b/n_1.root"]


def test_ranges_are_kept_for_their_file() -> None:
    (dataset,) = select(FILESET, ["TT*:t:1.root:0-5", "TTbar:t:1.root:10-12"])
    assert dataset.files[0].ranges == ((0, 5), (10, 12))


@pytest.mark.parametrize(
    ("wanted", "nearest"),
    [("DYJet", "DYJets"), ("TTbar:t:2.root", "t:1.root"), ("DYJets:n_2.root", "n_1.root")],
)
def test_nothing_found_names_the_nearest(wanted: str, nearest: str) -> None:
    with pytest.raises(UsageError, match=f"Did you mean {nearest}"):
        select(FILESET, [wanted])


def test_events_that_are_named_twice_count_once() -> None:
    (dataset,) = select(FILESET, ["TTbar:t:1.root:0-5", "TTbar:t:1.root:3-9"])
    assert dataset.files[0].ranges == ((0, 9),)


def test_what_the_samples_leave_out_stays_out() -> None:
    file = InputFile(path="/a.root", ranges=((2, 4), (6, 20)))
    (dataset,) = select((Dataset(name="A", files=(file,)),), ["A:a.root:3-10"])
    assert dataset.files[0].ranges == ((3, 4), (6, 10))


def test_a_name_is_no_pattern_where_it_is_exact() -> None:
    odd = (Dataset(name="odd[1]", files=(InputFile(path="/a[2].root"),)),)
    assert select(odd, ["odd[1]:a[2].root"]) == odd
