"""Adding up runs: of parts of the same samples, so that the sum is what one run of all would give."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from wq_runner import checksums, formats, names, system
from wq_runner.clock import Clock
from wq_runner.code import arguments
from wq_runner.config import commands
from wq_runner.config.types import ONE, PER_DATASET
from wq_runner.directory import resume
from wq_runner.directory.opening import open_directory
from wq_runner.errors import OutputError, PartialResultError, RunDirectoryError
from wq_runner.journal import Journal
from wq_runner.ledger import ledger, reducer, totals
from wq_runner.ledger.items import Key, Sum
from wq_runner.ledger.ledger import Holding
from wq_runner.model import Category
from wq_runner.output import result_files
from wq_runner.output.result_files import Form
from wq_runner.planning import schemes
from wq_runner.results import ended, mergeable, sum_summary
from wq_runner.results.ended import Run
from wq_runner.run_events import Accepted, Fingerprint, KeptStale, SideFile
from wq_runner.system import RunPaths
from wq_runner.terminal import printing


def merge(
    directories: Sequence[Path],
    output: Path,
    console: Console,
    *,
    accept_stale: bool = False,
    scheme: str | None = None,
    told: Mapping[str, Any] | None = None,
) -> None:
    """Add up runs into a directory that is a run as well: it can be merged again.

    What the run.json of the sum says of its options and samples is what the runs say, unless it is `told`.
    So is the form of the output, unless it is to be another `scheme`.

    Raises
    ------
    UsageError
        If events are in two of the runs, or if these are of different code, options or environments.
    ProcessorError
        If the results cannot be added, or the processor's postprocess fails.
    PartialResultError
        If the sum still lacks something.
    """
    if output.resolve() in [directory.resolve() for directory in directories]:
        raise RunDirectoryError(f"{output} is one of the runs to be merged")
    with ended.held(directories) as runs:
        mergeable.check(runs, accept_stale=accept_stale)
        _merge(runs, output, console, scheme, told or {})


def _merge(
    runs: Sequence[Run], output: Path, console: Console, scheme: str | None, told: Mapping[str, Any]
) -> None:
    clock = Clock()
    summary = {
        **runs[0].summary,
        "samples": [name for run in runs for name in run.summary["samples"]],
        **told,
    }
    options = {name: entry["value"] for name, entry in summary["options"].items()}
    processor = processor_of(summary)
    lacking = sum_summary.still_missing(runs)
    paths, lock = open_directory(output)
    with lock:
        if paths.summary.exists():
            raise OutputError(f"there is a run in {output} already", hint="choose another directory with -o")
        sums = _add_up(runs, paths)
        scheme = scheme or options.get("outputs", ONE)
        form = Form(scheme=scheme, names=_stems(runs, scheme), also=formats.chosen(options))
        result = result_files.write(sums, processor, paths, form)
        if result.problem is not None:
            raise result.problem
        written = result.files
        accounts = sum_summary.accounts(runs, lacking)
        paths.missing.unlink(missing_ok=True)
        missing_file = None
        if lacking:
            system.write_json(paths.missing, lacking)
            missing_file = result_files.describe(paths.missing, paths.root)
        told_of_sum = sum_summary.summary(runs, accounts, lacking, written, form, clock)
        checksums.write_json(paths.summary, {**summary, **told_of_sum, "missing_file": missing_file})
    done = sum(account.processed for account in accounts.values())
    printing.line(console, "merged", f"{len(runs)} runs, {done:,} events")
    printing.line(console, "output", printing.path(paths.root / written[0]["path"]))
    for note in result.notes:
        printing.line(console, "note", note)
    if lacking:
        raise PartialResultError(
            f"the sum is partial: {sum(len(one['files']) for one in lacking.values())} files are not whole",
            hint=commands.rest(ended.typed(summary), paths.missing, set(lacking), paths.root),
        )


def _stems(runs: Sequence[Run], scheme: str) -> dict[str, str]:
    """Return the files that datasets go to; names that are alike may come from different runs."""
    if scheme == PER_DATASET:
        return names.file_names(name for run in runs for name in run.summary["datasets"])
    return {name: stem for run in runs for name, stem in run.summary["form"]["names"].items()}


def processor_of(summary: Mapping[str, Any]) -> Any:
    """Return the processor that ends a sum, imported as the run did whose run.json this is."""
    from wq_runner.code.processor import load_all
    from wq_runner.config import processors
    from wq_runner.config.settings import SURVEY

    name, given = (summary["options"][one]["value"] for one in ("processor", "processor_args"))
    with _inside(Path(summary["directory"])):
        places = processors.parse(name or SURVEY)
        return load_all(places, arguments.again(given, summary.get("arguments", {})))[0]


@contextlib.contextmanager
def _inside(directory: Path) -> Iterator[None]:
    before = Path.cwd()
    with contextlib.suppress(FileNotFoundError):
        os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(before)


def _add_up(runs: Sequence[Run], paths: RunPaths) -> dict[Sum, Any]:
    """Add up what the ledgers hold of each dataset, and leave it as a ledger."""
    resume.forget(paths)
    record = Journal(paths.journal)
    if stale := mergeable.stale_names(runs):
        record.record(KeptStale(names=stale))
    record.record(Fingerprint(values=runs[0].summary["fingerprint"]))
    found: dict[Sum, Any] = {}
    for number, ((dataset, portion), held) in enumerate(_sums(runs).items(), start=1):
        sums = {
            f"{dataset} of {printing.path(run.paths.root)}": one
            for run, holdings in held
            for one in reducer.add_up(holdings, run.paths.ledger).values()
        }
        total = found[dataset, portion] = totals.total(sums, hint="book them alike in both runs")
        files = [file for run, holdings in held for one in holdings for file in _link(run, one.files, paths)]
        keys: list[Key] = [key for _, holdings in held for one in holdings for key in one.items]
        ledger.write_sum(paths.ledger / ledger.part_name(number), total)
        record.record(
            Accepted(
                task=number,
                category=Category.PROCESSING.value,
                dataset=dataset,
                portion=portion,
                events=sum(stop - start for _, _, start, stop, _ in keys),
                items=tuple(keys),
                files=tuple(files),
            ),
            durable=True,
        )
    record.close()
    return found


def _sums(runs: Sequence[Run]) -> dict[Sum, list[tuple[Run, list[Holding]]]]:
    """Return what is added up together. Portions of different runs stay apart, with new numbers."""
    written = names.file_names(one.dataset for run in runs for one in run.recovered.holdings)
    found: dict[Sum, list[tuple[Run, list[Holding]]]] = {}
    numbers: dict[str, int] = defaultdict(int)
    for run in runs:
        by_sum: dict[Sum, list[Holding]] = defaultdict(list)
        for holding in run.recovered.holdings:
            by_sum[holding.sum].append(holding)
        for (dataset, portion), holdings in sorted(by_sum.items()):
            name = schemes.portion_name(written[dataset], numbers[dataset]) if portion else ""
            numbers[dataset] += bool(portion)
            found.setdefault((dataset, name), []).append((run, holdings))
    return found


def _link(run: Run, files: Sequence[SideFile], paths: RunPaths) -> Sequence[SideFile]:
    for file in files:
        target = paths.files / file.name
        if target.exists():
            raise OutputError(f"two runs have a file {file.name}", hint="they were named by --naming das")
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(run.paths.files / file.name, target)
        except OSError:  # another file system
            shutil.copy2(run.paths.files / file.name, target)
    return files
