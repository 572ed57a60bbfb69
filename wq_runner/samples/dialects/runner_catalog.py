"""Analyses of HiggsDNA before coffea: a catalog, and the samples and years to take of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wq_runner.samples import paths, references
from wq_runner.samples.kinds import IsHere
from wq_runner.samples.reading import DocumentDialect, Found, Prefixes, Reading


def recognises(value: Any, _: IsHere) -> bool:
    samples = value.get("samples") if isinstance(value, dict) else None
    return isinstance(samples, dict) and "catalog" in samples


def read(
    value: Mapping[Any, Any],
    path: Path,
    prefixes: Prefixes,
    where: str,  # noqa: ARG001 - as a Reader
    reading: Reading,
) -> list[Found]:
    """Read the samples and years that an analysis takes of its catalog."""
    shown = paths.shown(path)
    wanted = value["samples"]
    if not isinstance(wanted["catalog"], str):
        reading.problem(shown, f"catalog is {wanted['catalog']!r}, expected the name of a samples file")
        return []
    before = len(reading.problems)
    found = references.follow(wanted["catalog"], path, prefixes, reading, label="catalog: ")
    samples, years = wanted.get("sample_list"), wanted.get("years")
    if not isinstance(samples, list):
        return found
    chosen = [item for item in found if _is_wanted(item, samples, years)]
    there = {_sample(item) for item in chosen}
    missing = [str(one) for one in samples if one not in there]
    if missing and len(reading.problems) == before:
        reading.problem(shown, f"{', '.join(missing)}: in sample_list, but not in {wanted['catalog']}")
    return chosen


def _is_wanted(item: Found, samples: list[Any], years: Any) -> bool:
    year = item.dataset.metadata.get("year")
    return _sample(item) in samples and (
        not isinstance(years, list) or year is None or str(year) in map(str, years)
    )


def _sample(item: Found) -> str:
    return item.dataset.name.removesuffix(f"_{item.dataset.metadata.get('year')}")


DIALECT = DocumentDialect(rank=30, recognises=recognises, read=read)
