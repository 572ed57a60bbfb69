"""Files of the output that are written while a run goes on: each as soon as all that goes into it is there.

What is in them is read from the ledger, so that a postprocess that works in place changes no sum. A thread of
its own does it, as a postprocess takes its time, and workers are to be fed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wq_runner import run_events
from wq_runner.engine import answer
from wq_runner.errors import WqRunnerError
from wq_runner.journal import Journal
from wq_runner.ledger.items import Sum
from wq_runner.ledger.totals import PROCESSED
from wq_runner.model import Fileset
from wq_runner.output import result_files
from wq_runner.output.result_files import Form, Written
from wq_runner.scheduler.session import Session
from wq_runner.system import RunPaths

log = logging.getLogger(__name__)

SAY_EVERY = 5.0  # seconds between lines, where many are written one after the other


@dataclass(frozen=True, kw_only=True)
class _Job:
    stem: str
    sums: Mapping[Sum, Path]


@dataclass(kw_only=True)
class Completed:
    """Writes what is complete, and knows it at the end. It is told in the thread that adds results up.

    `lacking` returns datasets of which files could not be opened: they are not complete. With `here`, it is
    for the run's own thread to call `work`, as the processor runs there, too. What is `written` is known by
    the names of its files.
    """

    paths: RunPaths
    form: Form
    processor: Any
    fileset: Fileset
    journal: Journal
    lacking: Callable[[], Collection[str]]
    say: Callable[[str], None]
    show: Callable[[Any, str], None] = lambda _value, _of: None
    here: bool = False
    written: dict[str, Written] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._datasets = dict.fromkeys(dataset.name for dataset in self.fileset)
        self._complete: set[str] = set()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._busy = threading.Lock()  # held while a file is written
        self._unsaid: list[str] = []
        self._said = 0.0
        self._forget()
        self._thread = threading.Thread(target=self._run, name="output", daemon=True)

    def __call__(self, dataset: str, files: Mapping[Sum, Path]) -> None:
        """Take a dataset that is complete."""
        if dataset in self.lacking() or dataset not in self._datasets:
            return
        self._complete.add(dataset)
        for of, path in files.items():
            stem = self.form.stem(of)
            self._sums[stem][of] = path
            self._open[stem].discard(dataset)
        for stem in dict.fromkeys(map(self.form.stem, files)):
            if not self._open[stem] and stem not in self.written:
                self._jobs.put(_Job(stem=stem, sums=dict(self._sums[stem])))

    def again(self, datasets: Iterable[str]) -> None:
        """Forget what was written of datasets that are planned again, and remove it."""
        with self._busy:
            while not self._jobs.empty():
                self._jobs.get()
            self._forget()
            stems = {self.form.stem((name, "")) for name in datasets}
            for stem in [one for one in self.written if one in stems or self.form.by_files]:
                for file in self.written.pop(stem).files:
                    (self.paths.root / file["path"]).unlink(missing_ok=True)

    def work(self) -> None:
        """Write what waits."""
        while not self._jobs.empty():
            if (job := self._jobs.get()) is not None:
                self._do(job)

    def serving(self, session: Session) -> Session:
        """Return the session that tells what is complete."""
        before = session.on_tick

        def on_tick() -> None:
            before()
            self.work()

        return dataclasses.replace(session, completed=self, on_tick=on_tick if self.here else before)

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Work while a run goes; what is not written by then is left to its end."""
        if not self.here:
            self._thread.start()
        try:
            yield
        finally:
            self._close()

    def _close(self) -> None:
        with self._busy:
            while not self._jobs.empty():
                self._jobs.get()
            self._jobs.put(None)
        if not self.here:
            self._thread.join()

    # -- in the thread

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._do(job)

    def _do(self, job: _Job) -> None:
        with self._busy:
            try:
                self._write(job)
            except WqRunnerError as error:
                log.info("%s cannot be written yet: %s", job.stem, error)
            except Exception:  # what is wrong is said at the end, where it is written again
                log.info("%s cannot be written yet", job.stem, exc_info=True)
        if self._unsaid and (self._jobs.empty() or time.monotonic() - self._said > SAY_EVERY):
            self._said = time.monotonic()
            self.say(self._told())
            self._unsaid.clear()

    def _write(self, job: _Job) -> None:
        sums = {of: answer.read_result(path) for of, path in job.sums.items()}
        events = sum(len(item) for one in sums.values() for item in one[PROCESSED])
        value, note = result_files.ended(self.processor, sums, job.stem, "")
        self.paths.outputs.mkdir(exist_ok=True)
        saved = result_files.save(value, self.paths.outputs / job.stem, self.form.also)
        files = [result_files.describe(path, self.paths.root) for path in saved]
        self.written[job.stem] = Written(files=files, notes=[note] if note else [])
        datasets = tuple(dict.fromkeys(dataset for dataset, _ in job.sums))
        self.journal.record(run_events.Written(datasets=datasets, events=events, **files[0]))
        self._unsaid.append(str(files[0]["path"]))
        self.show(value, datasets[0] if len(datasets) == 1 else "")

    def _told(self) -> str:
        first, *more = self._unsaid
        others = f" and {len(more):,} more" if more else ""
        return f"{first}{others}; {len(self._complete):,} of {len(self._datasets):,} datasets are complete"

    # -- what is open

    def _forget(self) -> None:
        """Begin anew: no dataset is complete."""
        self._complete.clear()
        self._sums: defaultdict[str, dict[Sum, Path]] = defaultdict(dict)
        self._open: defaultdict[str, set[str]] = defaultdict(set)
        if not self.form.by_files:
            for name in self._datasets:
                self._open[self.form.stem((name, ""))].add(name)
