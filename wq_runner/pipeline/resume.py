"""What an earlier run in the same directory did that counts for this one."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from rich.console import Console

from wq_runner import checksums, journal, system
from wq_runner.config.options import RunOptions
from wq_runner.execution import ledger
from wq_runner.execution.files import FileStore
from wq_runner.execution.items import Key, content_of
from wq_runner.execution.ledger import Holding, Recovered
from wq_runner.journal import (
    Accepted,
    Dropped,
    Event,
    Fingerprint,
    Journal,
    KeptStale,
    Merged,
    Plan,
    ReadLate,
)
from wq_runner.model import Chunk, InputFile, Range
from wq_runner.pipeline import identity, outputs, ranges, say
from wq_runner.pipeline.earlier import put_files_aside
from wq_runner.pipeline.identity import Places
from wq_runner.pipeline.outputs import Form
from wq_runner.pipeline.ranges import Place
from wq_runner.pipeline.schemes import Portions
from wq_runner.system import RunPaths


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
    options: RunOptions,
    console: Console,
) -> tuple[Recovered, Mapping[str, str]]:
    """Return what of an earlier run may count, and what its tasks read, as it is now.

    Forget it, and say why, if it may not count.
    """
    if found is None or found.is_nothing:
        forget(paths)
        return Recovered(), {}
    if found.fingerprint is None or found.distrust:
        put_all_aside(paths)
        text = f"{found.distrust}. What was there is in {say.path(paths.damaged)}/"
        say.line(console, "starting over:", text)
        forget(paths)
        return Recovered(), {}
    late = identity.again(found.late, places)
    before, after = {**found.late, **found.fingerprint}, {**late, **now}
    # what is called when all is done has made nothing of what is there
    chunks = (identity.without_end(before), identity.without_end(after))
    differing = identity.changes(*chunks, places.base.name)
    if _is_of_old(found.events):
        differing.append("how input files are told apart")
    if any(isinstance(one, Accepted) and one.late > len(found.late) for one in found.events):
        differing.append("what tasks have read, of which a line is lost,")
    stale = tuple(dict.fromkeys((*found.stale, *differing)))
    if not stale:
        if before.get(identity.END) != after.get(identity.END):
            say.line(console, "postprocess", "it has changed: what is done is kept, and it is called on that")
        return _recover(paths, found, console), late
    count = sum(len(one.items) for one in ledger.holdings(found.events)[0])
    if count and options.accept_stale:
        say.line(console, "stale", f"{_and(stale)} changed, but --accept-stale keeps what was done")
        return dataclasses.replace(_recover(paths, found, console), stale=stale), late
    if count:
        when = "since the last run" if differing else "while --accept-stale kept what was done before"
        text = f"{_and(differing or stale)} changed {when}: {count:,} chunks cannot be reused"
        say.line(console, "starting over:", text)
    forget(paths)
    return Recovered(), {}


def _recover(paths: RunPaths, found: Earlier, console: Console) -> Recovered:
    """Take what is whole. Where lines are damaged, what they may have named is not removed on their word."""
    aside = paths.damaged if found.damaged else None
    recovered = ledger.recover(paths.ledger, found.events, FileStore(root=paths.files), aside)
    say.damaged(console, recovered.damaged)
    if found.damaged:
        journal.cut_out_damaged(paths.journal)
        text = f"{found.damaged} lines of journal.jsonl: what they said is done runs again"
        if paths.damaged.exists():
            text += f". What they may have named is in {say.path(paths.damaged)}/"
        say.line(console, "damaged", text)
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


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a run is asked for, as far as it is known before a file is opened.

    `unknown` are the files that have to be opened before the plan is all that is asked for; `left_out`
    are the files of each dataset that are not to be processed, and all that it has.
    """

    datasets: Sequence[str]
    plan: Sequence[Chunk]
    unknown: Sequence[InputFile]
    left_out: Mapping[str, tuple[int, int]]

    @property
    def digest(self) -> str:
        return digest_of(self.datasets, self.plan)


