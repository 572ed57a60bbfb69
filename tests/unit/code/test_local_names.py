"""Names of local files, absolute while they are on their way."""

from __future__ import annotations

from pathlib import Path

from coffea.processor.accumulator import set_accumulator
from coffea.processor.executor import FileMeta, WorkItem

from wq_runner.code.local_names import absolute, as_named


def item(name: str) -> WorkItem:
    return WorkItem("d", name, "Events", 0, 5, b"", {"year": 2018}, frozenset({"x"}))


def test_relative_names_become_absolute_and_are_given_back(here: Path) -> None:
    items = [item(name) for name in ("a.root", "root://h//b.root", "/c.root")]
    values = [*items, FileMeta("d", "sub/d.root", "Events"), 5]
    found, names = absolute(values)
    expected = [str(here / "a.root"), "root://h//b.root", "/c.root", str(here / "sub/d.root")]
    assert [one.filename for one in found[:4]] == expected
    assert (found[0].usermeta, found[0].preload, found[4]) == ({"year": 2018}, frozenset({"x"}), 5)
    assert items[0].filename == "a.root"  # what was given is left alone
    result = as_named({"out": 1, "processed": set(found[:3])}, names)
    assert result["processed"] == set(items)


def test_a_file_by_two_names_is_known_by_both(here: Path) -> None:
    metas = [FileMeta("d", name, "Events", {}) for name in ("a.root", "./a.root", str(here / "a.root"))]
    found, names = absolute(metas)
    back = as_named(set_accumulator(found[:1]), names)
    assert isinstance(back, set_accumulator)
    assert {one.filename for one in back} == {"a.root", str(here / "a.root")}


def test_what_is_absolute_is_left_as_it_is() -> None:
    found, names = absolute([item("/a.root")])
    result = {"processed": set(found)}
    assert names == {}
    assert as_named(result, names) is result
