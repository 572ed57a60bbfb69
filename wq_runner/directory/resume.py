"""What an earlier run in the same directory did that counts for this one."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console

from wq_runner import journal, kept_results, summary, system
from wq_runner.config.settings import OutputSettings
from wq_runner.directory import remarks
from wq_runner.errors import OutputError
from wq_runner.fingerprint import identity
from wq_runner.fingerprint.identity import Places
from wq_runner.journal import Journal
from wq_runner.kept_results import Identity
from wq_runner.ledger import ledger
from wq_runner.ledger.items import content_of
from wq_runner.ledger.ledger import Recovered
from wq_runner.ledger.side_files import FileStore
from wq_runner.remote.several import processor_of
from wq_runner.run_events import Accepted, Dropped, Event, Fingerprint, KeptStale, Merged, ReadLate
from wq_runner.system import RunPaths
from wq_runner.terminal import printing


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """The journal of an earlier run in the directory, as far as it matters here: what its ledger holds.

    `late` is what its tasks have read besides: with both hashes, if something was another at times. `stale`
    is what changed in between, and was accepted.
    """

    fingerprint: Mapping[str, str] | None
    late: Mapping[str, str]
    events: Sequence[Event]
    stale: tuple[str, ...] = ()
    damaged: int = 0
    sealed: bool = True

    @property
    def identity(self) -> Identity:
        """What its results were made of; nothing if that is not to be relied on."""
        values = {} if self.distrust else dict(self.fingerprint or {})
        return Identity(fingerprint=values, late=dict(self.late), stale=self.stale)

    @property
    def is_nothing(self) -> bool:
        """Whether it ended before it did anything."""
        return self.fingerprint is None and not self.events and not self.damaged

    @property
    def distrust(self) -> str:
        """Say why nothing of it counts; nothing if it does."""
        if not self.sealed:
            return "journal.jsonl is of an older version of wq-runner, whose lines have no checksums"
        return "journal.jsonl is damaged where it says what was run" if self.fingerprint is None else ""


def earlier(paths: RunPaths, *, mend: bool = True) -> Earlier | None:
    """Read what is there; None if nothing is. A journal that is being written is not to be mended."""
    if not paths.journal.exists():
        return None
    if mend:
        journal.mend(paths.journal)
    events: list[Event] = []
    values: Mapping[str, str] | None = None
    late: dict[str, str] = {}
    stale: tuple[str, ...] = ()
    newest: Event | None = None  # of all tasks, so that their numbers go on from there
    reader = journal.Reader()
    for _, event in journal.read(paths.journal, reader):
        match event:
            case Fingerprint():
                values = event.values
            case ReadLate(values=read):
                for name, value in read.items():
                    before = late.get(name, value)
                    late[name] = value if before == value else f"{before} {value}"
            case KeptStale(names=names):
                stale = tuple(dict.fromkeys((*stale, *names)))
            case Accepted() | Merged() | Dropped():
                events.append(event)
            case _ if getattr(event, "task", 0) > getattr(newest, "task", 0):
                newest = event
    if newest is not None:
        events.append(newest)
    return Earlier(
        fingerprint=values,
        late=late,
        events=events,
        stale=stale,
        damaged=reader.damaged,
        sealed=reader.sealed,
    )


def start(
    paths: RunPaths,
    found: Earlier | None,
    now: Mapping[str, str],
    places: Places,
    settings: OutputSettings,
    console: Console,
) -> tuple[Recovered, Mapping[str, str]]:
    """Return what of an earlier run may count, and what its tasks read, as it is now.

    Put it away, and say why, if it may not count.
    """
    if found is None or found.distrust:
        if found is not None and not found.is_nothing:
            put_all_aside(paths)
            text = f"{found.distrust}. What was there is in {printing.path(paths.damaged)}/"
            printing.line(console, "starting over:", text)
        if _differing(identity_of(paths), now, places):
            leave(paths, console)
        forget(paths)
        return Recovered(), {}
    late = identity.again(found.late, places)
    differing = _differing(found.identity, now, places)
    edited = identity.outdated(*_both(found.identity, now, late))
    if _is_of_old(found.events):
        differing.append("how input files are told apart")
    if any(isinstance(one, Accepted) and one.late > len(found.late) for one in found.events):
        differing.append("what tasks have read, of which a line is lost,")
    stale = tuple(dict.fromkeys((*found.stale, *differing)))
    if edited and stale == tuple(differing) and not settings.accept_stale:
        return _without(_recover(paths, found, console), edited, differing, console), late
    if not stale:
        if found.identity.fingerprint.get(identity.END) != now.get(identity.END):
            printing.line(
                console, "postprocess", "it has changed: what is done is kept, and it is called on that"
            )
        return _recover(paths, found, console), late
    count = sum(len(one.items) for one in ledger.holdings(found.events)[0])
    if count and settings.accept_stale:
        printing.line(console, "stale", f"{_and(stale)} changed, but --accept-stale keeps what was done")
        return dataclasses.replace(_recover(paths, found, console), stale=stale), late
    if count:
        when = "since the last run" if differing else "while --accept-stale kept what was done before"
        chunks = "1 chunk" if count == 1 else f"{count:,} chunks"
        text = f"{_and(differing or stale)} changed {when}: {chunks} cannot be reused"
        printing.line(console, "starting over:", text)
    leave(paths, console)
    return Recovered(), {}


def _differing(one: Identity, now: Mapping[str, str], places: Places) -> list[str]:
    """Say what of a result's identity is not as it is now."""
    return identity.changes(*_both(one, now, identity.again(one.late, places)), places.base.name)