def last_time(paths: RunPaths) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return what the result that is there depends on: the fingerprint, and what its tasks read besides."""
    try:
        last = json.loads(paths.summary.read_text(encoding="utf-8"))
        return dict(last["fingerprint"]), dict(last.get("read_late", {}))
    except (OSError, ValueError, KeyError, TypeError):
        return {}, {}


def not_watched(paths: RunPaths) -> list[str]:
    """Return what the run that left its record here could not compare."""
    try:
        return list(checksums.read_json(paths.summary).get("not_watched", ()))
    except (OSError, ValueError, TypeError):
        return []


def is_finished(
    paths: RunPaths, now: Mapping[str, str], asked: Asked, form: Form, *, accept_stale: bool = False
) -> bool:
    """Whether an earlier run did all that is asked for, with this code, and left its output.

    One that kept results of other code is finished only for who accepts these now as well.
    What is in a file that is not known is asked for as well: such a run is not finished. Nor is one of files
    of which only the samples tell.
    """
    if asked.unknown or not asked.plan or not all(chunk.identity for chunk in asked.plan):
        return False
    try:
        last = checksums.read_json(paths.summary)
        previous, inputs, complete = last["fingerprint"], last["inputs"], last["complete"]
        late = last.get("read_late", {})
        written, files = last["outputs"], last["files_written"]
        as_before = Form(**last["form"]) == form
        limited = {name: (one["files_left_out"], one["files"]) for name, one in last["limited"].items()}
    except (OSError, ValueError, KeyError, TypeError):
        return False
    there = outputs.are_there(paths.root, written) and as_before
    there = there and _number_of_files(paths.files) == files
    all_of_it = inputs == asked.digest and _files(limited) == _files(asked.left_out)
    if last.get("stale") and not accept_stale:
        return False
    if not (complete and there and all_of_it):
        return False
    return not identity.changes({**late, **previous}, now)


def _files(left_out: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """Return the datasets of which whole files are left out: entries of the others are in the plan."""
    return {name: counts for name, counts in left_out.items() if counts[0]}


def _number_of_files(directory: Path) -> int:
    return sum(path.is_file() for path in directory.rglob("*"))


def digest_of(datasets: Iterable[str], plan: Iterable[Chunk]) -> str:
    """Return a hash of which events of which datasets a plan covers, however it cuts them."""
    spans = {dataset: ranges.by_place(chunks) for dataset, chunks in _by_dataset(plan).items()}
    text = json.dumps(
        [
            sorted({*datasets, *spans}),
            [
                [name, sorted([*where, *found] for where, found in spans[name].items())]
                for name in sorted(spans)
            ],
        ]
    )
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def plans_of(recovered: Recovered) -> dict[str, Plan]:
    """Return how much of each dataset is done."""
    return {
        dataset: Plan(items=len(keys), events=sum(stop - start for _, _, start, stop, _ in keys))
        for dataset, keys in recovered.done.items()
    }


def forget(paths: RunPaths) -> None:
    """Remove the state of an earlier run; its output stays until there is a new one."""
    for log in (paths.journal, paths.stats_log, paths.transactions_log, paths.debug_log):
        log.unlink(missing_ok=True)
    put_files_aside(paths)
    for directory in (paths.ledger, paths.files):
        shutil.rmtree(directory, ignore_errors=True)
    system.make_private(paths.ledger, 0o755)


@dataclass(frozen=True, kw_only=True)
class Remainder:
    """What is left of a plan, and the results that count for it.

    `redone` are datasets whose earlier results hold something that is not in the plan any more, or is to
    be apart now: a sum cannot be taken apart, so they start over. `changed` are files that are not what
    they were.
    """

    chunks: Sequence[Chunk]
    recovered: Recovered
    redone: Sequence[str]
    changed: Sequence[str] = ()


def remainder(
    plan: Sequence[Chunk], recovered: Recovered, portions: Portions = MappingProxyType({})
) -> Remainder:
    """Compare what is done with the plan: pure.

    What is to be added up apart must have been so far: see `Portions`.
    """
    planned = _by_dataset(plan)
    left: list[Chunk] = []
    redone: list[str] = []
    changed: list[str] = []
    for dataset, keys in recovered.done.items():
        done, empty = _places(keys)
        wanted = ranges.by_place(planned.get(dataset, []))
        empty_wanted = {ranges.place(chunk) for chunk in planned.get(dataset, []) if not chunk.events}
        held = [one for one in recovered.holdings if one.dataset == dataset]
        mixed = any(_is_mixed(one, portions) for one in held) or _overlap(held, done, empty)
        if mixed or ranges.exceeds(done, wanted) or not empty <= empty_wanted:
            redone.append(dataset)
        changed += _changed({*done, *empty}, {*wanted, *empty_wanted})
    usable = Recovered(
        holdings=tuple(one for one in recovered.holdings if one.dataset not in redone),
        lost=recovered.lost,
        stale=recovered.stale,
        last_task=recovered.last_task,
    )
    for dataset, chunks in planned.items():
        done, empty = _places(usable.done.get(dataset, frozenset()))
        left += ranges.remaining(chunks, done, empty)
    return Remainder(chunks=left, recovered=usable, redone=redone, changed=changed)


def _changed(done: Iterable[Place], wanted: Iterable[Place]) -> list[str]:
    """Return the paths of files that are wanted with another content than was done."""
    now = {(path, treename): file for path, treename, file in wanted}
    return sorted({path for path, treename, file in done if now.get((path, treename), file) != file})


def _overlap(held: Iterable[Holding], done: Mapping[Place, Sequence[Range]], empty: Sized) -> bool:
    """Whether an event, or a file without any, is in two results: a journal that is whole never says so."""
    keys = [key for one in held for key in one.items]
    events = sum(stop - start for ranges_ in done.values() for start, stop in ranges_)
    return sum(stop - start for _, _, start, stop, _ in keys) != events or sum(
        start == stop for _, _, start, stop, _ in keys
    ) != len(empty)


def _is_mixed(holding: Holding, portions: Portions) -> bool:
    """Whether it holds what is not of its portion."""
    wanted = {portions.get((holding.dataset, path), holding.portion) for path, *_ in holding.items}
    return bool(wanted - {holding.portion})


def drop(paths: RunPaths, record: Journal, recovered: Recovered, left: Remainder) -> None:
    """Write down what does not count any more, so that no later run takes it for done, and remove it."""
    redone = tuple(one.name for one in recovered.holdings if one.dataset in left.redone)
    lost = tuple(one.name for one in recovered.lost)
    for names, reason in ((lost, "missing or damaged"), (redone, "not as it is asked for")):
        if names:
            record.record(Dropped(names=names, reason=reason), durable=True)
    if redone:
        ledger.keep_only(paths.ledger, left.recovered.holdings, FileStore(root=paths.files))


def _by_dataset(plan: Iterable[Chunk]) -> dict[str, list[Chunk]]:
    found: defaultdict[str, list[Chunk]] = defaultdict(list)
    for chunk in plan:
        found[chunk.dataset].append(chunk)
    return dict(found)


def _places(keys: Iterable[Key]) -> tuple[dict[Place, list[Range]], frozenset[Place]]:
    """Return the ranges of each file, and the files without entries."""
    found: defaultdict[Place, list[Range]] = defaultdict(list)
    empty = set()
    for path, treename, start, stop, uuid in keys:
        if start == stop:
            empty.add((path, treename, uuid))
        else:
            found[path, treename, uuid].append((start, stop))
    return {where: ranges.merged(all_) for where, all_ in found.items()}, frozenset(empty)
