"""An engine with its workers, files and journal: what a run, or a notebook, keeps from call to call."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import itertools
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wq_runner import system
from wq_runner.engine.messages import QueueSettings
from wq_runner.engine.protocol import Engine
from wq_runner.engine.work_queue import WorkQueueEngine
from wq_runner.errors import NoWorkersError
from wq_runner.execution import problems, travelling
from wq_runner.execution.completion import Completed
from wq_runner.execution.files import FileStore
from wq_runner.execution.hosts import Hosts
from wq_runner.execution.items import Item, Place, describe
from wq_runner.execution.late import LateReads
from wq_runner.execution.ledger import Recovered
from wq_runner.execution.loop import Loop
from wq_runner.execution.phase import Context, LoopResult, LoopSettings, StopRequest
from wq_runner.journal import Journal
from wq_runner.model import Category
from wq_runner.remote import leftovers
from wq_runner.remote.inputs import UNKNOWN, Known
from wq_runner.workers import Workers
from wq_runner.workers.catalog import PrivateCatalog
from wq_runner.workers.local import LocalSpec, LocalWorkers

log = logging.getLogger(__name__)


GoingOn = Callable[["Session", Sequence[Item], Callable[[Any], Any]], tuple[Sequence[Item], Recovered]]


@dataclass
class Session:
    """Starts its engine at the first call and keeps it until it is closed, at the latest at exit.

    `workers` are those that the session starts itself; without them, it waits for others to come, at
    most `wait_time` seconds (None: for ever). `catalog` is one that lives as long as the session.
    `staging` holds the files of tasks. With `ledger`, a directory, results of processing are kept there;
    `recovered` are those that are there already. `numbers` are those of the tasks. `presence` is what
    surrounds a run once the engine has started, `afterwards` is called when it has ended, `failed` with what
    ended a call, `again` says how to see a chunk fail. `portion` says which results are added up apart.
    `known` is what is known of files, by path and tree, `late` what is known of what tasks read (None:
    nothing yet). `going_on` returns what is left of the items of a call, and the results of the others.
    `clock` tells seconds that only grow. `completed` is told of each dataset that is complete,
    while others are not. `last` is what the last call did.
    """

    engine: Engine
    workers: Workers | None = None
    catalog: PrivateCatalog | None = None
    staging: Path | None = None
    ledger: Path | None = None
    files: FileStore | None = None
    recovered: Recovered = field(default_factory=Recovered)
    settings: LoopSettings = field(default_factory=LoopSettings)
    journal: Journal = field(default_factory=Journal)
    wait_time: float | None = None
    on_tick: Callable[[], None] = lambda: None
    again: Callable[[Item], str] = problems.advice
    presence: contextlib.AbstractContextManager[None] = field(default_factory=contextlib.nullcontext)
    afterwards: Callable[[], None] = lambda: None
    failed: Callable[[BaseException], None] = lambda _: None
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    stop: StopRequest = field(default_factory=StopRequest)
    portion: Callable[[Item], str] = lambda _: ""
    known: Mapping[Place, Known] = field(default_factory=dict)
    late: LateReads | None = None
    going_on: GoingOn = lambda session, items, _: (items, session.recovered)
    clock: Callable[[], float] = time.monotonic
    completed: Completed | None = None
    hosts: Hosts = field(init=False)
    last: LoopResult | None = field(default=None, init=False)
    _started: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.hosts = Hosts(self.settings.hosts)
        travelling.name_files()

    def run(self, values: Iterable[Any], function: Callable[[Any], Any], category: Category) -> LoopResult:
        """Apply the function to each value on the engine's workers and sum the results.

        After an error the engine is closed with all that it still held; the next call starts it again.
        """
        try:
            self.start()
            kept = category is Category.PROCESSING
            items: Sequence[Item] = [describe(value) for value in values]
            recovered = Recovered()
            if kept:
                planned = [self._as_planned(item) for item in items]
                items, recovered = self.going_on(self, planned, function)
            context = Context(
                staging=self.staging_directory(),
                journal=self.journal,
                ledger=self.ledger if kept else None,
                files=self.files if kept else None,
                stop=self.stop,
                numbers=self.numbers,
                on_tick=self._tick,
                again=self.again,
                hosts=self.hosts,
                local=self.workers.spec.count if isinstance(self.workers, LocalWorkers) else 0,
                late=self.late or LateReads(),
                clock=self.clock,
                completed=self.completed if kept else None,
            )
            loop = Loop(self.engine, category=category, settings=self.settings, context=context)
            self.last = loop.run(items, function, recovered.holdings)
        except BaseException as error:
            self.failed(error)
            self.close()
            raise
        if self.last.running:
            self.close()  # their results would come when the place for them is gone
        return self.last

    def _as_planned(self, item: Item) -> Item:
        identity, entries = self.known.get(item.file, UNKNOWN)
        return dataclasses.replace(item, portion=self.portion(item), identity=identity, entries=entries)

    @property
    def started(self) -> bool:
        return self._started is not None

    def start(self) -> None:
        """Start the engine and the workers, unless they run. What a failed start began is ended."""
        if self._started is not None:
            return
        atexit.register(self.close)
        self._started = self.clock()
        try:
            if self.catalog is not None:
                self.catalog.start()
            if self.workers is not None:
                self.workers.prepare()
            self.engine.start()
            if self.workers is not None and isinstance(self.engine, WorkQueueEngine):
                self.workers.start(self.engine.port)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the engine and the workers, whatever fails; harmless when they do not run.

        What fails is said: the result, or the error that ended the run, matters more.
        """
        if self._started is None:
            return
        self._started = None
        atexit.unregister(self.close)
        with contextlib.ExitStack() as stack:  # from the last to the first, also after an interrupt
            stack.callback(_calmly, self.afterwards)
            if self.catalog is not None:
                stack.callback(_calmly, self.catalog.stop)
            if self.workers is not None:
                stack.callback(_calmly, self.workers.stop)
            stack.callback(_calmly, self.engine.close)

    def _tick(self) -> None:
        if self.catalog is not None:
            self.catalog.keep_alive()
        if self.workers is not None:
            self.workers.keep_alive(self.engine.status.workers_joined)
        if self.wait_time is not None and not self.engine.status.workers_joined:
            waited = self.clock() - (self._started or 0.0)
            if waited > self.wait_time:
                raise NoWorkersError(f"no worker came in {self.wait_time:.0f} s")
        self.on_tick()

    def staging_directory(self) -> Path:
        if self.staging is None:
            self.staging = temporary_directory()
        system.make_private(self.staging)
        return self.staging


