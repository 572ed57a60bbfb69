"""What `run.json` says of a run."""

from __future__ import annotations

import getpass
import importlib.metadata
import platform
import socket
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wq_runner.clock import Clock
from wq_runner.coffea_adapter.runner import Processed
from wq_runner.errors import EngineError, WqRunnerError
from wq_runner.model import Category, Chunk, Fileset
from wq_runner.monitor.view import LeftFiles
from wq_runner.planning.file_info import BadFile
from wq_runner.planning.left_out import LeftOut
from wq_runner.remote.seeds import PARTS
from wq_runner.run_events import Accepted, Event, TaskEnded
from wq_runner.summary import ENDED, RUNNING
from wq_runner.workers import program
from wq_runner.workers.local import PROGRAM, find_program

PACKAGES = ("wq-runner", "coffea", "awkward", "uproot", "numpy", "hist", "dill")


@dataclass(frozen=True, kw_only=True)
class Account:
    """Events of one dataset: planned = processed + skipped + left.

    `left` is what a stop came before, `given` what the processor was given of what is processed: as many
    events, or what was planned is not what was read. Files that never opened have unknown events.
    """

    files: int
    files_unreadable: int
    chunks: int
    planned: int
    processed: int
    skipped: int
    left: int = 0
    given: int | None = None

    @property
    def as_planned(self) -> bool:
        """Whether what was read is what is accounted for."""
        return self.given is None or self.given == self.processed

    @property
    def complete(self) -> bool:
        return self.processed == self.planned and not self.files_unreadable and self.as_planned

    def as_json(self) -> dict[str, Any]:
        return {
            "files": self.files,
            "files_unreadable": self.files_unreadable,
            "chunks": self.chunks,
            "events_planned": self.planned,
            "events_processed": self.processed,
            "events_skipped": self.skipped,
            "events_left": self.left,
            "events_read": self.processed if self.given is None else self.given,
            "complete": self.complete,
        }


@dataclass(frozen=True)
class Spent:
    """What this process had done for each dataset: a listener of the journal.

    `seconds` are the processor's, added up over all cores; `accepted` are the events that are in the result.
    """

    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    events: Counter[str] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)

    def __call__(self, _now: float, event: Event) -> None:
        match event:
            case TaskEnded(category=Category.PROCESSING.value):
                self.seconds[event.dataset] += event.processing
                self.events[event.dataset] += event.events
            case Accepted(category=Category.PROCESSING.value):
                self.accepted[event.dataset] += event.events
            case _:
                pass


