"""What events of a tree look like is asked once for the chunks of a file, and is theirs alone."""

from __future__ import annotations

import copy
import dataclasses
import functools
import itertools
import pickle
from pathlib import Path
from typing import Any

import awkward as ak
import nanoaod
import numpy as np
import pytest
import uproot
from coffea.nanoevents import BaseSchema, NanoAODSchema, schemas
from coffea.nanoevents.mapping import uproot as mapping
from coffea.processor import IterativeExecutor, ProcessorABC, Runner
from coffea.processor.executor import WorkItem

from wq_runner.remote import forms
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


def test_the_types_of_branches_are_asked_once_and_only_if_they_are_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with uproot.open({written(tmp_path / "a.root"): None}) as file:
        tree = file["Events"]
        asked: list[Any] = []
        before = type(tree).typenames

        def typenames(self: Any, **options: Any) -> Any:
            asked.append(options)
            return before(self, **options)

        monkeypatch.setattr(type(tree), "typenames", typenames)
        forms = Forms(lambda: tree)
        for _ in range(2):
            forms.begin(tree)
            forms.begin(tree)
            tree.typenames()
            assert asked == []
            forms.end()
        for _ in range(2):
            forms.begin(tree)
            names = tree.typenames()
            assert names.get("x") == "int64_t"
            assert names == pickle.loads(pickle.dumps(names)) == dict(names) == {"x": "int64_t"}
            names.clear()
            assert asked == [{}]
            forms.end()
        forms.begin(tree)
        assert tree.typenames(filter_name="y") == {}
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


# -- schemas


class Alike(ProcessorABC):
    """Tells all that a processor sees of the events of a chunk."""

    def process(self, events: Any) -> Any:
        muons = events.Muon if "Muon" in events.fields else events
        return [
            {
                "form": events.layout.form.to_dict(),
                "metadata": dict(events.metadata),
                "muons": ak.to_list(muons[muons.fields[0]]),
                "kind": type(muons).__name__,
            }
        ]

    def postprocess(self, accumulator: Any) -> Any:
        return accumulator


class Renamed(NanoAODSchema):
    """Says by a table only what collections are."""

    mixins = {**NanoAODSchema.mixins, "Muon": "PtEtaPhiMCandidate"}  # noqa: RUF012 - as users write it


class Overridden(NanoAODSchema):
    """Makes of each chunk something else, of what is in its metadata."""

    def _build_collections(self, names: Any, contents: Any) -> Any:
        self.at = self._form["parameters"]["metadata"]["entrystart"]
        names, contents = super()._build_collections(names, contents)
        contents = [{**one, "parameters": {**one.get("parameters", {}), "at": self.at}} for one in contents]
        return names, contents


class Changing(NanoAODSchema):
    """Its table changes while it is used."""

    mixins = dict(NanoAODSchema.mixins)  # noqa: RUF012


def at(schema: Any) -> str:
    """Return where a chunk begins, for which a schema is made."""
    return str(schema._form["parameters"]["metadata"]["entrystart"])


class Wrapping(NanoAODSchema):
    """Has a method that looks like coffea's own."""

    @functools.wraps(NanoAODSchema._build_collections)
    def _build_collections(self, names: Any, contents: Any) -> Any:
        names, contents = super()._build_collections(names, contents)
        return [f"{name}{at(self)}" if name == "event" else name for name in names], contents


def renaming(schema: Any, names: Any, contents: Any) -> Any:
    names, contents = NanoAODSchema._build_collections(schema, names, contents)
    return [f"{name}{at(schema)}" if name == "event" else name for name in names], contents


class Partial(NanoAODSchema):
    """Has a method that is no function, and cannot be called before it is of an object."""

    _build_collections = functools.partialmethod(renaming)


class Counting(type):
    def __call__(cls, form: Any, *args: Any, **options: Any) -> Any:
        made = super().__call__(form, *args, **options)
        made._form["parameters"]["at"] = at(made)
        return made


class Made(NanoAODSchema, metaclass=Counting):
    """Is made by a class of the user's."""


CALLS: list[str] = []


def noted(form: Any) -> Any:
    CALLS.append("")
    return {**form, "parameters": {**form.get("parameters", {}), "number": len(CALLS)}}


