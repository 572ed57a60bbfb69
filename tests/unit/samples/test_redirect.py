"""Reading files elsewhere than the samples say."""

from __future__ import annotations

import pytest

from wq_runner.errors import UsageError
from wq_runner.model import Dataset, Fileset, InputFile
from wq_runner.samples.redirect import idle, over_xrootd, redirected, with_places


def fileset(*names: str) -> Fileset:
    path, *fallbacks = names
    return (Dataset(name="a", files=(InputFile(path=path, fallbacks=tuple(fallbacks)),)),)


def places(found: Fileset) -> list[str]:
    [file] = found[0].files
    return [file.path, *file.fallbacks]


@pytest.mark.parametrize(
    ("before", "rules", "after"),
    [
        (
            ["root://a.example//store/x", "root://c.example//store/x"],
            [("root://a.example/", "root://b.example/")],
            ["root://b.example//store/x", "root://c.example//store/x"],
        ),
        (
            ["root://c.example//store/x", "root://a.example//store/x"],
            [("root://a.example//store", "xrootd://b.example//eos/store")],
            ["root://c.example//store/x", "root://b.example//eos/store/x"],
        ),
        (["/store/x"], [("/store/", "root://b.example//store/")], ["root://b.example//store/x"]),
        (["root://a.example//store/x"], [("root://a.example//", "/eos/")], ["/eos/store/x"]),
        (["/store/x"], [("/st", "/first/"), ("/store", "/second")], ["/first/ore/x"]),
        (["/store/x"], [("/other", "/")], ["/store/x"]),
        (["/store/x"], [], ["/store/x"]),
    ],
    ids=["path", "fallback", "from here", "to here", "the first rule", "no rule fits", "none"],
)
def test_beginnings(before: list[str], rules: list[tuple[str, str]], after: list[str]) -> None:
    assert places(redirected(fileset(*before), rules)) == after


def test_where_no_rule_should_lead() -> None:
    with pytest.raises(UsageError, match="unknown scheme rooot"):
        redirected(fileset("/store/x"), [("/store", "rooot://b.example/")])


def test_a_rule_that_fits_nothing_is_said() -> None:
    files = fileset("root://a.example//store/x")
    assert idle(files, [("root://a.example/", "/")]) == []
    [text] = idle(files, [("root://a.exmple/", "/")])
    assert "no file begins with root://a.exmple/. Did you mean root://a.example/?" in text
    assert text.endswith("Files begin with root://a.example/")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            ["root://a.example//store/x", "root://b.example//store/x"],
            ["root://a.example//store/x", "root://b.example//store/x", "root://c.example//store/x"],
        ),
        (["root://c.example//store/x"], ["root://c.example//store/x"]),
        (["root://a.example//eos/mine/x"], ["root://a.example//eos/mine/x"]),
        (["/store/x"], ["/store/x"]),
    ],
    ids=["known all over", "there already", "known here alone", "not remote"],
)
def test_further_places(before: list[str], after: list[str]) -> None:
    assert places(with_places(fileset(*before), ["root://c.example/"])) == after


def test_over_xrootd() -> None:
    assert over_xrootd(fileset("/store/x", "root://a.example//store/x"))
    assert not over_xrootd(fileset("https://a.example/store/x"))
