"""The accepted results of a run on disk: nothing counts before it is there, nothing is there twice.

A task's answer becomes ``part-ID`` in the ledger's directory, and then a line of the journal says
`Accepted`. Files of a dataset are added up, here or by tasks; when a sum is written as ``merged-ID-COUNT``,
a line says `Merged`, and the files it holds are removed. Small answers that come together are written as
such a sum at once, and their lines come with its line. Whatever moment a run is killed at, the journal and
these files tell exactly what is done:

- a part without its line does not count, and is removed;
- a merged file without its line does not count either: what it holds is still there;
- a file that is missing or damaged takes with it what it held, and only that.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from wq_runner.engine import answer
from wq_runner.ledger.items import Key, Sum
from wq_runner.ledger.side_files import FileStore, put_aside
from wq_runner.model import Category
from wq_runner.remote import wire
from wq_runner.run_events import Accepted, Dropped, Event, Merged, SideFile

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Holding:
    """A file of the ledger: the tasks whose results it holds, and the items of these.

    `given` is how many events the processor was given, which should be as many as the items have. `complete`
    is whether all that it holds is on record; a sum of which a part is not cannot be used.
    """

    name: str
    dataset: str
    tasks: tuple[int, ...]
    items: tuple[Key, ...]
    files: tuple[SideFile, ...] = ()
    portion: str = ""
    complete: bool = True
    given: int = 0

    @property
    def sum(self) -> Sum:
        return self.dataset, self.portion

    @property
    def events(self) -> int:
        return sum(stop - start for _, _, start, stop, _ in self.items)


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """What a journal and a ledger's directory have together.

    `holdings` are whole and can be added up; `lost` are those that are gone or damaged, for which `damaged`
    names the files. `stale` is what changed while they were made, and was accepted. `outdated` are those of
    processors that were edited since, where there are several.
    """

    holdings: tuple[Holding, ...] = ()
    lost: tuple[Holding, ...] = ()
    damaged: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    outdated: tuple[Holding, ...] = ()
    last_task: int = 0

    @cached_property
    def done(self) -> Mapping[str, frozenset[Key]]:
        """The items that need not run again, by dataset."""
        found: defaultdict[str, set[Key]] = defaultdict(set)
        for holding in self.holdings:
            found[holding.dataset].update(holding.items)
        return {dataset: frozenset(keys) for dataset, keys in found.items()}


@dataclass
class _Held:
    """What a file holds, as the lines of a journal come by: sums grow in place, as there may be many."""

    accepted: list[Accepted]
    complete: bool = True

    def take(self, other: _Held) -> None:
        self.accepted += other.accepted
        self.complete &= other.complete

    def holding(self, name: str, dataset: str) -> Holding:
        return Holding(
            name=name,
            dataset=dataset,
            portion=self.accepted[0].portion if self.accepted else "",
            tasks=tuple(one.task for one in self.accepted),
            items=tuple(item for one in self.accepted for item in one.items),
            files=tuple(file for one in self.accepted for file in one.files),
            complete=self.complete,
            given=sum(sum(one.given) if one.given else one.events for one in self.accepted),
        )


def holdings(events: Iterable[Event]) -> tuple[list[Holding], int]:
    """Return the files that should be there after these events, and the largest task number: pure."""
    datasets: defaultdict[str, dict[str, _Held]] = defaultdict(dict)
    last = 0
    for event in events:
        match event:
            case Accepted(category=Category.PROCESSING.value, task=task, dataset=dataset):
                datasets[dataset][part_name(task)] = _Held([event])
                last = max(last, task)
            case Merged(name=name, dataset=dataset, of=names):
                there = datasets[dataset]
                held = [there.pop(one) for one in names if one in there]
                merged = held[0] if held else _Held([])
                for one in held[1:]:
                    merged.take(one)
                merged.complete &= len(held) == len(names)
                there[name] = merged
            case Dropped(names=names):
                for there in datasets.values():
                    for name in names:
                        there.pop(name, None)
            case _:
                last = max(last, getattr(event, "task", 0))
    found = [
        held.holding(name, dataset) for dataset, there in datasets.items() for name, held in there.items()
    ]
    return found, last


def look(directory: Path, events: Iterable[Event], files: FileStore | None) -> Recovered:
    """Read what should be there, and change nothing. Without `files`, only that of the ledger itself."""
    expected, last = holdings(events)
    beside = (file for holding in expected for file in holding.files)
    damaged = files.damaged(beside) if files is not None else frozenset()
    whole: list[Holding] = []
    lost: list[Holding] = []
    names = [f"files/{name}" for name in sorted(damaged)]
    for holding in expected:
        there = holding.complete and _is_whole(directory / holding.name)
        if not there:
            names.append(f"ledger/{holding.name}")
        there = there and not any(file.name in damaged for file in holding.files)
        (whole if there else lost).append(holding)
    return Recovered(holdings=tuple(whole), lost=tuple(lost), damaged=tuple(names), last_task=last)


def recover(
    directory: Path, events: Iterable[Event], files: FileStore, aside: Path | None = None
) -> Recovered:
    """Check what should be there, remove what should not, or put it `aside`, and return both."""
    found = look(directory, events, files)
    for name in found.damaged:
        log.warning("%s is missing or damaged: what was with it runs again", directory.parent / name)
    keep_only(directory, found.holdings, files, aside)
    return found


def keep_only(
    directory: Path, holdings: Sequence[Holding], files: FileStore, aside: Path | None = None
) -> None:
    """Remove what is no part of these, or put it `aside`."""
    keep = {holding.name for holding in holdings}
    if directory.is_dir():
        for path in directory.iterdir():
            if path.name not in keep:
                put_aside(path, aside / directory.name / path.name if aside else None)
    beside = (file for holding in holdings for file in holding.files)
    files.remove_others(beside, aside / files.root.name if aside else None)


def part_name(task: int) -> str:
    return f"part-{task}"


def merged_name(last: int, count: int) -> str:
    """Name the sum of so many tasks' results.

    Files that count at the same time have no task in common, and a sum has more than any that it holds: the
    newest task and their number are a name that no other of them has.
    """
    return f"merged-{last}-{count}"


def keep(result: Path, path: Path) -> Path:
    """Move a task's answer into the ledger, safely on disk before it has its name there."""
    with result.open("rb") as stream:
        _keep_from_others(stream.fileno())
        os.fsync(stream.fileno())
    result.replace(path)
    return path


def _keep_from_others(descriptor: int) -> None:
    """Let nobody else change what will be unpickled, whatever the umask."""
    mode = os.fstat(descriptor).st_mode & 0o777
    if mode & 0o022:
        os.fchmod(descriptor, mode & ~0o022)


def write_sum(path: Path, total: Any) -> None:
    """Write a sum of results as an answer, safely on disk before anything refers to it."""
    import cloudpickle
    import lz4.frame

    blob = lz4.frame.compress(cloudpickle.dumps(total, protocol=pickle.HIGHEST_PROTOCOL))
    wire.write(path, {"host": "", "wall": 0.0}, [blob, b""])
    with path.open("rb") as stream:
        _keep_from_others(stream.fileno())
        os.fsync(stream.fileno())


def _is_whole(path: Path) -> bool:
    try:
        answer.read_answer(path)
    except (answer.DamagedError, OSError):
        return False
    return True
