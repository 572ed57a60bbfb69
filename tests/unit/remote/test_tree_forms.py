"""What events of a tree look like is asked once for the chunks of a file, and is theirs alone."""

from __future__ import annotations

import copy
import dataclasses
import itertools
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from coffea.nanoevents import BaseSchema
from coffea.nanoevents.mapping import uproot as mapping
from coffea.processor import IterativeExecutor, ProcessorABC, Runner
from coffea.processor.executor import WorkItem

from wq_runner.remote.forms import Forms, kept_by
from wq_runner.remote.trees import Trees


def written(path: Path, offset: int = 0, *more: str) -> str:
    names = ("x", *more)
    with uproot.recreate(path) as file:
        file.mktree("Events", dict.fromkeys(names, "i8"))
        file["Events"].extend(dict.fromkeys(names, np.arange(10) + offset))
    return str(path)


class Sums(ProcessorABC):
    def process(self, events: Any) -> Any:
        return {"fields": sorted(events.fields), "x": int(ak.sum(events.x))}

    def postprocess(self, accumulator: Any) -> Any:
        return accumulator


class Spoiling(BaseSchema):
    """Changes what it is given, as schemas may."""

    def __init__(self, base_form: Any, *args: Any, **keywords: Any) -> None:
        assert "x" in base_form["fields"]
        super().__init__(copy.deepcopy(base_form), *args, **keywords)
        base_form["fields"].clear()
        base_form["contents"].clear()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Of which branches a form was made."""
    found: list[str] = []
    before = mapping._lazify_form

    def form(made: Any, prefix: str, **options: Any) -> Any:
        found.append(prefix.partition(",")[0])
        return before(made, prefix, **options)

    monkeypatch.setattr(mapping, "_lazify_form", form)
    return found


@dataclasses.dataclass
class OfOneTask(IterativeExecutor):
    """Does the chunks as a task does."""

    found: list[Any] = dataclasses.field(default_factory=list)

    def __call__(self, items: Any, function: Any, accumulator: Any) -> Any:
        trees = Trees()
        wrapped = trees.used_by(function)
        for item, after in itertools.zip_longest(items, items[1:]):
            trees.plan(item, after)
            self.found.append(wrapped(item)["out"])
        trees.end()
        return {"out": accumulator or {}, "processed": set()}, 0


def processed(paths: list[str], schema: Any) -> list[Any]:
    """Process files in chunks of four events."""
    items = []
    for path in paths:
        with uproot.open(path) as file:
            uuid = file.file.uuid.bytes
        items += [
            WorkItem("A", path, "Events", start, min(start + 4, 10), uuid, None) for start in range(0, 10, 4)
        ]
    executor = OfOneTask(status=False)
    Runner(executor=executor, schema=schema).run(items, Sums())
    return executor.found


@pytest.mark.parametrize("schema", [BaseSchema, Spoiling])
def test_chunks_of_a_file_have_one_form(tmp_path: Path, made: list[str], schema: Any) -> None:
    paths = [written(tmp_path / "a.root"), written(tmp_path / "b.root", 100, "y")]
    found = processed(paths, schema)
    assert [one["x"] for one in found] == [6, 22, 17, 406, 422, 217]
    assert [one["fields"] for one in found] == [["x"]] * 3 + [["x", "y"]] * 3
    assert made == ["x", "x", "y"]


def test_the_types_of_branches_are_asked_once(tmp_path: Path) -> None:
    with uproot.open({written(tmp_path / "a.root"): None}) as file:
        tree = file["Events"]
        forms = Forms(lambda: tree)
        for _ in range(2):
            forms.begin(tree)
            forms.begin(tree)
            names = tree.typenames()
            assert names == {"x": "int64_t"}
            assert tree.typenames(filter_name="y") == {}
            names.clear()
            forms.end()
            assert "typenames" not in vars(tree)


def test_what_others_open_meanwhile_has_a_form_of_its_own(tmp_path: Path, made: list[str]) -> None:
    """A processor may open the same file, or another one of the same shape."""
    tree, other = (uproot.open({written(tmp_path / f"{name}.root"): None})["Events"] for name in ("a", "b"))

    with kept_by(Forms(lambda: tree)):
        ask = mapping.UprootSourceMapping._extract_base_form
        assert ask(tree) == ask(tree)
        assert made == ["x"]
        assert ask(other) == ask(other)
        assert made == ["x"] * 3
        assert ask(tree, iteritems_options={"filter_name": "nothing"})["fields"] == []
        assert ask(tree, {"filter_name": "nothing"})["fields"] == []
        assert ask(tree, {}) == ask(tree, iteritems_options={}) == ask(tree)
    ask(tree)
    assert made == ["x"] * 4