def _calmly(end: Callable[[], None]) -> None:
    try:
        end()
    except Exception as error:
        log.warning(
            "not all of the run could be cleaned up: %s: %s", type(error).__name__, error, exc_info=True
        )


def temporary_directory() -> Path:
    """Make a directory that is removed when this process ends, or by the next run."""
    path = Path(tempfile.mkdtemp(prefix=leftovers.prefix()))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def work_queue_session(
    queue: QueueSettings,
    *,
    local: LocalSpec | None = None,
    workers: Workers | None = None,
    logs: Path | None = None,
    child_log: Path | None = None,
    settings: LoopSettings,
    **rest: Any,
) -> Session:
    """Make a session on Work Queue, with local workers if `local` says how many, or with others.

    `logs` is where the queue's process and the workers write what they say, `child_log` where the former
    does if that is another place; `rest` goes to `Session`.
    """
    if local is not None:
        workers = LocalWorkers(local, logs=logs)
    engine = work_queue_engine(queue, workers, log=child_log or (logs / "queue.log" if logs else None))
    return Session(engine=engine, workers=workers, settings=settings, **rest)


def work_queue_engine(queue: QueueSettings, workers: Workers | None, *, log: Path | None) -> WorkQueueEngine:
    """Make the engine for workers that a session starts, or for others; its process writes to `log`."""
    if workers is not None:
        here = isinstance(workers, LocalWorkers)
        queue = dataclasses.replace(queue, password_file=workers.password_file, here=here)
    return WorkQueueEngine(queue, child_log=log)
