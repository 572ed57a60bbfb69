"""HiggsDNA's descriptions of an analysis, which name its samples file: followed to it.

https://gitlab.cern.ch/HiggsDNA-project/HiggsDNA: ``docs/source/concepts.rst``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from wq_runner.samples import paths, references
from wq_runner.samples.kinds import IsHere
from wq_runner.samples.reading import DocumentDialect, Found, Prefixes, Reading

_LISTS = "HiggsDNA's fetch_samples makes it of the names of datasets in DAS"
_NAMED = 10  # datasets


def recognises(value: Any, _: IsHere) -> bool:
    return isinstance(value, dict) and "samplejson" in value


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


DIALECT = DocumentDialect(rank=20, recognises=recognises, read=read)