class Special(NanoAODSchema):
    """Its table has a function of the user's."""

    special_items = {"event_again": (noted, ("event",))}  # noqa: RUF012


class Chosen(dict[str, str]):
    """Answers what does not show where it is written out."""

    def get(self, name: str, default: Any = None) -> Any:
        if name != "Muon":
            return super().get(name, default)
        CALLS.append(name)
        return ("PtEtaPhiMCandidate", "Muon", "Electron")[len(CALLS) % 3]


class Tabled(NanoAODSchema):
    """Its table is of a kind of the user's."""

    mixins = Chosen(NanoAODSchema.mixins)


OF_USERS = (Overridden, Wrapping, Partial, Made, Special, Tabled)


@pytest.fixture
def again(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which schemas were not made of a form, but had been before."""
    found: list[str] = []
    before = forms._made_again

    def made(kind: Any, *args: Any) -> Any:
        found.append(kind.__name__)
        return before(kind, *args)

    monkeypatch.setattr(forms, "_made_again", made)
    return found


def items_of(paths: list[Path], size: int) -> list[WorkItem]:
    found = []
    for path in paths:
        with uproot.open(path) as file:
            uuid, entries = file.file.uuid.bytes, file["Events"].num_entries
        for start in range(0, entries, size):
            stop = min(start + size, entries)
            found.append(WorkItem("A", str(path), "Events", start, stop, uuid, {"year": "2018"}))
    return found


def alike(executor: Any, items: list[WorkItem], schema: Any) -> list[Any]:
    Runner(executor=executor, schema=schema).run(items, Alike())
    found: list[Any] = executor.found
    return found


@dataclasses.dataclass
class Plain(IterativeExecutor):
    """Does the chunks as coffea does."""

    found: list[Any] = dataclasses.field(default_factory=list)

    def __call__(self, items: Any, function: Any, accumulator: Any) -> Any:
        self.found += [function(item)["out"] for item in items]
        return {"out": accumulator or {}, "processed": set()}, 0


@pytest.mark.parametrize("schema", [BaseSchema, NanoAODSchema, Renamed, *OF_USERS])
def test_a_schema_makes_of_each_chunk_what_it_makes_alone(
    tmp_path: Path, again: list[str], schema: Any
) -> None:
    items = items_of(nanoaod.write_dataset(tmp_path, files=2, events=10), 4)
    CALLS.clear()
    expected = alike(Plain(status=False), items, schema)
    CALLS.clear()
    assert alike(OfOneTask(status=False), items, schema) == expected
    # made once for each file of three chunks, where what it makes of a form is known
    assert again == [schema.__name__] * (0 if schema in OF_USERS else 4)


@nanoaod.with_real_nanoaod
def test_a_real_file_has_one_schema(again: list[str]) -> None:
    items = items_of([nanoaod.REAL_NANOAOD], 10)
    expected = alike(Plain(status=False), items, NanoAODSchema)
    assert alike(OfOneTask(status=False), items, NanoAODSchema) == expected
    assert again == ["NanoAODSchema"] * (len(items) - 1)


def test_all_schemas_of_coffea_are_made_once() -> None:
    """They hold nothing but functions and plain tables; else they are made for each chunk."""
    kinds = [one for one in vars(schemas).values() if isinstance(one, type) and issubclass(one, BaseSchema)]
    assert len(kinds) > 5
    assert [one.__name__ for one in kinds if forms._facts(one) is None] == []


def test_a_table_that_changes_while_a_task_runs_counts_from_then_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = items_of(nanoaod.write_dataset(tmp_path, events=10), 4)
    kinds = []
    process = Alike.process

    def changing(self: Any, events: Any) -> Any:
        found = process(self, events)
        kinds.append(found[0]["kind"])
        monkeypatch.setitem(Changing.mixins, "Muon", "PtEtaPhiMCandidate")
        return found

    monkeypatch.setattr(Alike, "process", changing)
    alike(OfOneTask(status=False), items, Changing)
    assert kinds == ["MuonArray", "PtEtaPhiMCandidateArray", "PtEtaPhiMCandidateArray"]
