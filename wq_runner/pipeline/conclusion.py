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
from wq_runner.errors import InterruptedRunError, PartialResultError
from wq_runner.execution.late import LateReads
from wq_runner.execution.ledger import Recovered
from wq_runner.journal import Journal
from wq_runner.model import Chunk
from wq_runner.monitor.watch import Watch
from wq_runner.pipeline import commands, finished, identity, outputs, probe, say, staging
from wq_runner.pipeline.commands import Typed
from wq_runner.pipeline.completed import Completed
from wq_runner.pipeline.limited import left_out
from wq_runner.pipeline.missing import missing_fileset, missing_list
from wq_runner.pipeline.outputs import Form, Written
from wq_runner.pipeline.prepare import Prepared
from wq_runner.pipeline.process import Processed
from wq_runner.pipeline.record import Record, accounts
from wq_runner.pipeline.waiting import waiting
from wq_runner.remote.pinned import Code
from wq_runner.remote.reads import recorder
from wq_runner.system import RunPaths


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
    from wq_runner.pipeline import shown  # once all is done

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
        record.missing_file = outputs.describe(paths.missing, paths.root)
    record.form = vars(dataclasses.replace(form, stage_out=None))
    show = functools.partial(shown.of_run, place.watch, ready.whole)
    with waiting(console, "output", "adding up and writing"):
        written = outputs.write(found.sums, place.processor, paths, form, show, place.early)
    place.watch.draw()
    record.read_late = place.late.with_end(recorder.read_at_end())
    record.outputs = written.files
    if written.problem is not None:
        raise written.problem
    record.written = True
    record.phases["saving"] = time.monotonic() - clock
    record.left_behind = place.watch.glance().left_behind
    staging.stage(record, paths, form.stage_out, console)
    record.form = vars(form)
    total = record.clock() - record.started
    say.ending(console, record.accounts, record.spent, total, record.phases["processing"], paths)
    for note in written.notes:
        say.line(console, "note", note)
    say.stale(console, record.stale)
    say.not_watched(console, record.not_watched)
    say.limited(console, record.limited, len(ready.whole))
    view = place.watch.look()
    if ready.probing:
        say.probe(console, probe.probed(ready.fileset, ready.known, view.chunk_memory, record.spent))
    else:
        say.afterwards(console, view, _chunksize(record), paths)
    if found.left:
        raise InterruptedRunError(say.interrupted(record.accounts, paths))
    if not record.complete:
        lacking = {one["dataset"] for one in record.missing}
        rest = commands.rest(place.typed, paths.missing, lacking, paths.root)
        raise PartialResultError(say.partial(record.accounts, record.missing, ready.fileset, rest))


def _chunksize(record: Record) -> int | None:
    """Return the chunksize if it was given as a number."""
    value = record.options["chunksize"][0]
    return value if isinstance(value, int) else None
