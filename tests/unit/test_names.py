"""Names of datasets, and of whatever else becomes a file."""

from __future__ import annotations

from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from wq_runner import names

ANY = st.text(
    st.one_of(st.characters(), st.sampled_from("aA/ ~-_.+%é\udce9\u0301\0\n")), max_size=40
) | st.text("aAxé/ ", min_size=100, max_size=400)
"""Names of all kinds, surrogates of names that are not UTF-8 among them."""


@pytest.mark.parametrize(
    "name", ["DYJetsToLL_M-50", "data_2018A", "TTTo2L2Nu.v2", "a", "M-50+tau@2018", "x..y", "_", "0"]
)
def test_ordinary_names_stay_as_they_are(name: str) -> None:
    assert names.file_name(name) == name
    assert names.file_names([name, "another"])[name] == name
    assert names.original(name) == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("/DY/Run3/NANOAODSIM", "~-DY~-Run3~-NANOAODSIM"),
        ("a b", "a~_b"),
        ("a~b", "a~7Eb"),
        ("-v", "~2Dv"),
        (".", "~2E"),
        ("..", "~2E."),
        (".hidden", "~2Ehidden"),
        ("", "~empty"),
        ("ttbar μ", "ttbar~_~CE~BC"),
        ("a\\b:c*d", "a~5Cb~3Ac~2Ad"),
    ],
)
def test_others_can_be_read(name: str, expected: str) -> None:
    assert names.file_name(name) == expected
    assert names.original(expected) == name


@given(ANY)
@example("~empty")
@example("~.0123abcd")
@example("a~+0123456789abcdef")
@settings(deadline=None)
def test_every_name_is_a_file_name_and_can_be_read_back(name: str) -> None:
    written = names.file_name(name)
    assert written.isascii()
    assert 0 < len(written) <= names.LONGEST
    assert written[0] not in "-."
    assert not set(written) & set("/\\\0\n \"'%*?:")
    assert names.original(written) in ({name} if "~+" not in written else {None})


@given(st.lists(ANY, min_size=2, max_size=8, unique=True))
@example(["a b", "a-b", "a/b", "A b", "A/b"])
@example(["a" * 300, "a" * 299, "A" * 300, "a" * 180, "A" * 180])
@example(["é", "e\u0301", "\udcc3\udca9"])
@settings(deadline=None)
def test_the_names_of_a_set_differ_whatever_a_file_system_makes_of_case(found: list[str]) -> None:
    written = names.file_names(found)
    assert list(written) == found
    assert len({one.lower() for one in written.values()}) == len(found)
    for name, one in written.items():
        assert len(one) <= names.LONGEST
        assert names.original(one) in ({name} if "~+" not in one else {None})


def test_the_longest_name_leaves_room(tmp_path: Path) -> None:
    written = names.file_name("μ" * 250)
    (tmp_path / f".{written}-0001.pkl.gz.part-01234567.abcdefgh").touch()
    assert len(written) == names.LONGEST


def test_what_was_never_such_a_name_has_no_original() -> None:
    for other in ("a~", "a~b", "a b", "~CE", "~2d", ".x", "~41"):
        assert names.original(other) is None, other
