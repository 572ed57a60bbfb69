"""Ranges of entries: pure arithmetic, used to plan what is left."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from wq_runner.ledger.items import file_id
from wq_runner.model import Chunk, Range

Place = tuple[str, str, str]
"""``(path, treename, file)``, with what tells files of one path apart: which entries are meant."""


def merged(ranges: Iterable[Range]) -> list[Range]:
    """Return the union of ranges, sorted, without touching neighbours; empty ranges vanish."""
    found: list[Range] = []
    for start, stop in sorted(ranges):
        if start >= stop:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(stop, found[-1][1]))
        else:
            found.append((start, stop))
    return found


def subtract(wanted: Range, taken: Sequence[Range]) -> list[Range]:
    """Return the parts of a range that are not in `taken`, which is sorted and without overlaps."""
    left = []
    start, stop = wanted
    for first, last in taken:
        if last <= start or first >= stop:
            continue
        if first > start:
            left.append((start, first))
        start = max(start, last)
    if start < stop:
        left.append((start, stop))
    return left


def by_place(chunks: Iterable[Chunk]) -> dict[Place, list[Range]]:
    """Return the union of the chunks' ranges for each file."""
    found: defaultdict[Place, list[Range]] = defaultdict(list)
    for chunk in chunks:
        found[place(chunk)].append((chunk.start, chunk.stop))
    return {name: merged(ranges) for name, ranges in found.items()}


def place(chunk: Chunk) -> Place:
    return chunk.path, chunk.treename, file_id(chunk.uuid.hex(), chunk.identity.hex())


def remaining(
    plan: Iterable[Chunk], done: Mapping[Place, Sequence[Range]], empty: frozenset[Place]
) -> list[Chunk]:
    """Return what is left of a plan, in its order. `empty` are files without entries that are done."""
    left = []
    for chunk in plan:
        where = place(chunk)
        if not chunk.events:
            if where not in empty:
                left.append(chunk)
            continue
        pieces = subtract((chunk.start, chunk.stop), done.get(where, ()))
        left += [replace(chunk, start=start, stop=stop) for start, stop in pieces]
    return left


def exceeds(done: Mapping[Place, Sequence[Range]], planned: Mapping[Place, Sequence[Range]]) -> bool:
    """Whether something is done that is not in the plan."""
    return any(subtract(one, planned.get(where, ())) for where, ranges in done.items() for one in ranges)
