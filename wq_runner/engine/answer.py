"""Reading on the manager what a task answered."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from wq_runner import guarded
from wq_runner.errors import ProcessorError
from wq_runner.remote import wire
from wq_runner.remote.wire import DamagedError

__all__ = [
    "Answer",
    "ColumnsTold",
    "DamagedError",
    "Elsewhere",
    "Failure",
    "Input",
    "Kind",
    "Left",
    "Measurement",
    "TaskWarning",
    "divide",
    "read_answer",
    "read_exceptions",
    "read_result",
]


class Kind(str, Enum):
    """What a failure of an item was about."""

    INPUT = "input"
    PROCESSOR = "processor"
    SCHEMA = "schema"
    """What failed before the processor was called, in a file that can be read."""
    MEMORY = "memory"
    STALL = "stall"
    CRASH = "crash"
    RESULT = "result"
    ENVIRONMENT = "environment"
    CHANGED = "changed"
    """The file is not the one that was planned."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why an item failed. `index` is its place in the batch, None for all that are named nowhere else.

    `memory` is what was used when the watcher ended it, in bytes.
    """

    index: int | None
    kind: Kind
    type: str
    message: str
    traceback: str
    signature: str
    memory: int = 0

    @property
    def summary(self) -> str:
        first, *_ = self.message.strip().splitlines() or [""]
        if self.kind in {Kind.MEMORY, Kind.STALL, Kind.CRASH} or self.type in {
            "BadFileError",
            "ChangedFileError",
            "UnusableResultError",
        }:
            return first
        return f"{self.type}: {first}" if first else self.type


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one item used: seconds, and bytes."""

    index: int
    wall: float
    cpu: float
    memory: int
    bytes_read: int


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """Where an item was read, if not at its first place; `reason` is empty where that was not asked again."""

    index: int
    place: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Left:
    """Files that a processor left in its task's directory, which is gone: how many, bytes, some names."""

    files: int
    bytes: int
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ColumnsTold:
    """What a task says of the columns that its host keeps: see `remote.columns.Counts`."""

    hits: int
    misses: int
    bytes_hit: int
    bytes_missed: int
    bytes_kept: int
    saved: float
    place: str
    limit: int
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Input:
    """What an item's file was when it was read, and how many events of it the processor was given.

    `identity` is empty and the numbers are None where that was not to be seen.
    """

    index: int
    identity: str
    entries: int | None
    events: int | None


@dataclass(frozen=True, kw_only=True)
class TaskWarning:
    """Warnings of one text (but for numbers) and class, where one was raised, and how many there were."""

    kind: str
    text: str
    place: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The header of an answer: which items of the batch are in the result, which are not, and why.

    Items that are named nowhere were not reached. `sums` are those that are done by the sums that they are
    in, one after the other as they are in the file. `read` is what the process has read of the user's: see
    `remote.reads`. `columns` are what chunks of each dataset asked servers for, and were not told.
    """

    host: str
    wall: float
    startup: float
    done: tuple[int, ...]
    sums: tuple[tuple[int, ...], ...] = ()
    skipped: Mapping[int, str]
    failures: tuple[Failure, ...]
    measured: tuple[Measurement, ...]
    elsewhere: tuple[Elsewhere, ...] = ()
    warned: tuple[TaskWarning, ...] = ()
    left: Left | None = None
    kept: ColumnsTold | None = None
    inputs: Mapping[int, Input] = field(default_factory=dict)
    read: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, frozenset[str]] = field(default_factory=dict)


def read_answer(path: Path, *, files: bool = False) -> Answer:
    """Read the header and check the result against it, with `files` those of the processor as well.

    Raises
    ------
    DamagedError
        If any part is missing or not what was written.
    OSError
        If the file cannot be read.
    """
    header, _ = wire.read(path)
    if files:
        wire.check_files(path)
    try:
        return _answer(header)
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedError(f"{path.name} is no answer of this version") from error


def _answer(header: Mapping[str, Any]) -> Answer:
    return Answer(
        host=header["host"],
        wall=header["wall"],
        startup=header.get("startup", 0.0),
        done=tuple(header.get("done", ())),
        sums=tuple(tuple(done) for done in header.get("sums", ())),
        skipped={entry["index"]: entry["reason"] for entry in header.get("skipped", ())},
        failures=tuple(
            Failure(**{**entry, "kind": Kind(entry["kind"])}) for entry in header.get("failures", ())
        ),
        measured=tuple(Measurement(**entry) for entry in header.get("measured", ())),
        elsewhere=tuple(Elsewhere(**entry) for entry in header.get("elsewhere", ())),
        warned=tuple(TaskWarning(**entry) for entry in header.get("warned", ())),
        left=Left(**{**left, "names": tuple(left["names"])}) if (left := header.get("left")) else None,
        kept=_kept(header.get("kept")),
        inputs={entry["index"]: Input(**entry) for entry in header.get("inputs", ())},
        read=header.get("read", {}),
        columns={name: frozenset(map(str, read)) for name, read in header.get("columns", {}).items()},
    )


def _kept(told: Mapping[str, Any] | None) -> ColumnsTold | None:
    return ColumnsTold(**{**told, "notes": tuple(told["notes"])}) if told else None


def read_result(path: Path) -> Any:
    """Return the merged result of the items that were done.

    Raises
    ------
    DamagedError, OSError
        If the file is not what was written, or cannot be read.
    ProcessorError
        If what is in it cannot be made again, which is done by code of the user's for classes of his own.
    """
    import lz4.frame

    _, (blob, *_) = wire.read(path)
    content = lz4.frame.decompress(blob)
    try:
        return pickle.loads(content)
    except (MemoryError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise ProcessorError(
            f"what the processor returned cannot be read again\n\n{guarded.lines_of(error)}",
            hint="it is pickled on workers: a class of its own has to allow for that",
        ) from error


def divide(path: Path, into: Sequence[Path]) -> None:
    """Write each sum of an answer as an answer of its own, and remove it: without what it has beside them.

    Raises
    ------
    DamagedError, OSError
        As for `read_answer`, or if they cannot be written.
    """
    header, (first, _, *others) = wire.read(path)
    for place, blob in zip(into, (first, *others), strict=True):
        wire.write(place, {"host": header["host"], "wall": header["wall"]}, [blob, b""])
    path.unlink()


def read_exceptions(path: Path) -> list[BaseException]:
    """Return the exception of each failure, linked to its causes as it was on the worker."""
    _, blobs = wire.read(path)
    if len(blobs) < 2:
        return []
    chains: list[list[BaseException]] = pickle.loads(blobs[1])
    for chain in chains:
        for outer, cause in itertools.pairwise(chain):
            outer.__cause__ = cause
    return [chain[0] for chain in chains]
