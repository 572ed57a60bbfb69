"""Looking at the result of a run that goes on: the sum of what it has accepted so far, from its ledger.

The run is not touched and does not notice: nothing is locked, and nothing is written in its directory.
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from wq_runner import formats, summary, system
from wq_runner.config import processors
from wq_runner.directory import resume
from wq_runner.errors import OutputError, UsageError, did_you_mean
from wq_runner.ledger import ledger, reducer
from wq_runner.ledger.items import Sum
from wq_runner.ledger.ledger import Holding
from wq_runner.monitor import runs
from wq_runner.output import result_files
from wq_runner.results import merge
from wq_runner.system import RunPaths
from wq_runner.terminal import printing

_TIMES = 20  # the run may add results up, and remove what they were in, while these are read


@dataclass(frozen=True, kw_only=True)
class Share:
    """How many of a dataset's events are in a sum; `planned` is 0 where no file of it was opened yet."""

    done: int
    planned: int

    @property
    def complete(self) -> bool:
        return 0 < self.planned <= self.done


def peek(
    directory: Path, output: Path | None = None, patterns: Sequence[str] = (), *, raw: bool = False
) -> tuple[Path, Mapping[str, Share]]:
    """Write the sum of what a run has accepted so far, and return the file and the share of each dataset.

    With `patterns`, of the datasets that they match. The sum is postprocessed unless it is to be `raw`. A
    file of the same name that ends in .json says that it is partial, and the shares.

    Raises
    ------
    UsageError
        If there is no run, nothing is in its result yet, or a pattern matches nothing.
    ProcessorError
        If the results cannot be added up, or the processor's postprocess fails.
    OutputError
        If a part of the result is damaged, or the sum cannot be written.
    """
    paths = runs.paths_of(directory)
    path = output or Path(f"{paths.root.name}-partial.coffea")
    if path.suffix != ".coffea":
        raise UsageError(f"{path}: the sum is a .coffea file", hint=f"-o {path}.coffea")
    if path.absolute().parent in (paths.root, paths.outputs):
        raise UsageError(
            f"{path} would be among the results of the run, and this is none", hint="choose another directory"
        )
    sums, shares = so_far(paths, patterns)
    processor = _raw(paths) if raw else _processor(paths)
    value, _ = result_files.ended(
        processor, sums, formats.WHOLE, "look at one dataset at a time, with --dataset"
    )
    result_files.save(value, path.with_suffix(""))
    system.write_json(path.with_suffix(".json"), _told(paths, shares))
    return path, shares


def so_far(paths: RunPaths, patterns: Sequence[str] = ()) -> tuple[Mapping[Sum, Any], Mapping[str, Share]]:
    """Return the sums of what a run has accepted, and which share of each dataset that is.

    Raises
    ------
    UsageError, ProcessorError, OutputError
        As for `peek`.
    """
    planned = {one.name: one.planned for one in runs.load(paths).datasets}
    held, sums = _so_far(paths, {*planned}, patterns)
    done: Counter[str] = Counter()
    for one in held:
        done[one.dataset] += one.events
    wanted = [name for name in dict.fromkeys((*planned, *done)) if _is_wanted(name, patterns)]
    return sums, {name: Share(done=done[name], planned=planned.get(name, 0)) for name in wanted}


def partial(path: Path) -> Mapping[str, Any] | None:
    """Return what is said beside a file that `peek` wrote; None beside others."""
    try:
        found = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("partial_result_of") else None


def _told(paths: RunPaths, shares: Mapping[str, Share]) -> dict[str, Any]:
    datasets = {
        name: {"processed": share.done, "planned": share.planned, "complete": share.complete}
        for name, share in shares.items()
    }
    samples = (summary.look(paths) or {}).get("samples", [])
    return {"partial_result_of": str(paths.root), "samples": samples, "datasets": datasets}


def _so_far(
    paths: RunPaths, known: set[str], patterns: Sequence[str]
) -> tuple[Sequence[Holding], dict[Sum, Any]]:
    """Return what the ledger holds, and the sums of it, both of one moment."""
    held = _holdings(paths, known, patterns)
    for _ in range(_TIMES):
        try:
            return held, reducer.add_up(held, paths.ledger)
        except OutputError:
            before, held = held, _holdings(paths, known, patterns)
            if {one.name for one in before} == {one.name for one in held}:
                raise  # it is not that the run has added up what is not there any more
    raise OutputError(
        f"{printing.path(paths.root)} adds up its results faster than they can be read",
        hint="try again, or one dataset at a time with --dataset",
    )


def _holdings(paths: RunPaths, known: set[str], patterns: Sequence[str]) -> list[Holding]:
    found = resume.earlier(paths, mend=False)
    if found is None or found.distrust:
        raise UsageError(f"{printing.path(paths.root)}: {found.distrust if found else 'it has no journal'}")
    whole = [one for one in ledger.holdings(found.events)[0] if one.complete]
    names = known | {one.dataset for one in whole}
    for pattern in patterns:
        if not any(_is_wanted(name, [pattern]) for name in names):
            raise UsageError(
                f"{printing.path(paths.root)} has no dataset {pattern}.{did_you_mean(pattern, names)}"
            )
    held = [one for one in whole if _is_wanted(one.dataset, patterns)]
    if not held:
        raise UsageError(
            f"nothing is in the result of {printing.path(paths.root)} yet"
            + (" of these datasets" if patterns else ""),
            hint=f"wq-status {shlex.quote(printing.path(paths.root))} shows what it does",
        )
    return held


def _is_wanted(name: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(name == one or fnmatchcase(name, one) for one in patterns)


def _raw(paths: RunPaths) -> Any:
    """Return what does nothing at the end, for each of several processors."""
    told = (summary.look(paths) or {}).get("options", {}).get("processor", {}).get("value")
    places = processors.parse(str(told or ""))
    return result_files.without_end(places)


def _processor(paths: RunPaths) -> Any:
    record = summary.look(paths)
    if record is None:
        raise UsageError(
            f"{paths.summary} is not there, or damaged: it says which processor it is",
            hint="--raw looks at the sum before its postprocess, which needs none",
        )
    return merge.processor_of(record)
