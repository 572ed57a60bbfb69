"""What is left of a plan, with what an earlier run did of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from types import MappingProxyType

from wq_runner.directory.finished import by_dataset
from wq_runner.journal import Journal
from wq_runner.ledger import ledger
from wq_runner.ledger.items import Key
from wq_runner.ledger.ledger import Holding, Recovered
from wq_runner.ledger.side_files import FileStore
from wq_runner.model import Chunk, Range
from wq_runner.planning import ranges
from wq_runner.planning.ranges import Place
from wq_runner.planning.schemes import Portions
from wq_runner.run_events import Dropped, Plan
from wq_runner.system import RunPaths


def plans_of(recovered: Recovered) -> dict[str, Plan]:
    """Return how much of each dataset is done."""
    return {
        dataset: Plan(items=len(keys), events=sum(stop - start for _, _, start, stop, _ in keys))
        for dataset, keys in recovered.done.items()
    }


def has_more(held: Iterable[Holding], plan: Iterable[Chunk]) -> bool:
    """Whether there is something that is not in a plan, and may be lost.

    Of files that are not known yet, or are not what they were, nothing is in it.
    """
    planned: Counter[tuple[str, str]] = Counter()
    for chunk in plan:
        planned[chunk.dataset, chunk.path] += chunk.events
    there: Counter[tuple[str, str]] = Counter()
    for holding in held:
        for path, _, start, stop, _ in holding.items:
            there[holding.dataset, path] += stop - start
    return any(place not in planned or events > planned[place] for place, events in there.items())


@dataclass(frozen=True, kw_only=True)
class Remainder:
    """What is left of a plan, and the results that count for it.

    `redone` are datasets whose earlier results hold something that is not in the plan any more, or is to
    be apart now: a sum cannot be taken apart, so they start over. `renamed` has those of them, by the names
    of datasets, whose files are in these now. `changed` are files that are not what they were.
    """

    chunks: Sequence[Chunk]
    recovered: Recovered
    redone: Sequence[str]
    changed: Sequence[str] = ()
    renamed: Mapping[str, Sequence[str]] = field(default_factory=dict)


def remainder(
    plan: Sequence[Chunk], recovered: Recovered, portions: Portions = MappingProxyType({})
) -> Remainder:
    """Compare what is done with the plan: pure.

    What is to be added up apart must have been so far: see `Portions`.
    """
    planned = by_dataset(plan)
    left: list[Chunk] = []
    redone: list[str] = []
    changed: list[str] = []
    holdings: defaultdict[str, list[Holding]] = defaultdict(list)
    for one in recovered.holdings:
        holdings[one.dataset].append(one)
    for dataset, keys in recovered.done.items():
        done, empty = _places(keys)
        wanted = ranges.by_place(planned.get(dataset, []))
        empty_wanted = {ranges.place(chunk) for chunk in planned.get(dataset, []) if not chunk.events}
        held = holdings[dataset]
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
    return Remainder(
        chunks=left, recovered=usable, redone=redone, changed=changed, renamed=_renamed(recovered, planned)
    )


def _renamed(recovered: Recovered, planned: Mapping[str, Sequence[Chunk]]) -> dict[str, list[str]]:
    """Return the datasets that are planned with the files of one that is not, and these."""
    gone = [dataset for dataset in recovered.done if dataset not in planned]
    owners = {chunk.path: name for name, chunks in planned.items() for chunk in chunks} if gone else {}
    found: defaultdict[str, list[str]] = defaultdict(list)
    for dataset in gone:
        now = {owners.get(path) for path, *_ in recovered.done[dataset]}
        if len(now) == 1 and (name := now.pop()) is not None:
            found[name].append(dataset)
    return dict(found)


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
