"""The accepted results of a run on disk: nothing counts before it is there, nothing is there twice.

A task's answer becomes ``part-ID`` in the ledger's directory, and then a line of the journal says
`Accepted`. Parts of a dataset are added up in memory; now and then the sum is written as
``merged-ID``, a line says `Merged`, and the parts it holds are removed. Whatever moment a run is
killed at, the journal and these files tell exactly what is done:

- a part without its line does not count, and is removed;
- a merged file without its line does not count either: its parts are still there;
- a file that is missing or damaged takes with it what it held, and only that.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wq_runner.engine import answer
from wq_runner.execution.files import FileStore
from wq_runner.execution.items import Key
from wq_runner.journal import Accepted, Dropped, Event, Merged, SideFile
from wq_runner.model import Category
from wq_runner.remote import wire

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Holding:
    """A file of the ledger: the tasks whose results it holds, and the items of these."""

    name: str
    dataset: str
    tasks: tuple[int, ...]
    items: tuple[Key, ...]
    files: tuple[SideFile, ...] = ()

    @property
    def events(self) -> int:
        return sum(stop - start for _, _, start, stop, _ in self.items)


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """What a journal and a ledger's directory have together.

    `holdings` are whole and can be added up; `lost` are those that are gone or damaged.
    """

    holdings: tuple[Holding, ...] = ()
    lost: tuple[Holding, ...] = ()
    last_task: int = 0

    @property
    def done(self) -> Mapping[str, frozenset[Key]]:
        """The items that need not run again, by dataset."""
        found: defaultdict[str, set[Key]] = defaultdict(set)
        for holding in self.holdings:
            found[holding.dataset].update(holding.items)
        return {dataset: frozenset(keys) for dataset, keys in found.items()}


@dataclass
class _History:
    """What the journal says of one dataset."""

    merged: Holding | None = None
    parts: dict[int, Holding] = field(default_factory=dict)


def holdings(events: Iterable[Event]) -> tuple[list[Holding], int]:
    """Return the files that should be there after these events, and the largest task number: pure."""
    histories: defaultdict[str, _History] = defaultdict(_History)
    last = 0
    for event in events:
        match event:
            case Accepted(category=Category.PROCESSING.value, task=task, dataset=dataset, items=items):
                histories[dataset].parts[task] = Holding(
                    name=part_name(task), dataset=dataset, tasks=(task,), items=items, files=event.files
                )
                last = max(last, task)
            case Merged(name=name, dataset=dataset, tasks=tasks):
                _merge(histories[dataset], name, dataset, tasks)
            case Dropped(names=names):
                for history in histories.values():
                    _drop(history, names)
            case _:
                last = max(last, getattr(event, "task", 0))
    found = [
        holding
        for history in histories.values()
        for holding in (*([history.merged] if history.merged else []), *history.parts.values())
    ]
    return found, last


def _merge(history: _History, name: str, dataset: str, tasks: tuple[int, ...]) -> None:
    held = [history.merged] if history.merged else []
    held += [history.parts.pop(task) for task in tasks if task in history.parts]
    history.merged = Holding(
        name=name,
        dataset=dataset,
        tasks=tuple(task for one in held for task in one.tasks),
        items=tuple(item for one in held for item in one.items),
        files=tuple(file for one in held for file in one.files),
    )


def _drop(history: _History, names: tuple[str, ...]) -> None:
    if history.merged is not None and history.merged.name in names:
        history.merged = None
    history.parts = {task: one for task, one in history.parts.items() if one.name not in names}


def look(directory: Path, events: Iterable[Event], files: FileStore) -> Recovered:
    """Check what should be there, and change nothing."""
    expected, last = holdings(events)
    whole: list[Holding] = []
    lost: list[Holding] = []
    for holding in expected:
        there = _is_whole(directory / holding.name) and files.are_there(holding.files)
        (whole if there else lost).append(holding)
    return Recovered(holdings=tuple(whole), lost=tuple(lost), last_task=last)


def recover(directory: Path, events: Iterable[Event], files: FileStore) -> Recovered:
    """Check what should be there, remove what should not, and return both."""
    found = look(directory, events, files)
    for holding in found.lost:
        log.warning(
            "%s or a file written with it is missing or damaged: what it held runs again",
            directory / holding.name,
        )
    keep_only(directory, found.holdings, files)
    return found


def keep_only(directory: Path, holdings: Sequence[Holding], files: FileStore) -> None:
    """Remove what is no part of these."""
    keep = {holding.name for holding in holdings}
    if directory.is_dir():
        for path in directory.iterdir():
            if path.name not in keep:
                path.unlink()
    files.remove_others(file for holding in holdings for file in holding.files)


def part_name(task: int) -> str:
    return f"part-{task}"


def merged_name(task: int) -> str:
    return f"merged-{task}"


def keep_part(directory: Path, task: int, result: Path) -> Path:
    """Move a task's answer into the ledger, safely on disk before it has its name there."""
    path = directory / part_name(task)
    with result.open("rb") as stream:
        os.fsync(stream.fileno())
    result.replace(path)
    return path


def write_sum(path: Path, total: Any) -> None:
    """Write a sum of results as an answer, safely on disk before anything refers to it."""
    import cloudpickle
    import lz4.frame

    blob = lz4.frame.compress(cloudpickle.dumps(total, protocol=pickle.HIGHEST_PROTOCOL))
    wire.write(path, {"host": "", "wall": 0.0}, [blob, b""])
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def _is_whole(path: Path) -> bool:
    try:
        answer.read_answer(path)
    except (answer.DamagedError, OSError, KeyError):
        return False
    return True
