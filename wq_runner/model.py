"""The values that cross module borders. All are frozen; change is `dataclasses.replace`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

T = TypeVar("T")

DEFAULT_TREENAME = "Events"
"""Of memory and disk, as the engine counts."""

Range = tuple[int, int]
"""Entries ``[start, stop)`` of a tree."""


@dataclass(frozen=True, kw_only=True)
class FileFacts:
    """What is known of a file once it has been opened.

    `uuid` is coffea's (of parquet a hash of the path). `identity` follows from the content, whatever the
    file is called (see `remote.identity`); it is empty where only the samples tell of the file. `clusters`
    are the entry offsets at which all branches have a boundary, with 0 and the number of entries; None
    where nobody asked.
    """

    entries: int
    uuid: bytes
    identity: bytes = b""
    clusters: tuple[int, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class InputFile:
    """A file of a dataset. `fallbacks` name the same file elsewhere, in the order to try them.

    `ranges` restricts the file to some entries, None is all of it. `facts` are set where the
    samples already know them, so that the file need not be opened.
    """

    path: str
    treename: str = DEFAULT_TREENAME
    fallbacks: tuple[str, ...] = ()
    ranges: tuple[Range, ...] | None = None
    facts: FileFacts | None = None


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A named set of files. `metadata` reaches the processor as ``events.metadata``.

    `preload` are branches that coffea reads all at once, before the processor asks for them. Where there are
    several processors, each has datasets of its own, whose names begin with its `processor`.
    """

    name: str
    files: tuple[InputFile, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    preload: tuple[str, ...] | None = None
    processor: str = ""

    @property
    def plain(self) -> str:
        """What the samples call it, and the processor."""
        return self.name.removeprefix(f"{self.processor}.") if self.processor else self.name

    def document(self, files: Mapping[str, Any]) -> dict[str, Any]:
        """Return it as filesets of coffea have it, with these files and what is known of each."""
        found = {"files": dict(files), "metadata": dict(self.metadata)}
        return found if self.preload is None else {**found, "preload": list(self.preload)}

    @property
    def is_simulation(self) -> bool | None:
        """Whether the events are simulated; None where the samples do not say."""
        if "isData" in self.metadata:
            return not self.metadata["isData"]
        if "isMC" in self.metadata:
            return str(self.metadata["isMC"]).lower() in {"true", "1"}
        return None


Fileset = tuple[Dataset, ...]


@dataclass(frozen=True, kw_only=True)
class PerDataset(Generic[T]):
    """A value for each dataset: that of its name, or else of the first pattern that matches, or `default`."""

    default: T
    patterns: tuple[tuple[str, T], ...] = ()

    def of(self, dataset: str) -> T:
        for pattern, value in self.patterns:
            if pattern == dataset:
                return value
        return next((value for name, value in self.patterns if fnmatchcase(dataset, name)), self.default)

    def __str__(self) -> str:
        pairs = self.patterns if self.default is None else (("default", self.default), *self.patterns)
        return ",".join(f"{name}={'' if value is None else value}" for name, value in pairs)


def value_of(value: T | PerDataset[T], dataset: str) -> T:
    """Return the value of a dataset, where one may be given for all."""
    return value.of(dataset) if isinstance(value, PerDataset) else value


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Entries ``[start, stop)`` of one file: the unit that a processor sees at once."""

    dataset: str
    path: str
    treename: str
    start: int
    stop: int
    uuid: bytes = b""
    identity: bytes = b""

    @property
    def events(self) -> int:
        return self.stop - self.start


class Category(str, Enum):
    """The kinds of task; the engine keeps statistics for each."""

    PREPROCESSING = "preprocessing"
    PROCESSING = "processing"
    ACCUMULATING = "accumulating"


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a task may use or a worker has: memory and disk in MB (2^20), wall_time in seconds.

    None is "not said": the engine then gives the share of the worker that fits the cores.
    """

    cores: float | None = None
    memory: float | None = None
    disk: float | None = None
    gpus: float | None = None
    wall_time: float | None = None


@dataclass(frozen=True, kw_only=True)
class Task:
    """A piece of work for the engine: apply a function to a batch of items and merge the results.

    `function` is a file, shared by many tasks and cached by workers; `items` a text, and no file because a
    run has many of them; `result` a file, which the engine writes before it reports the outcome. `inputs`
    appear under their names in the task's directory, if it has one of its own.
    """

    id: int
    category: Category
    function: Path
    items: str
    result: Path
    inputs: tuple[Path, ...] = ()
    resources: Resources = Resources(cores=1)


Order = Literal["given", "largest", "smallest"]
"""In which order datasets are finished: that of the samples, or those with most or fewest events first."""

ResourcesMode = Literal["auto", "fixed", "max", "min-waste", "max-throughput"]
"""Who decides what a task may use: we, the user, or one of the engine's own ways."""


class Ending(str, Enum):
    """How the engine says an attempt ended; what the payload did is in its result file."""

    RETURNED = "returned"
    """The result file is there."""
    NO_RESULT = "no result"
    """The command ended, by exit or by signal, without one."""
    DIED = "died"
    """The process that did it ended while it did, and no other task can have been the reason."""
    EXHAUSTED = "exhausted"
    """It went over its allocation of memory, disk or time."""
    LOST = "lost"
    """The worker went away, or the engine gave the task up."""
    DEADLY = "deadly"
    """So many workers in a row went away with it that it may be the reason."""
    TRANSFER = "transfer"
    """An input or output could not be moved."""


NEVER_RAN = -1
"""The code of a command that the engine never started, or whose process is gone without a trace."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the engine knows of a finished attempt. Times are seconds since the epoch, sizes bytes.

    `exit_code` is negative for a signal, but for `NEVER_RAN`; `output` is the end of what the command
    printed.
    """

    task_id: int
    ending: Ending
    exit_code: int = 0
    host: str = ""
    output: str = ""
    detail: str = ""
    allocated: Resources = Resources()
    measured: Resources = Resources()
    submitted: float = 0.0
    started: float = 0.0
    finished: float = 0.0
    bytes_sent: int = 0
    bytes_received: int = 0
    transfer_seconds: float = 0.0

    @property
    def never_ran(self) -> bool:
        return self.ending is Ending.NO_RESULT and self.exit_code == NEVER_RAN
