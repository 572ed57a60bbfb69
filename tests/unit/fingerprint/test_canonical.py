"""The hash of an object is the same in each Python, and another for each other object."""

from __future__ import annotations

import dataclasses
import functools
import subprocess
import sys
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wq_runner.fingerprint import canonical

SCRIPT = """
from wq_runner.fingerprint.canonical import digest
class Mine:
    triggers = frozenset({"a", "b", "c"})
    def use(self, name):
        return name in {"x", "y", "z"} and helper(name)
def helper(name):
    return name.upper()
one = Mine()
one.names = {f"HLT_{number}" for number in range(30)}
one.nested = {"sets": [{("a", 1), ("b", 2)}, frozenset(one.names)]}
one.again = one
one.made = lambda events: events + 1
print(digest(one))
"""


def test_it_is_the_same_whatever_the_seed_of_hashes() -> None:
    found = set()
    for seed in ("1", "2"):
        command = [sys.executable, "-c", SCRIPT]
        found.add(subprocess.check_output(command, env={"PYTHONHASHSEED": seed}, text=True))
    assert len(found) == 1


def function(constant: str, comment: str = "") -> Any:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(f"{comment}\nLIMIT = 3\ndef cut(events):\n    {comment}\n    return {constant} < LIMIT\n", names)
    return names["cut"]


SAME = {
    "order of a dict": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "texts that are one object or two": (["x" * 3, "x" * 3], ["xxx", "".join(["x"] * 3)]),
    "comments of code": (function("1"), function("1", "# twice")),
    "generators of random numbers": (np.random.default_rng(1), np.random.default_rng(2)),
    "the place of the checkout": (Path("/home/a/sf.json"), Path("/home/b/sf.json")),
}
OTHER = {
    "types": (1, 1.0, True, "1", b"1", None),
    "containers": ((1,), [1], {1}, frozenset({1}), {1: 1}, OrderedDict({1: 1})),
    "orders that somebody chose": (OrderedDict([("a", 1), ("b", 2)]), OrderedDict([("b", 2), ("a", 1)])),
    "arrays": (np.arange(3), np.arange(3.0), np.arange(3)[::-1].copy(), np.arange(3).reshape(3, 1)),
    "code": (function("1"), function("2"), function("LIMIT")),
    "how values are nested": ([["a"], "b"], ["a", ["b"]], [["a", "b"]]),
    "places that are not the checkout's": (Path("/data/a.json"), Path("/data/b.json")),
}


@pytest.mark.parametrize("name", SAME)
def test_what_means_the_same_is_the_same(name: str) -> None:
    one, other = SAME[name]
    assert canonical.digest(one, [Path("/home/a")]) == canonical.digest(other, [Path("/home/b")])


@pytest.mark.parametrize("name", OTHER)
def test_what_is_another_is_another(name: str) -> None:
    found = [canonical.digest(one, [Path("/home")]) for one in OTHER[name]]
    assert len(set(found)) == len(found)


def test_what_pickling_leaves_in_a_class() -> None:
    class Own:
        pass

    before = canonical.digest(Own)
    Own().__reduce_ex__(2)
    assert "__slotnames__" in vars(Own)
    assert canonical.digest(Own) == before


def test_what_contains_itself() -> None:
    def ring(value: int) -> list[Any]:
        found: list[Any] = [value]
        found.append({"up": found})
        return found

    assert canonical.digest(ring(1)) == canonical.digest(ring(1)) != canonical.digest(ring(2))


def test_what_cannot_be_looked_at_is_said_and_the_rest_is_known() -> None:
    def known(value: int) -> str:
        with pytest.raises(canonical.UnknownError, match="lock") as caught:
            canonical.digest({"lock": threading.Lock(), "value": value})
        return caught.value.known

    assert known(1) == known(1) != known(2) != ""


def test_instances_of_classes_that_are_in_no_file() -> None:
    """As they are in a script or a notebook: with what decorators put into a class."""

    def one(value: int) -> Any:
        @dataclasses.dataclass(frozen=True)
        class Cuts:
            values: dict[str, int]
            names: list[str] = dataclasses.field(default_factory=list)
            scale: int | None = 3

            @functools.lru_cache  # noqa: B019
            def cached(self) -> int:
                return value

        return Cuts({"pt": value})

    assert canonical.digest(one(1)) == canonical.digest(one(1)) != canonical.digest(one(2))
    assert canonical.digest(type(one(1)).cached) != canonical.digest(type(one(2)).cached)
