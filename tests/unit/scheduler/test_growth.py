"""Nothing in the manager grows with the square of datasets, files, chunks or workers: calls are counted."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import counting
import pytest
from counting import chunks
from phases import SETTINGS, Phase
from scripted import Cost, Worker

import wq_runner
from wq_runner.ledger.parts import TreeSettings
from wq_runner.model import Category

OURS = Path(wq_runner.__file__).parent
LONG = (19.5, 20.0, 20.5, 21.0, 21.5, 22.0, 22.5)  # seconds: tasks end one by one
FACTOR = 2.4  # for twice as many: some are called for each, others for each and its logarithm


@functools.cache
def _of_manager(name: str) -> bool:
    """Whether a file is of the manager's side: what a worker does for a chunk is as much for each."""
    path = Path(name)
    return OURS in path.parents and OURS / "remote" not in path.parents


@contextmanager
def counted() -> Iterator[Callable[[], int]]:
    """Count what the manager calls and is called, in this thread and in those that begin meanwhile."""
    counts = [0]

    def count(frame: FrameType, event: str, _argument: Any) -> None:
        if event in {"call", "c_call"}:
            counts[0] += _of_manager(frame.f_code.co_filename)

    threading.setprofile(count)
    sys.setprofile(count)
    try:
        yield lambda: counts[0]
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def calls(root: Path, values: list[Any], **settings: Any) -> int:
    root.mkdir()
    phase = Phase(root, **settings)
    function = counting.name_of if phase.category is Category.PREPROCESSING else counting.look
    with counted() as number:
        phase.run(values, function)
    phase.journal.close()
    return number()


def datasets(number: int) -> dict[str, Any]:
    return {"values": [one for name in range(number) for one in chunks(f"D{name}", 1)]}


def chunks_of_few(number: int) -> dict[str, Any]:
    return {"values": [one for name in range(5) for one in chunks(f"D{name}", number // 5)]}


def files(number: int) -> dict[str, Any]:
    return {"values": chunks("A", 1, files=number)}


def unknown_files(number: int) -> dict[str, Any]:
    return {
        "values": [f"{one}.root" for one in range(number)],
        "category": Category.PREPROCESSING,
        "cost": lambda _: Cost(seconds=0.05),
    }


def workers(number: int) -> dict[str, Any]:
    there = tuple(Worker(host=f"n{one}") for one in range(number // 2))
    return {
        "values": chunks("A", number),
        "workers": there,
        "cost": lambda chunk: Cost(seconds=LONG[chunk.entrystart % 7]),
    }


def added_by_tasks(number: int) -> dict[str, Any]:
    settings = replace(SETTINGS, tree=TreeSettings(results=4, always=True))
    values = [one for name in range(number // 4) for one in chunks(f"D{name}", 4)]
    return {"values": values, "settings": settings}


@pytest.mark.parametrize("many", [datasets, chunks_of_few, files, unknown_files, workers, added_by_tasks])
def test_twice_as_many_cost_twice_as_much(tmp_path: Path, many: Callable[[int], dict[str, Any]]) -> None:
    calls(tmp_path / "first", **many(10))  # what is imported and remembered at the first time
    one, two = (calls(tmp_path / str(number), **many(number)) for number in (50, 100))
    assert two < FACTOR * one
