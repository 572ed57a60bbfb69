"""Adding up runs: of parts of the same samples, so that the sum is what one run of all would give."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from wq_runner import checksums, journal, names, system
from wq_runner.clock import Clock
from wq_runner.code import arguments
from wq_runner.config import commands
from wq_runner.config.commands import Typed
from wq_runner.config.types import ONE, PER_DATASET
from wq_runner.directory import resume
from wq_runner.directory.opening import open_directory
from wq_runner.directory.record import Account
from wq_runner.errors import OutputError, PartialResultError, UsageError
from wq_runner.fingerprint import identity
from wq_runner.journal import Accepted, Fingerprint, Journal, KeptStale
from wq_runner.ledger import ledger, reducer, totals
from wq_runner.ledger.items import Key, Sum, content_of
from wq_runner.ledger.ledger import Holding
from wq_runner.model import Category, Range
from wq_runner.output import result_files
from wq_runner.output.result_files import Form
from wq_runner.planning import ranges, schemes
from wq_runner.results import ended
from wq_runner.results.ended import Run
from wq_runner.summary import ENDED, new_id
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
        raise UsageError(f"{output} is one of the runs to be merged")
    with ended.held(directories) as runs:
        _check_same(runs, accept_stale=accept_stale)
        _check_disjoint(runs, accept_stale=accept_stale)
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
    lacking = _still_missing(runs)
    paths, lock = open_directory(output)
    with lock:
        if paths.summary.exists():
            raise OutputError(f"there is a run in {output} already", hint="choose another directory with -o")
        sums = _add_up(runs, paths)
        scheme = scheme or options.get("outputs", ONE)
        form = Form(scheme=scheme, names=_stems(runs, scheme), pkl_gz=bool(options.get("pkl_gz", False)))
        result = result_files.write(sums, processor, paths, form)
        if result.problem is not None:
            raise result.problem
        written = result.files
        accounts = _accounts(runs, lacking)
        paths.missing.unlink(missing_ok=True)
        missing_file = None
        if lacking:
            system.write_json(paths.missing, lacking)
            missing_file = result_files.describe(paths.missing, paths.root)
        told_of_sum = _summary(runs, accounts, lacking, written, form, clock)
        checksums.write_json(paths.summary, {**summary, **told_of_sum, "missing_file": missing_file})
    done = sum(account.processed for account in accounts.values())
    printing.line(console, "merged", f"{len(runs)} runs, {done:,} events")
    printing.line(console, "output", printing.path(paths.root / written[0]["path"]))
    for note in result.notes:
        printing.line(console, "note", note)
    if lacking:
        raise PartialResultError(
            f"the sum is partial: {sum(len(one['files']) for one in lacking.values())} files are not whole",
            hint=commands.rest(_typed(summary), paths.missing, set(lacking), paths.root),
        )


def _anew(run: Run) -> str:
    """Return the command that makes a run from the beginning."""
    if not (typed := _typed(run.summary)).is_run:
        return "what made it, with --fresh,"
    return typed.again("--fresh", without=("accept_stale",))


def _typed(summary: Mapping[str, Any]) -> Typed:
    """Return the command of the first run, which the others are alike."""
    options = summary["options"]
    return Typed(
        words=summary["command"],
        options={name: one["value"] for name, one in options.items()},
        origins={name: one["origin"] for name, one in options.items()},
        directory=Path(summary["directory"]),
    )


def _stems(runs: Sequence[Run], scheme: str) -> dict[str, str]:
    """Return the files that datasets go to; names that are alike may come from different runs."""
    if scheme == PER_DATASET:
        return names.file_names(name for run in runs for name in run.summary["datasets"])
    return {name: stem for run in runs for name, stem in run.summary["form"]["names"].items()}


def _check_same(runs: Sequence[Run], *, accept_stale: bool) -> None:
    first = runs[0]
    for run in runs:
        if (stale := run.summary.get("stale")) and not accept_stale:
            raise UsageError(
                f"{printing.path(run.paths.root)} has results of before and after {', '.join(stale)} changed",
                hint=f"{_anew(run)} makes them all anew; --accept-stale merges all the same",
            )
    for run in runs[1:]:
        differing = identity.between(first.summary, run.summary)
        if differing and not accept_stale:
            raise UsageError(
                f"{printing.path(first.paths.root)} and {printing.path(run.paths.root)} differ in "
                f"{', '.join(differing)}",
                hint="wq-report diff shows it; --accept-stale merges all the same",
            )


def _check_disjoint(runs: Sequence[Run], *, accept_stale: bool) -> None:
    seen: dict[tuple[str, ...], list[tuple[_Span, Run]]] = defaultdict(list)
    for run in runs:
        found = list(_spans(run))
        for place, one in found:
            for other, where in seen[place]:
                if where is not run:
                    _check_apart((one, run), (other, where), accept_stale=accept_stale)
        for place, one in found:
            seen[place].append((one, run))


def _check_apart(one: tuple[_Span, Run], other: tuple[_Span, Run], *, accept_stale: bool) -> None:
    (span, run), (before, where) = one, other
    places = f"{printing.path(where.paths.root)} and {printing.path(run.paths.root)}"
    if span.content != before.content:
        if not accept_stale:
            raise UsageError(
                f"{span.path} is not the same file in {places}: it was written anew in between",
                hint="run what changed again; --accept-stale merges all the same",
            )
    elif _overlap(span.range, before.range):
        first, last = max(span.range[0], before.range[0]), min(span.range[1], before.range[1])
        as_copy = f" (there as {before.path})" if before.path != span.path else ""
        raise UsageError(
            f"{span.dataset}: events {first}-{last} of {span.path}{as_copy} are in {places}",
            hint="events would count twice: merge runs of different events",
        )


def _overlap(one: Range, other: Range) -> bool:
    return one == other or max(one[0], other[0]) < min(one[1], other[1])


@dataclass(frozen=True, kw_only=True)
class _Span:
    """Entries of a file; `content` is the same for its copies, whatever their paths."""

    dataset: str
    path: str
    content: str
    range: Range


def _spans(run: Run) -> Iterator[tuple[tuple[str, ...], _Span]]:
    """Yield what is done of each file: by its path, and by its content, as paths may differ.

    What is empty has no content to be told by.
    """
    found: dict[tuple[str, str, str, str], list[Range]] = defaultdict(list)
    for dataset, keys in run.recovered.done.items():
        for path, treename, start, stop, file in keys:
            found[dataset, path, treename, content_of(file) or file].append((start, stop))
    for (dataset, path, treename, content), parts in found.items():
        for one in ranges.merged(parts) + ([(0, 0)] if (0, 0) in parts else []):
            span = _Span(dataset=dataset, path=path, content=content, range=one)
            yield (dataset, treename, path), span
            if content and one != (0, 0):
                yield (dataset, treename, "", content), span


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
    if stale := _stale(runs):
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


def _stale(runs: Sequence[Run]) -> tuple[str, ...]:
    """Return what is not the same for all results, and was accepted."""
    told = [name for run in runs for name in run.summary.get("stale", ())]
    differing = [name for run in runs[1:] for name in identity.between(runs[0].summary, run.summary)]
    return tuple(dict.fromkeys((*told, *differing)))


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


def _link(run: Run, files: Sequence[journal.SideFile], paths: RunPaths) -> Sequence[journal.SideFile]:
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


def _still_missing(runs: Sequence[Run]) -> dict[str, Any]:
    """Return what is in no run, as samples: what one lacks and no other has."""
    done: dict[tuple[str, str], list[Range]] = defaultdict(list)
    for run in runs:
        for dataset, keys in run.recovered.done.items():
            for path, _, start, stop, _ in keys:
                done[dataset, path].append((start, stop))
    entries = {(one["dataset"], one["path"]): one["entries"] for run in runs for one in run.summary["files"]}
    lacking: dict[str, Any] = {}
    for run in runs:
        for dataset, body in run.missing.items():
            for path, entry in body["files"].items():
                there = ranges.merged(done[dataset, path])
                parts = _left(entry.get("ranges"), entries.get((dataset, path)), there)
                if parts or (parts is None and not there):
                    files = lacking.setdefault(dataset, {**body, "files": {}})["files"]
                    files[path] = {**entry, "ranges": parts} if parts else entry
    return lacking


def _left(wanted: Any, entries: int | None, there: Sequence[Range]) -> list[list[int]] | None:
    """Return the ranges that are missing of a file; None if not even its entries are known."""
    if wanted is None and entries is None:
        return None
    parts = [tuple(part) for part in wanted] if wanted is not None else [(0, entries or 0)]
    return [list(left) for start, stop in parts for left in ranges.subtract((start, stop), there)]


def _accounts(runs: Sequence[Run], lacking: Mapping[str, Any]) -> dict[str, Account]:
    made = {}
    for dataset in dict.fromkeys(name for run in runs for name in run.summary["datasets"]):
        keys = [key for run in runs for key in run.recovered.done.get(dataset, ())]
        done = sum(stop - start for _, _, start, stop, _ in keys)
        files = lacking.get(dataset, {"files": {}})["files"]
        left = sum(stop - start for entry in files.values() for start, stop in entry.get("ranges") or ())
        inputs = {one["path"] for run in runs for one in run.summary["files"] if one["dataset"] == dataset}
        made[dataset] = Account(
            files=len(inputs),
            files_unreadable=sum(not entry.get("ranges") for entry in files.values()),
            chunks=len(keys),
            planned=done + left,
            processed=done,
            skipped=0,
            left=left,
        )
    return made


def _summary(
    runs: Sequence[Run],
    accounts: Mapping[str, Account],
    lacking: Mapping[str, Any],
    written: Sequence[Mapping[str, Any]],
    form: Form,
    clock: Clock,
) -> dict[str, Any]:
    finished = clock()
    planned: Counter[tuple[str, str]] = Counter()
    for run in runs:
        for dataset, keys in run.recovered.done.items():
            for path, _, start, stop, *_ in keys:
                planned[dataset, path] += stop - start
    missing = list(_missing_list(lacking))
    for one in missing:
        planned[one["dataset"], one["path"]] += one.get("stop", 0) - one.get("start", 0)
    known = {(one["dataset"], one["path"]): one for run in runs for one in run.summary["files"]}
    return {
        "run": new_id(),
        "state": ENDED,
        "merged": [{"directory": str(run.paths.root), "command": run.summary["command"]} for run in runs],
        "exit_code": PartialResultError.exit_code if lacking else 0,
        "message": "",
        "complete": not lacking,
        "started": clock.began,
        "finished": finished,
        "seconds": {"total": finished - clock.began},
        "inputs": "",
        "files": [{**one, "planned": planned[place]} for place, one in known.items()],
        "outputs": list(written),
        "stale": list(_stale(runs)),
        "files_written": sum(run.summary["files_written"] for run in runs),
        "form": vars(form),
        "staged": [],
        "datasets": {name: account.as_json() for name, account in accounts.items()},
        "missing": missing,
        "limited": _limited(runs, known),
    }


def _missing_list(lacking: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for dataset, body in lacking.items():
        for path, entry in body["files"].items():
            about = {"dataset": dataset, "path": path, "reason": "in none of the merged runs"}
            parts = entry.get("ranges")
            yield from (
                ({**about, "start": start, "stop": stop} for start, stop in parts) if parts else (about,)
            )


def _limited(runs: Sequence[Run], known: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return what was left out on purpose of all: of its files, those that are in none of the runs."""
    there = Counter(dataset for dataset, _ in known)
    found = {}
    for run in runs:
        for dataset, one in run.summary.get("limited", {}).items():
            files = max(0, one["files"] - there[dataset])
            if files or not one["files_left_out"]:  # of which other run has its events, nobody knows
                found[dataset] = {**one, "files_left_out": files, "events_left_out": None}
    return found
