"""`wq-samples update`: the numbers in sample JSONs, counted anew."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from wq_runner.plain import echo
from wq_runner.samples import find
from wq_runner.samples import update as updating
from wq_runner.samples.reading import Found
from wq_runner.samples.sums import Sums, stale, total
from wq_runner.samples.update import Changed, Surveyed

Shown = Callable[[Iterator[Surveyed], int], Iterator[Surveyed]]


def update(
    names: Sequence[str], *, treename: str | None, jobs: int | None, dry_run: bool, shown: Shown
) -> tuple[bool, list[str]]:
    """Update, and return whether all could be, with remarks on what else may be out of date."""
    found = find(names, treename=treename)
    updating.check_kind(found)
    files = [(one.dataset.name, file) for one in found for file in one.dataset.files]
    sums: defaultdict[str, list[Sums]] = defaultdict(list)
    wrong: defaultdict[str, list[str]] = defaultdict(list)
    for one in shown(updating.survey(files, jobs), len(files)):
        if one.sums is None:
            wrong[one.dataset].append(one.problem)
        else:
            sums[one.dataset].append(one.sums)
    remarks: list[str] = []
    for one_found in found:
        name = one_found.dataset.name
        problems = wrong[name] or _contradictions(one_found, sums[name])
        if problems:
            wrong[name] = problems
            echo(f"{name}: left as it is")
            for text in problems[:5]:
                echo(f"  {text}")
            continue
        path = Path(one_found.origin)
        changed = updating.update(path, total(sums[name]).fields(), dry_run=dry_run)
        echo(f"{name}: {_said(changed)}")
        if changed.keys and (others := stale(changed.old, changed.new)):
            command = f"wq-run -e futures {shlex.quote(str(path))}"
            remarks.append(f"{name}: {', '.join(others)} are as they were: {command} counts them")
    return not any(wrong.values()), remarks


def _contradictions(found: Found, sums: Sequence[Sums]) -> list[str]:
    """Return what the samples say and the files deny."""
    if not sums:
        return ["it has no files"]
    try:
        whole = total(sums)
    except ValueError as error:
        return [str(error)]
    simulated = found.dataset.is_simulation
    if simulated is not None and whole.is_data == simulated:
        what, has = ("simulation", "no genWeight") if simulated else ("data", "genWeight")
        return [f"the sample is {what} by its metadata, but its files have {has}"]
    return []


def _said(changed: Changed) -> str:
    if not changed.keys:
        return "up to date"
    return ", ".join(f"{key} {changed.old.get(key, 'none')} -> {changed.new[key]}" for key in changed.keys)
