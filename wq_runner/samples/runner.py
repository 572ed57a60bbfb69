"""HiggsDNA's descriptions of an analysis, which name its samples: followed to them.

https://gitlab.cern.ch/HiggsDNA-project/HiggsDNA: ``docs/source/concepts.rst``; the versions before coffea had
a catalog of samples, and the samples and years to take of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from wq_runner.samples import paths, references
from wq_runner.samples.reading import Found, Prefixes, Reading

_LISTS = "HiggsDNA's fetch_samples makes it of the names of datasets in DAS"
_NAMED = 10  # datasets


def read(
    value: Mapping[Any, Any],
    path: Path,
    prefixes: Prefixes,
    where: str,  # noqa: ARG001 - as a Reader
    reading: Reading,
) -> list[Found]:
    """Read the file called ``samplejson``: the datasets that `year` names, each with its year as metadata."""
    name = value["samplejson"]
    if not isinstance(name, str) or not name.strip():
        reading.problem(paths.shown(path), f"samplejson is {name!r}, expected the name of a samples file")
        return []
    found = references.follow(name, path, prefixes, reading, label="samplejson: ", first=_LISTS)
    years = value.get("year")
    if not isinstance(years, dict) or not years or not found:
        return found
    chosen = [_with_year(item, years) for item in found if item.dataset.name in years]
    _say_left_out(found, years, path, name, reading)
    return chosen


def _say_left_out(
    found: list[Found], years: Mapping[Any, Any], path: Path, name: str, reading: Reading
) -> None:
    """Say which datasets `year` leaves out, as run_analysis.py does with those that it does not name."""
    shown, there = paths.shown(path), [item.dataset.name for item in found]
    left = [one for one in there if one not in years]
    missing = [str(one) for one in years if one not in there]
    if len(left) == len(there):
        reading.problem(shown, f"`year` names no dataset of {name}, which has {_some(there)}")
    elif left:
        reading.say_once(f"{shown}: not in `year`, and so left out as by run_analysis.py: {_some(left)}")
    if missing and len(left) < len(there):
        reading.say_once(f"{shown}: in `year`, but not in {name}: {_some(missing)}")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _with_year(item: Found, years: Mapping[Any, Any]) -> Found:
    year = years.get(item.dataset.name)
    if isinstance(year, list) and len(year) == 1:
        year = year[0]
    if year is None or "year" in item.dataset.metadata:
        return item
    return replace(item, dataset=replace(item.dataset, metadata={**item.dataset.metadata, "year": year}))


def read_catalog(
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
