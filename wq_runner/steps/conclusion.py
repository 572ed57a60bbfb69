"""How a run ends: its result is accounted for, written, and said."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from wq_runner import system
from wq_runner.coffea_adapter.runner import Processed
from wq_runner.config import commands
from wq_runner.config.commands import Typed
from wq_runner.directory import estimate, finished, remarks
from wq_runner.directory.missing import missing_fileset, missing_list
from wq_runner.directory.record import Account, Record, accounts
from wq_runner.errors import InterruptedRunError, PartialResultError, WqRunnerError
from wq_runner.fingerprint import identity
from wq_runner.fingerprint.late_reads import LateReads
from wq_runner.journal import Journal
from wq_runner.ledger.ledger import Recovered
from wq_runner.model import Chunk
from wq_runner.monitor.watch import Watch
from wq_runner.output import result_files
from wq_runner.output.early_files import Completed
from wq_runner.output.result_files import Form, Written
from wq_runner.planning.left_out import left_out
from wq_runner.remote.pinned import Code
from wq_runner.remote.reads import recorder
from wq_runner.remote.several import processor_of
from wq_runner.steps import announcements, staging
from wq_runner.steps.prepare import Prepared
from wq_runner.system import RunPaths
from wq_runner.terminal import printing
from wq_runner.terminal.waiting import waiting


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a run leaves what it does, how its result is written, and what was there before."""

    paths: RunPaths
    journal: Journal
    watch: Watch
    recovered: Recovered
    processor: Any
    code: Code
    form: Form
    late: LateReads
    typed: Typed
    completed: Completed | None = None

    @property
    def early(self) -> Mapping[str, Written]:
        """What of the result is written already."""
        return {} if self.completed is None else self.completed.written


def conclude(
    ready: Prepared,
    plan: Sequence[Chunk],
    found: Processed,
    record: Record,
    place: Place,
    console: Console,
) -> None:
    """Account for the result, write it, and say what is in it."""
    from wq_runner.results import shown  # once all is done

    bad, paths = ready.knowledge.bad, place.paths
    record.accounts = accounts(ready.fileset, plan, found, bad)
    record.inputs = finished.digest_of((dataset.name for dataset in ready.fileset), plan)
    record.missing = missing_list(plan, found, bad)
    record.limited = left_out(ready.whole, plan, bad, ready.known)
    clock = time.monotonic()
    form = place.form
    unwatched = identity.not_watched(record.fingerprint, place.late.unwatched)
    record.not_watched = list(dict.fromkeys((*record.not_watched, *unwatched)))
    record.files_written = sum(path.is_file() for path in paths.files.rglob("*"))
    # first, so that what is done can be merged whatever becomes of the output
    if record.complete:
        paths.missing.unlink(missing_ok=True)
    else:
        system.write_json(paths.missing, missing_fileset(ready.fileset, plan, found, bad))
        record.missing_file = result_files.describe(paths.missing, paths.root)
    record.form = dataclasses.replace(form, stage_out=None).record()
    show = functools.partial(shown.of_run, place.watch, ready.whole)
    with waiting(console, "output", "adding up and writing"):
        written = result_files.write(found.sums, place.processor, paths, form, show, place.early)
    place.watch.draw()
    record.read_late = place.late.with_end(recorder.read_at_end())
    record.outputs = written.files
    if written.problem is not None:
        raise written.problem
    record.written = True
    record.phases["saving"] = time.monotonic() - clock
    record.left_behind = place.watch.glance().left_behind
    staging.stage(record, paths, form.stage_out, console)
    record.form = form.record()
    total = record.clock() - record.started
    view = place.watch.look()
    announcements.ending(console, record.accounts, record.spent, total, view.mean_event_rate, paths)
    for note in written.notes:
        printing.line(console, "note", note)
    remarks.stale(console, record.stale)
    remarks.not_watched(console, record.not_watched)
    announcements.limited(console, record.limited, ready.whole)
    if ready.probing:
        announcements.probe(
            console, estimate.probed(ready.fileset, ready.known, view.chunk_memory, record.spent)
        )
    else:
        announcements.afterwards(console, view, _chunksize(record), paths)
    if found.failed:
        raise _of_processors(found.failed, record.accounts, place.processor)
    if found.left:
        raise InterruptedRunError(announcements.interrupted(record.accounts, paths))
    if not record.complete:
        lacking = {one["dataset"] for one in record.missing}
        rest = commands.rest(place.typed, paths.missing, lacking, paths.root)
        raise PartialResultError(announcements.partial(record.accounts, record.missing, ready.fileset, rest))


def _of_processors(
    failed: Mapping[str, WqRunnerError], accounts: Mapping[str, Account], processor: Any
) -> WqRunnerError:
    """Return the error of one of several processors that failed, and say what there is of the others."""
    error = next(iter(failed.values()))
    told = []
    for one in processor:
        own = [account for dataset, account in accounts.items() if processor_of(dataset) == one]
        whole = "complete" if all(account.complete for account in own) else "partial"
        told.append(f"{one}: {'failed' if one in failed else whole}")
    error.message = f"{error.message}\n\nin the result: {', '.join(told)}"
    return error


def _chunksize(record: Record) -> int | None:
    """Return the chunksize if it was given as a number."""
    value = record.options["chunksize"][0]
    return value if isinstance(value, int) else None