@dataclass
class Record:
    """The parts of run.json, filled in as the run goes."""

    command: Sequence[str]
    options: Mapping[str, tuple[Any, str]]
    samples: Sequence[str]
    started: float
    clock: Clock = field(default_factory=Clock)
    run: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    read_late: Mapping[str, str] = field(default_factory=dict)
    not_watched: Sequence[str] = ()
    stale: Sequence[str] = ()
    inputs: str = ""
    files: Sequence[Mapping[str, Any]] = ()
    sources: Sequence[Mapping[str, Any]] = ()
    outputs: Sequence[Mapping[str, Any]] = ()
    written: bool = False
    """Whether these are all that the result is to be written to."""
    files_written: int = 0
    left_behind: LeftFiles | None = None
    form: Mapping[str, Any] = field(default_factory=dict)
    staged: Sequence[Mapping[str, Any]] = ()
    missing_file: Mapping[str, Any] | None = None
    accounts: dict[str, Account] = field(default_factory=dict)
    missing: list[dict[str, Any]] = field(default_factory=list)
    limited: Mapping[str, LeftOut] = field(default_factory=dict)
    phases: dict[str, float] = field(default_factory=dict)
    spent: Spent = field(default_factory=Spent)

    @property
    def complete(self) -> bool:
        return bool(self.accounts) and all(one.complete for one in self.accounts.values())

    def as_json(self, *, code: int | None, message: str, finished: float | None) -> dict[str, Any]:
        """Return what run.json says; without a code, of a run that has not ended."""
        return {
            "format": 1,
            "run": self.run,
            "state": RUNNING if code is None else ENDED,
            "command": list(self.command),
            "exit_code": code,
            "message": message,
            "complete": self.complete and self.written,
            "started": self.started,
            "finished": finished,
            "seconds": {**self.phases, "total": (finished or self.started) - self.started},
            "user": user(),
            "host": socket.getfqdn(),
            "directory": str(Path.cwd()),
            "versions": versions(),
            "environment": self.environment.get("description", ""),
            "environment_details": dict(self.environment),
            "fingerprint": dict(self.fingerprint),
            "read_late": dict(self.read_late),
            "not_watched": list(self.not_watched),
            "stale": list(self.stale),
            "random_numbers": {"seed": self.options.get("seed", (None, ""))[0], "derived_from": list(PARTS)},
            "inputs": self.inputs,
            "files": [dict(one) for one in self.files],
            "sources": [dict(one) for one in self.sources],
            "outputs": [dict(one) for one in self.outputs],
            "files_written": self.files_written,
            "files_lost": None if self.left_behind is None else vars(self.left_behind),
            "form": dict(self.form),
            "staged": [dict(one) for one in self.staged],
            "options": {
                name: {"value": value, "origin": origin} for name, (value, origin) in self.options.items()
            },
            "arguments": dict(self.arguments),
            "samples": list(self.samples),
            "datasets": {name: account.as_json() for name, account in self.accounts.items()},
            "missing": self.missing,
            "missing_file": self.missing_file and dict(self.missing_file),
            "limited": {name: one.as_json() for name, one in self.limited.items()},
        }


def accounts(
    fileset: Fileset, plan: Sequence[Chunk], found: Processed, bad: Sequence[BadFile]
) -> dict[str, Account]:
    """Make up the account of each dataset from the plan and from coffea's own record of the result.

    Raises
    ------
    WqRunnerError
        If they do not add up, which would be a bug of ours.
    """
    counted: Counter[str] = Counter()
    for item in found.items:
        counted[item.dataset] += len(item)
    skipped: Counter[str] = Counter()
    for one in found.skipped:
        skipped[one.item.dataset] += one.item.events
    planned: dict[str, list[Chunk]] = {dataset.name: [] for dataset in fileset}
    for chunk in plan:
        planned[chunk.dataset].append(chunk)
    made = {}
    for dataset in fileset:
        chunks = planned[dataset.name]
        made[dataset.name] = Account(
            files=len(dataset.files),
            files_unreadable=sum(one.dataset == dataset.name for one in bad),
            chunks=len(chunks),
            planned=sum(chunk.events for chunk in chunks),
            processed=counted[dataset.name],
            skipped=skipped[dataset.name],
            left=found.left.get(dataset.name, 0),
            given=found.given.get(dataset.name),
        )
    for name, account in made.items():
        if account.planned != account.processed + account.skipped + account.left:
            raise WqRunnerError(
                f"{name}: {account.planned} events were planned, but {account.processed} are in the result, "
                f"{account.skipped} were skipped and {account.left} are left",
                hint="this is a bug in wq-runner: please report it with the run's journal.jsonl",
            )
    return made


def user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no name for this user id, as in some containers
        return ""


def versions() -> dict[str, str]:
    """Return the versions of Python, of the packages that matter and of the engine."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    found["work_queue"] = engine_release()
    return found


def engine_release() -> str:
    """Return the release of the engine's programs, or that they are not installed, or do not start."""
    try:
        path = find_program()
    except EngineError:
        return f"not installed ({PROGRAM} not found)"
    try:
        first = program.told(path).partition("\n")[0]
    except EngineError as error:
        return error.message
    return first.rpartition(f"{PROGRAM} version ")[2].strip()