def _both(
    one: Identity, now: Mapping[str, str], late: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return what a result was made of, and what that is now; `late` is what its tasks read, as it is now."""
    # what is called when all is done has made nothing of what is there
    return identity.without_end({**one.late, **one.fingerprint}), identity.without_end({**late, **now})


def _without(
    recovered: Recovered, edited: Collection[str], differing: Sequence[str], console: Console
) -> Recovered:
    """Return what there is but for those of several processors that were edited."""
    old = tuple(one for one in recovered.holdings if processor_of(one.dataset) in edited)
    count = sum(len(one.items) for one in old)
    chunks = printing.number(count, "chunk")
    text = (
        f"{_and(differing)} changed since the last run: {chunks} of {_and(sorted(edited))} cannot be reused"
    )
    if count:
        printing.line(console, "starting over:", f"{text}; what the other processors did counts")
    kept = tuple(one for one in recovered.holdings if one not in old)
    return dataclasses.replace(recovered, holdings=kept, outdated=old)


def drop_outdated(paths: RunPaths, record: Journal, recovered: Recovered) -> None:
    """Write down what does not count any more, before the code of which it is not, and remove it."""
    if recovered.outdated:
        names = tuple(one.name for one in recovered.outdated)
        record.record(Dropped(names=names, reason="of other code"), durable=True)
        ledger.keep_only(paths.ledger, recovered.holdings, FileStore(root=paths.files))


def identity_of(paths: RunPaths) -> Identity:
    """Return what the result that is there was made of: by its record, or its journal if it did not end."""
    record = summary.look(paths) or {}
    if record.get("fingerprint") and not summary.is_running(record):
        return Identity.of(record)
    found = earlier(paths, mend=False)
    return found.identity if found is not None else Identity(fingerprint={}, late={})


def leave(paths: RunPaths, console: Console) -> None:
    """Make room for another result: what is there is kept, if it is something.

    Raises
    ------
    OutputError
        If it cannot be moved.
    """
    if kept_results.is_something(paths):
        with moving(paths):
            remarks.put_away(console, kept_results.put_away(paths, identity_of(paths)))
    forget(paths)


@contextlib.contextmanager
def moving(paths: RunPaths) -> Iterator[None]:
    """Translate what a file system says while results are moved."""
    try:
        yield
    except OSError as error:
        where = error.filename or paths.root
        raise OutputError(
            f"results cannot be moved in {printing.path(paths.root)}: {where}: {error.strerror or error}",
            hint="nothing is lost: the same command ends what it began there; -o takes another directory",
        ) from error


def _recover(paths: RunPaths, found: Earlier, console: Console) -> Recovered:
    """Take what is whole. Where lines are damaged, what they may have named is not removed on their word."""
    aside = paths.damaged if found.damaged else None
    recovered = ledger.recover(paths.ledger, found.events, FileStore(root=paths.files), aside)
    remarks.damaged(console, recovered.damaged)
    if found.damaged:
        journal.cut_out_damaged(paths.journal)
        text = f"{found.damaged} lines of journal.jsonl: what they said is done runs again"
        if paths.damaged.exists():
            text += f". What they may have named is in {printing.path(paths.damaged)}/"
        printing.line(console, "damaged", text)
    return recovered


def put_all_aside(paths: RunPaths) -> None:
    """Keep what a run left where nobody takes it for done."""
    paths.damaged.mkdir(exist_ok=True)
    for path in (paths.journal, paths.ledger, paths.files):
        if path.exists():
            target = paths.damaged / path.name
            if target.is_dir():
                shutil.rmtree(target)
            path.rename(target)


def _is_of_old(events: Sequence[Event]) -> bool:
    """Whether a version did it that went by the uuid of a file alone, which more than one can have."""
    first = next((event for event in events if isinstance(event, Accepted) and event.items), None)
    return first is not None and not content_of(first.items[0][-1])


def so_far(paths: RunPaths) -> Recovered:
    """Return what the run that goes on has done."""
    found = earlier(paths, mend=False)
    return ledger.recover(paths.ledger, found.events, FileStore(root=paths.files)) if found else Recovered()


def _and(words: Sequence[str]) -> str:
    few = [*words[:3], *([f"{len(words) - 3} more"] if len(words) > 3 else [])]
    return few[0] if len(few) == 1 else f"{', '.join(few[:-1])} and {few[-1]}"


def forget(paths: RunPaths) -> None:
    """Remove the state of an earlier run; its output stays until there is a new one."""
    for log in (paths.journal, paths.stats_log, paths.transactions_log, paths.debug_log):
        log.unlink(missing_ok=True)
    for directory in (paths.ledger, paths.files):
        shutil.rmtree(directory, ignore_errors=True)
    system.make_private(paths.ledger, 0o755)
