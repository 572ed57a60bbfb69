"""What a phase of a run is given, and what comes of it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wq_runner.errors import WqRunnerError
from wq_runner.fingerprint.late_reads import LateReads
from wq_runner.journal import Journal
from wq_runner.ledger.completeness import Completed
from wq_runner.ledger.items import Item, Place, Sum
from wq_runner.ledger.parts import TreeSettings
from wq_runner.ledger.side_files import FileStore
from wq_runner.remote.columns import Wish
from wq_runner.remote.inputs import Known
from wq_runner.remote.pinned import Code
from wq_runner.scheduler import policy
from wq_runner.scheduler.allocation import AllocationSettings
from wq_runner.scheduler.batching import ShapeSettings
from wq_runner.scheduler.failure_messages import OF_RUNNER, Advice
from wq_runner.scheduler.hosts import Hosts, HostSettings
from wq_runner.scheduler.prior import NOTHING, Prior
from wq_runner.scheduler.read_columns import ReadSettings


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """`tree` is when tasks add results up; `paths` are where workers look for modules before their own.

    `code` is the analysis's as it was when the run began; None if it is looked at when it is sent.
    Random numbers follow from `seed`, and from the chunk that draws them. `prior` is what chunks took in an
    earlier run, `reads` how files are read, `columns` says which columns of files workers keep. `processors`
    are the names of several; empty if there is one.
    """

    shape: ShapeSettings = field(default_factory=ShapeSettings)
    policy: policy.Settings = field(default_factory=policy.Settings)
    allocation: AllocationSettings = field(default_factory=AllocationSettings)
    hosts: HostSettings = field(default_factory=HostSettings)
    tree: TreeSettings | None = None
    drain_time: float = 600.0
    paths: tuple[str, ...] = ()
    code: Code | None = None
    seed: int | None = None
    prior: Prior = NOTHING
    reads: ReadSettings = field(default_factory=ReadSettings)
    columns: Wish = field(default_factory=Wish)
    processors: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """An item that is not in the result; `by_function` if the function itself left it out, as coffea does."""

    item: Item
    reason: str
    by_function: bool = False


@dataclass(frozen=True, kw_only=True)
class LoopResult:
    """What a phase did. `results` are the sums, `left` the items that a stop came before.

    `again` are those that are to be planned again, as their files are not what was planned. `seen` is what
    tasks found files to be, `given` how many events of each dataset the processor was given. `running` is how
    many tasks the engine still has, which nobody waits for any more. `took` is what chunks took. Of several
    processors, those that `failed` were given up, with their items among those that are left; `unsummed` are
    the events of each dataset that an earlier process did for one whose results cannot be added up.
    """

    results: dict[Sum, Any]
    done: tuple[Item, ...]
    skipped: tuple[Skipped, ...]
    left: tuple[Item, ...] = ()
    again: tuple[Skipped, ...] = ()
    seen: Mapping[Place, Known] = field(default_factory=dict)
    given: Mapping[str, int] = field(default_factory=dict)
    running: int = 0
    took: Prior = NOTHING
    failed: Mapping[str, WqRunnerError] = field(default_factory=dict)
    unsummed: Mapping[str, int] = field(default_factory=dict)


@dataclass
class StopRequest:
    """Asks a loop to submit nothing more, and to end when what runs has ended."""

    since: float | None = None
    clock: Callable[[], float] = time.monotonic

    def make(self) -> None:
        self.since = self.since or self.clock()


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a phase works with, besides its engine.

    `staging` is the directory for the files of tasks. With `ledger`, a directory, results are kept
    there, and in `files` what processors write beside them. `numbers` are those of the tasks, never
    used before with this engine or ledger. `hosts` are those of the engine, in whatever phase;
    `local` is how many workers this host is going to have, 0 if they are elsewhere. `advice` is what
    failures end with, `late` watches what tasks read. `clock` tells seconds that only grow. `completed` is
    told of datasets that are, in the thread that adds results up.
    """

    staging: Path
    journal: Journal
    ledger: Path | None = None
    files: FileStore | None = None
    stop: StopRequest = field(default_factory=StopRequest)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    on_tick: Callable[[], None] = lambda: None
    advice: Advice = OF_RUNNER
    hosts: Hosts = field(default_factory=Hosts)
    local: int = 0
    late: LateReads = field(default_factory=LateReads)
    clock: Callable[[], float] = time.monotonic
    completed: Completed | None = None
