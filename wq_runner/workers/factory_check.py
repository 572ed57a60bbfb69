"""Checking a factory.json against what is there: managers, and what their tasks ask for."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from wq_runner.errors import EngineError, Problem, nearest
from wq_runner.workers import catalog, managers, program
from wq_runner.workers.factory_file import Report
from wq_runner.workers.factory_file import check as check_text


@dataclasses.dataclass(frozen=True, kw_only=True)
class Known:
    """A manager, and what its largest task asks for: cores, MB, MB."""

    name: str
    cores: float = 0
    memory: float = 0
    disk: float = 0


def check(
    path: Path, catalog_option: str | None = None, *, carries_foremen: Callable[[str], bool] = lambda _: True
) -> Report:
    """Check a file, and whether there is a manager that would take its workers.

    `carries_foremen` tells of a release whether workers behind foremen bring anything.
    """
    report = check_text(path.read_text(encoding="utf-8"), str(path))
    known, note = _known(catalog_option)
    warnings = [*report.warnings, *([Problem(where=str(path), text=note)] if note else [])]
    warnings += [Problem(where=str(path), text=text) for text in compare(report, known)]
    warnings += [Problem(where=str(path), text=text) for text in _of_foremen(report, carries_foremen)]
    return dataclasses.replace(report, warnings=tuple(warnings))


def _of_foremen(report: Report, carries_foremen: Callable[[str], bool]) -> list[str]:
    """Say that workers behind foremen bring nothing, where the engine's programs are of such a release."""
    found = program.release()
    if "foremen-name" not in report.values or found is None or carries_foremen(found):
        return []
    return [
        f"foremen do not work with ndcctools {found}: tasks that go through one never run. Leave out "
        "foremen-name, or take Debian's release for the run and all workers"
    ]


def compare(report: Report, known: Sequence[Known]) -> list[str]:
    """Say whether some manager has the name, and whether its tasks fit into the workers."""
    pattern = report.values.get("manager-name", report.values.get("master-name"))
    if not isinstance(pattern, str):
        return []
    try:
        mine = [one for one in known if re.fullmatch(pattern, one.name)]
    except re.error:
        return []
    if not mine:
        near = nearest(pattern, [one.name for one in known])
        return [f"no manager has the name {pattern} now" + (f"; nearest: {near}" if near else "")]
    return [text for one in mine for text in _too_small(report, one)]


def _too_small(report: Report, manager: Known) -> list[str]:
    found = []
    for key, wanted, unit in (
        ("cores", manager.cores, ""),
        ("memory", manager.memory, " MB"),
        ("disk", manager.disk, " MB"),
    ):
        size = report.values.get(key)
        if isinstance(size, int) and 0 < size < wanted:
            found.append(
                f"workers have {key} {size}{unit}, tasks of {manager.name} ask for {wanted:.0f}{unit}"
            )
    return found


def _known(option: str | None) -> tuple[list[Known], str]:
    found = [
        Known(name=one.name, cores=one.task_cores, memory=one.task_memory, disk=one.task_disk)
        for one in managers.running()
        if one.name
    ]
    address = catalog.chosen(option)
    if address is None:
        return found, ""
    try:
        adverts = catalog.managers(address)
    except EngineError as error:
        return found, f"names could not be checked: {error.message}"
    found += [
        Known(name=one.name, cores=one.task_cores, memory=one.task_memory, disk=one.task_disk)
        for one in adverts
    ]
    return found, ""
