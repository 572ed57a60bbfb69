"""Open every file of a fileset and say which ones could not be processed. Changes nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context

from wq_runner.errors import InputError
from wq_runner.model import FileFacts, Fileset, InputFile
from wq_runner.samples.probe import BadFileError, Cause, probe

_FEW = 20
"""So many files are opened sooner than processes start."""

_MAX_JOBS = 16


@dataclass(frozen=True, kw_only=True)
class FileReport:
    """One file: its facts, and what is wrong (`cause` and `problem`) or worth knowing (`note`)."""

    dataset: str
    file: InputFile
    facts: FileFacts | None = None
    cause: Cause | None = None
    problem: str = ""
    note: str = ""

    @property
    def entries(self) -> int:
        """The entries that a run would process."""
        if self.facts is None or self.problem:
            return 0
        if self.file.ranges is None:
            return self.facts.entries
        return sum(stop - start for start, stop in self.file.ranges)


def default_jobs() -> int:
    # opening a file is half waiting and half work
    return min(_MAX_JOBS, 2 * (os.cpu_count() or 1))


def check(fileset: Fileset, *, jobs: int | None = None, timeout: float | None = None) -> Iterator[FileReport]:
    """Open every file, `jobs` at a time, and yield the reports as they come."""
    todo = [(dataset.name, file) for dataset in fileset for file in dataset.files]
    opening = pool(min(jobs or default_jobs(), max(1, len(todo))), len(todo))
    try:
        reports = [opening.submit(check_file, dataset, file, timeout) for dataset, file in todo]
        for report in as_completed(reports):
            yield report.result()
    except BrokenProcessPool as error:
        raise InputError(
            "a file crashed the process that opened it", hint="check fewer files at once to see which one"
        ) from error
    finally:
        opening.shutdown(wait=False, cancel_futures=True)


def check_file(dataset: str, file: InputFile, timeout: float | None = None) -> FileReport:
    """Open a file at its path, or the first fallback that works, and compare it with the samples."""
    errors: list[BadFileError] = []
    for path in (file.path, *file.fallbacks):
        try:
            facts = probe(replace(file, path=path), whole=True, timeout=timeout)
        except BadFileError as error:
            errors.append(error)
            continue
        problem = _difference(file, facts)
        cause = Cause.CHANGED if problem else None
        note = f"{'; '.join(map(str, errors))}: read from {path}" if errors else ""
        return FileReport(dataset=dataset, file=file, facts=facts, cause=cause, problem=problem, note=note)
    text = "; ".join([errors[0].text, *(str(error) for error in errors[1:])])
    return FileReport(dataset=dataset, file=file, cause=errors[0].cause, problem=text)


def _difference(file: InputFile, facts: FileFacts) -> str:
    known = file.facts
    if known is not None and known.entries != facts.entries:
        return f"changed: {facts.entries:,} entries, the samples say {known.entries:,}"
    if known is not None and known.uuid != facts.uuid:
        return "changed: its uuid is not the one in the samples"
    if file.ranges and file.ranges[-1][1] > facts.entries:
        return f"changed: {facts.entries:,} entries, the samples have a range up to {file.ranges[-1][1]:,}"
    return ""


def pool(jobs: int, files: int) -> Executor:
    if jobs == 1 or files <= _FEW:
        return ThreadPoolExecutor(jobs)
    # spawn: XRootD does not survive a fork
    return ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_leave_interrupts)


def _leave_interrupts() -> None:
    """Ctrl-C is for the process that waits for us."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
