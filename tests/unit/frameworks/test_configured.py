"""What a configuration of PocketCoffea is known by: the same in each process, another one for each change."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cloudpickle
import lz4.frame
import pytest
from coffea.processor import ProcessorABC

from wq_runner.fingerprint import identity
from wq_runner.frameworks.configured import Surroundings


def more(events: Any, params: dict[str, Any]) -> Any:
    return events.pt > params["pt"]


def less(events: Any, params: dict[str, Any]) -> Any:
    return events.pt < params["pt"]


@dataclass
class Cut:
    """As theirs: the id has the hash of the name in it."""

    name: str
    params: dict[str, Any]
    function: Callable[..., Any] = more
    _id: str = ""


@dataclass
class Configurator:
    skim: list[Cut] = field(default_factory=list)
    categories: dict[str, list[str]] = field(default_factory=dict)
    requested_weights: list[str] = field(default_factory=lambda: ["a", "b"])
    available_weights_variations: dict[str, list[str]] = field(default_factory=lambda: {"A": ["up", "down"]})
    other: Any = None


class Hidden:
    """It travels, and nobody can look at it."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        if protocol == 4:
            raise TypeError("not so")
        return Hidden, ()


class Processor(ProcessorABC):
    def __init__(self, cfg: Configurator, params: Any = None) -> None:
        self.cfg = cfg
        self.params = params

    def process(self, events: Any) -> Any:
        return events

    def postprocess(self, accumulator: Any) -> Any:
        return accumulator


def work(item: Any, *, processor_instance: Any, schema: str) -> Any:
    return item, processor_instance, schema


def values(
    cfg: Configurator, params: Any = None, *, base: Path, schema: str = "NanoAOD", **arguments: Any
) -> Any:
    packed = lz4.frame.compress(cloudpickle.dumps(Processor(cfg, params)))
    inner = functools.partial(work, processor_instance=packed, schema=schema)
    function = functools.partial(map, 3, inner)  # as it is wrapped to try again
    return Surroundings(base=base, arguments=arguments).describe(function).values


def cfg(name: str = "one", mark: int = 1, function: Callable[..., Any] = more, **more: Any) -> Configurator:
    cut = Cut(name, {"pt": 5}, function, f"{name}__{mark}")
    return Configurator(skim=[cut], categories={"all": [cut._id]}, **more)


def test_what_follows_from_the_hash_seed_of_a_process_is_no_difference(tmp_path: Path) -> None:
    other = cfg(mark=-2, requested_weights=["b", "a"], available_weights_variations={"A": ["down", "up"]})
    assert values(cfg(), base=tmp_path) == values(other, base=tmp_path)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"name": "two"}, "skim of the configuration"),
        ({"function": less}, "skim of the configuration"),
        ({"requested_weights": ["a"]}, "requested_weights of the configuration"),
        ({"other": [2, 1]}, "other of the configuration"),
    ],
)
def test_all_else_is(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    before = values(cfg(other=[1, 2]), base=tmp_path)
    now = values(cfg(**{"other": [1, 2], **change}), base=tmp_path)
    assert named in identity.changes(before, now)


def test_so_are_the_files_that_parameters_name_and_what_lies_beside(tmp_path: Path) -> None:
    table, helper = tmp_path / "table.json", tmp_path / "helper.py"
    table.write_text("1")
    helper.write_text("x = 1")
    params = {"corrections": [{"file": str(table)}], "text": "no file at all.", "cvmfs": "/cvmfs/x/y"}
    before = values(cfg(), params, base=tmp_path)
    assert before == values(cfg(), params, base=tmp_path)
    table.write_text("2")
    now = values(cfg(), params, base=tmp_path)
    assert identity.changes(before, now, str(tmp_path)) == [f"the file {tmp_path.name}/table.json"]
    helper.write_text("x = 2")
    assert len(identity.changes(now, values(cfg(), params, base=tmp_path))) == 1


def test_so_are_the_runner_and_what_workers_get(tmp_path: Path) -> None:
    before = values(cfg(), base=tmp_path)
    assert identity.changes(before, values(cfg(), base=tmp_path, schema="Base")) == [
        "how coffea's Runner calls it"
    ]
    (tmp_path / "extra").write_text("1")
    assert identity.changes(before, values(cfg(), base=tmp_path, extra_files=(tmp_path / "extra",))) == [
        "the environment"
    ]
    assert identity.changes(before, values(cfg(), base=tmp_path, seed=1)) == ["the seed of random numbers"]


def test_what_cannot_be_compared_is_named(tmp_path: Path) -> None:
    found = values(cfg(other=Hidden()), base=tmp_path)
    assert identity.not_watched(found, ()) == ["other of the configuration"]
