"""How files are read: what options say of it, and which columns are known beforehand."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import nanoaod
import pytest
import uproot

from wq_runner.config.options import RunOptions, defaulted
from wq_runner.config.resolved import resolve
from wq_runner.engine.answer import Answer
from wq_runner.errors import UsageError
from wq_runner.ledger.items import Item
from wq_runner.model import Dataset, Fileset, InputFile
from wq_runner.planning import reading
from wq_runner.remote.opening import Reading
from wq_runner.remote.trees import Trees
from wq_runner.samples.probe import probe
from wq_runner.scheduler.phase import LoopSettings
from wq_runner.scheduler.read_columns import Columns, ReadSettings


def reads(**options: Any) -> ReadSettings:
    return resolve(defaulted(RunOptions(**options))).loop.reads


def fileset(*paths: str, preload: tuple[str, ...] | None = None) -> Fileset:
    return tuple(
        Dataset(name=f"d{number}", files=(InputFile(path=path),), preload=preload)
        for number, path in enumerate(paths)
    )


@pytest.mark.parametrize(
    ("said", "samples", "preloaded", "learning", "ahead"),
    [
        ("auto", None, None, True, True),
        ("auto", ("a",), ("a",), True, True),
        ("off", ("a",), None, False, False),
        ("b,c,b", ("a",), ("b", "c"), False, True),
    ],
)
def test_what_is_preloaded(
    said: str, samples: Any, preloaded: tuple[str, ...] | None, learning: bool, ahead: bool
) -> None:
    found = reads(preload=said)
    (dataset,) = reading.preloaded(fileset("a.root", preload=samples), found)
    assert dataset.preload == preloaded
    assert (found.reading.learning, found.reading.ahead) == (learning, ahead)
    named = reading.with_names(LoopSettings(reads=found), (dataset,)).reads.named
    assert named == ({} if preloaded is None else {"d0": frozenset(preloaded)})


def test_nothing_is_preloaded_of_parquet_files() -> None:
    with pytest.raises(UsageError, match=r"--preload x: a\.parquet is a parquet file"):
        reading.preloaded(fileset("a.parquet"), reads(preload="x"))


def test_names_have_to_be_somewhere(tmp_path: Path) -> None:
    data = nanoaod.write_simple(tmp_path / "data.root", 10, ["Muon_pt", "run"])
    simulated = nanoaod.write_simple(tmp_path / "mc.root", 10, ["Muon_pt", "genWeight"])
    both = fileset(str(data), str(simulated))
    reading.check(both, reads(preload="Muon_pt,genWeight"))
    with pytest.raises(
        UsageError, match=r"--preload Muon_pT: no column .*data\.root, tree Events.* Muon_pt\?"
    ):
        reading.check(both, reads(preload="run,Muon_pT"))
    # what does not open here may open on workers
    reading.check(fileset(str(tmp_path / "gone.root")), reads(preload="Muon_pT"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"timeout": 3}, "--read-timeout"),
        ({"timout": 3}, "--read-timeout"),
        ({"object_cache": None}, "object_cache: wq-run has its own"),
        ({"num_worker": 3}, "no such option; nearest: num_workers"),
        ({"handler": "XrootdSource"}, "no such class .* Did you mean XRootDSource"),
        ({"handler": 3}, "no such class"),
    ],
)
def test_options_that_uproot_does_not_have(given: dict[str, Any], message: str) -> None:
    settings = reads(uproot_option=(given,))
    with pytest.raises(UsageError) as caught:
        reading.check((), settings)
    assert re.search(message, f"{caught.value} {caught.value.hint}")


def test_options_that_it_has_or_hands_on() -> None:
    reading.check((), reads(uproot_option=({"handler": "XRootDSource"}, {"filehandle_cache_ttl": 60})))


def test_options_reach_those_who_open_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(nanoaod.write_simple(tmp_path / "a.root", 10))
    said = reads(uproot_option=({"begin_chunk_size": 512},), read_timeout=90.0).reading
    opened, opening = [], uproot.open

    def spy(*args: Any, **options: Any) -> Any:
        opened.append(options)
        return opening(*args, **options)

    monkeypatch.setattr(uproot, "open", functools.wraps(opening)(spy))
    monkeypatch.setattr(spy, "defaults", opening.defaults, raising=False)
    monkeypatch.setattr(uproot.open, "defaults", opening.defaults, raising=False)
    assert probe(InputFile(path=path), reading=said).entries == 10
    assert {(one["begin_chunk_size"], one["timeout"]) for one in opened} == {(512, 90)}
    seen: dict[str, Any] = {}

    def work(item: Any, *, uproot_options: dict[str, Any]) -> None:
        del item
        seen.update(uproot_options)

    Trees(said).used_by(functools.partial(work, uproot_options={}))(InputFile(path=path))
    assert seen["begin_chunk_size"] == 512


def item(dataset: str) -> Item:
    return Item(value=None, dataset=dataset, path="a.root", start=0, stop=1)


def answer(**columns: set[str]) -> Answer:
    return Answer(
        host="h",
        wall=1.0,
        startup=0.0,
        done=(0,),
        skipped={},
        failures=(),
        measured=(),
        columns={name: frozenset(read) for name, read in columns.items()},
    )


def test_columns_are_learned_by_dataset_and_grow() -> None:
    columns = Columns(ReadSettings(reading=Reading()))
    assert columns.of([item("dy")]) == {}
    columns.learn(answer(dy={"a"}, tt={"b"}))
    columns.learn(answer(dy={"c"}))
    assert columns.of([item("dy"), item("dy")]) == {"dy": {"a", "c"}}
    assert columns.of([item("dy"), item("tt"), item("qcd")]) == {"dy": {"a", "c"}, "tt": {"b"}}


def test_columns_that_are_named_stay_as_they_are() -> None:
    columns = Columns(ReadSettings(named={"dy": frozenset({"x"})}))
    columns.learn(answer(dy={"a"}))
    assert columns.of([item("dy")]) == {"dy": {"x"}}
