"""Functions of chunks that need no events, and what must be in their results.

A module of its own, and a small one: what the modules of a processor hold is looked through for each chunk.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wq_runner.errors import InputError
from wq_runner.remote.several import MEANT


@dataclass(frozen=True)
class Chunk:
    """A chunk as coffea's WorkItem is one."""

    dataset: str
    filename: str
    entrystart: int
    entrystop: int
    treename: str = "Events"
    fileuuid: bytes = b"\1"
    usermeta: Mapping[str, Any] | None = None

    @property
    def events(self) -> int:
        return self.entrystop - self.entrystart


def look(chunk: Chunk) -> dict[str, Any]:
    """Process a chunk: count its events, and say which they are."""
    return {"events": chunk.events, "seen": {_place(chunk)}}


def chunks(dataset: str, count: int, events: int = 1000, *, files: int = 1) -> list[Chunk]:
    """Return so many chunks of each file of a dataset."""
    return [
        Chunk(dataset, f"{dataset}-{file}.root", number * events, (number + 1) * events)
        for file in range(files)
        for number in range(count)
    ]


def ranges(results: Mapping[tuple[str, str], Any]) -> list[tuple[str, int, int]]:
    """Return which events are in the results, by file, as few ranges as they make; none is there twice."""
    found: list[tuple[str, int, int]] = []
    for one in sorted(chunk for result in results.values() for chunk in result["seen"]):
        assert not found or found[-1][0] != one[0] or found[-1][2] <= one[1], "events that count twice"
        if found and found[-1][0] == one[0] and found[-1][2] == one[1]:
            found[-1] = (*found[-1][:2], one[2])
        else:
            found.append(one)
    assert sum(result["events"] for result in results.values()) == sum(
        stop - start for _, start, stop in found
    )
    return found


def all_of(values: Sequence[Chunk]) -> list[tuple[str, int, int]]:
    """Return what `ranges` says of a result with all of these."""
    return ranges({("", ""): {"events": sum(one.events for one in values), "seen": set(map(_place, values))}})


def _place(chunk: Chunk) -> tuple[str, int, int]:
    return chunk.filename, chunk.entrystart, chunk.entrystop


def fail_in_b(chunk: Chunk) -> dict[str, Any]:
    if chunk.dataset == "B":
        raise ValueError("no muons")
    return look(chunk)


def fail_at_3000(chunk: Chunk) -> dict[str, Any]:
    if chunk.entrystart <= 3000 < chunk.entrystop:
        raise ValueError("event 3000")
    return look(chunk)


def cannot_read_1(chunk: Chunk) -> dict[str, Any]:
    if chunk.filename == "A-1.root":
        raise InputError("no such file")
    return look(chunk)


def for_each(processors: Sequence[str], values: Sequence[Chunk]) -> list[Chunk]:
    """Return the chunks of several processors, as `wq-run` plans them."""
    return [
        replace(one, dataset=f"{name}.{one.dataset}", usermeta={MEANT: (name, one.dataset), "who": name})
        for one in values
        for name in processors
    ]


def fail_in_mm(chunk: Chunk) -> dict[str, Any]:
    if chunk.usermeta is not None and chunk.usermeta["who"] == "mm":
        raise ValueError("no muons")
    return look(chunk)


def unlike_in_mm(chunk: Chunk) -> dict[str, Any]:
    """Return a structure of another kind for the later chunks of mm."""
    found = look(chunk)
    if chunk.usermeta is not None and chunk.usermeta["who"] == "mm":
        found["cuts"] = {"njet": 1} if chunk.entrystart < 3000 else ["njet"]
    return found


def unlike_and_large_in_mm(chunk: Chunk) -> dict[str, Any]:
    return {**unlike_in_mm(chunk), "table": np.random.default_rng(chunk.entrystart).random(20_000)}


def nothing_of_a(chunk: Chunk) -> dict[str, Any] | None:
    """Leave out what coffea would: a file that it skips."""
    return None if chunk.dataset == "A" else look(chunk)


def a_lock(chunk: Chunk) -> Any:
    return threading.Lock() if chunk.dataset == "B" else look(chunk)


def name_of(path: str) -> dict[str, Any]:
    """Open a file, as far as its name goes."""
    return {"files": {path}}
