"""Which entries of a file to read: coffea's ``steps``, and the ``ranges`` of our ``missing.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from wq_runner.model import Range


class BadRangesError(ValueError):
    pass


def read_ranges(details: Mapping[str, Any], entries: int | None) -> tuple[Range, ...] | None:
    """Return the entries that a file is restricted to, None if it is not.

    ``ranges`` are always a restriction. ``steps`` are coffea's suggestion of chunks: their own borders
    mean nothing here (``--chunksize`` decides), but entries that no step covers were left out on
    purpose. Where the number of entries is not known, steps may be fewer than all, so they restrict.

    Raises
    ------
    BadRangesError
        If they are not pairs of entries in the file, or overlap: events would count twice.
    """
    key = "ranges" if details.get("ranges") is not None else "steps"
    value = details.get(key)
    if value is None:
        return None
    pairs = sorted(_pairs(value, key))
    for (start, stop), (following, end) in pairwise(pairs):
        if following < stop:
            raise BadRangesError(f"{key} {start}-{stop} and {following}-{end} overlap")
    if entries is not None and pairs and pairs[-1][1] > entries:
        raise BadRangesError(f"{key} end at {pairs[-1][1]}, after the {entries} entries of the file")
    merged = merge(pairs)
    whole = ((0, entries),) if entries else ()
    return None if entries is not None and merged == whole else merged


def merge(pairs: Sequence[Range]) -> tuple[Range, ...]:
    """Join sorted ranges that touch, and drop empty ones."""
    merged: list[Range] = []
    for start, stop in pairs:
        if start == stop:
            continue
        if merged and merged[-1][1] == start:
            merged[-1] = (merged[-1][0], stop)
        else:
            merged.append((start, stop))
    return tuple(merged)


def _pairs(value: Any, key: str) -> list[Range]:
    if not isinstance(value, list):
        raise BadRangesError(f"{key} is {value!r}, expected pairs [start, stop]")
    if value and all(_is_entry(item) for item in value):
        # uproot also takes the borders alone
        value = [list(pair) for pair in pairwise(value)]
    for pair in value:
        whole = isinstance(pair, list) and len(pair) == 2 and all(_is_entry(item) for item in pair)
        if not whole or not 0 <= pair[0] <= pair[1]:
            raise BadRangesError(f"{pair!r} in {key}, expected [start, stop] with 0 <= start <= stop")
    return [(start, stop) for start, stop in value]


def _is_entry(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
