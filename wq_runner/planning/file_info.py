"""Learning how many events the files hold: from the samples, the cache, a look from here, or tasks."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from wq_runner.config.settings import ChunkSettings
from wq_runner.journal import Listener
from wq_runner.ledger.items import Place
from wq_runner.model import Category, FileFacts, Fileset, InputFile
from wq_runner.planning import chunks
from wq_runner.remote.inputs import UNKNOWN, Known
from wq_runner.remote.opening import Reading
from wq_runner.run_events import Decided, Event
from wq_runner.samples.anywhere import PATIENCE, FileToOpen, open_file, probe_anywhere
from wq_runner.samples.cache import FactsCache, States, states_of
from wq_runner.scheduler.phase import Skipped, StopRequest
from wq_runner.scheduler.policy import Cause
from wq_runner.scheduler.session import Session

FEW = 48
"""So many files are opened from here, while workers start; more are opened by tasks."""

_THREADS = 8

_LOOK_EVERY = 0.5  # seconds between looks whether the run is to stop

_GIVEN_UP = ("skip", "abort", "again")
_CAUSES = (Cause.INPUT.value, Cause.CHANGED.value)

_SAMPLES = "the samples say so"


@dataclass(frozen=True, kw_only=True)
class BadFile:
    """A file that could not be read, and was left out."""

    dataset: str
    path: str
    reason: str


@dataclass(kw_only=True)
class Knowledge:
    """What is known of the files, and how it came to be known."""

    facts: dict[InputFile, FileFacts] = field(default_factory=dict)
    origins: dict[InputFile, str] = field(default_factory=dict)
    """Who told them, of files that this run has not opened."""
    bad: list[BadFile] = field(default_factory=list)
    cached: int = 0
    opened: int = 0


def forgetful(cache: FactsCache) -> Listener:
    """Return what forgets the facts of files that were not to be read: the next run opens them anew."""

    def listen(_: float, event: Event) -> None:
        if isinstance(event, Decided) and event.cause in _CAUSES and event.action in _GIVEN_UP:
            cache.forget({path for path, *_ in event.items})

    return listen


def known_facts(fileset: Fileset, cache: FactsCache) -> Knowledge:
    """Return what the samples and the cache know, without opening anything."""
    files = [file for dataset in fileset for file in dataset.files]
    remembered = cache.get_many(files)  # which was measured, what samples say is a claim
    told = {file: file.facts for file in files if file.facts is not None and file not in remembered}
    return Knowledge(
        facts={**remembered, **told},
        origins={**dict.fromkeys(told, _SAMPLES), **dict.fromkeys(remembered, f"{cache.path} has it so")},
        cached=len(remembered) + len(told),
    )


def wrong_claims(knowledge: Knowledge) -> list[str]:
    """Say what samples claim of files that is known to be otherwise."""
    return [
        f"{file.path} has {known.entries:,} entries, the samples say {file.facts.entries:,}"
        for file, known in knowledge.facts.items()
        if file.facts is not None and file.facts.entries != known.entries
    ]


def forget(knowledge: Knowledge, cache: FactsCache, items: Iterable[Skipped]) -> list[str]:
    """Forget what tasks found to be otherwise, and say for each file what it was and who told it."""
    reasons = {one.item.file: one.reason for one in items}
    said = []
    for file in [file for file in knowledge.facts if (file.path, file.treename) in reasons]:
        del knowledge.facts[file]
        origin = knowledge.origins.pop(file, "so it was when it was opened before")
        said.append(f"{file.path}: {reasons[file.path, file.treename]} ({origin})")
    cache.forget({path for path, _ in reasons})
    return said


def confirm(knowledge: Knowledge, cache: FactsCache, seen: Mapping[Place, Known], before: States) -> bool:
    """Take from tasks what files are of which only the samples told, remember it, and say if it did."""
    found = {}
    for file, facts in knowledge.facts.items():
        identity, entries = seen.get((file.path, file.treename), UNKNOWN)
        if not facts.identity and identity and entries == facts.entries:
            found[file] = replace(facts, identity=bytes.fromhex(identity))
    knowledge.facts |= found
    cache.put_many(found, before)
    return bool(found)


def learn(
    fileset: Fileset,
    knowledge: Knowledge,
    *,
    session: Session,
    cache: FactsCache,
    settings: ChunkSettings,
    recorded: Container[Place] = (),
) -> None:
    """Open the files that the plan needs, and remember what they hold; less, if the session is told to stop.

    Results that are there are of `recorded` files: what these are has to be known, and not only claimed.

    Raises
    ------
    InputError
        If a file cannot be read and may not be skipped.
    """
    for file in [file for file, facts in knowledge.facts.items() if not facts.identity]:
        if (file.path, file.treename) in recorded:
            del knowledge.facts[file]
    while True:
        # files found bad are left out, so that a limit is met with others
        fileset = chunks.without(fileset, {bad.path for bad in knowledge.bad})
        wanted = chunks.files_to_open(fileset, knowledge.facts, settings)
        if not wanted:
            return
        before = states_of(wanted)
        reading = session.settings.reads.reading
        found = _open_here(wanted, session.stop, reading=reading) if len(wanted) <= FEW else {}
        elsewhere = [file for file in wanted if file not in found]
        if elsewhere and session.stop.since is None:
            by_tasks, bad = _open_by_tasks(fileset, elsewhere, session)
            found |= by_tasks
            knowledge.bad += bad
        knowledge.facts |= found
        for file in found:
            knowledge.origins.pop(file, None)
        knowledge.opened += len(found)
        cache.put_many(found, before)
        if session.stop.since is not None:
            return


def _open_here(
    files: Sequence[InputFile],
    stop: StopRequest,
    patience: float = PATIENCE,
    reading: Reading | None = None,
) -> dict[InputFile, FileFacts]:
    """Open files from this process; those that do not open are left to the workers, who may see more.

    A file system that never answers holds its thread for ever: such files are left to tasks, which are
    watched from outside. Daemon threads do not hold up the end of the program.
    """
    reading = reading or Reading()
    waiting: queue.SimpleQueue[InputFile] = queue.SimpleQueue()
    looks: queue.SimpleQueue[tuple[InputFile, FileFacts | None]] = queue.SimpleQueue()

    def look() -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                file = waiting.get_nowait()
                try:
                    looks.put((file, probe_anywhere(file, patience=patience / 2, reading=reading)))
                except Exception:  # a task says what it is, if it comes again
                    looks.put((file, None))

    for file in files:
        waiting.put(file)
    for _ in range(min(_THREADS, len(files))):
        threading.Thread(target=look, name="opening", daemon=True).start()
    found: dict[InputFile, FileFacts] = {}
    came, last = 0, time.monotonic()
    # each within this time after the one before
    while came < len(files) and stop.since is None and time.monotonic() < last + patience:
        with contextlib.suppress(queue.Empty):
            file, facts = looks.get(timeout=min(_LOOK_EVERY, patience))
            came, last = came + 1, time.monotonic()
            if facts is not None:
                found[file] = facts
    return {file: found[file] for file in files if file in found}  # as asked, not as they came


def _open_by_tasks(
    fileset: Fileset, files: Sequence[InputFile], session: Session
) -> tuple[dict[InputFile, FileFacts], list[BadFile]]:
    datasets: dict[InputFile, str] = {}
    for dataset in fileset:
        for file in dataset.files:
            datasets.setdefault(file, dataset.name)
    items = [
        FileToOpen(number=number, dataset=datasets[file], file=file, reading=session.settings.reads.reading)
        for number, file in enumerate(files)
    ]
    done = session.run(items, open_file, Category.PREPROCESSING)
    found = {files[number]: known for part in done.results.values() for number, known in part.items()}
    reasons = {one.item.path: one.reason for one in done.skipped}
    bad = [
        BadFile(dataset=dataset.name, path=path, reason=reasons[path])
        for dataset in fileset
        for path in dict.fromkeys(file.path for file in dataset.files)
        if path in reasons
    ]
    return found, bad
