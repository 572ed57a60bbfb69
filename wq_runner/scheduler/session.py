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
from wq_runner.code import task_sources
from wq_runner.engine.messages import QueueSettings
from wq_runner.engine.protocol import Engine
from wq_runner.engine.work_queue import WorkQueueEngine
from wq_runner.errors import NoWorkersError
from wq_runner.fingerprint.late_reads import LateReads
from wq_runner.journal import Journal
from wq_runner.ledger.completeness import Completed
from wq_runner.ledger.items import Item, Place, describe
from wq_runner.ledger.ledger import Recovered
from wq_runner.ledger.side_files import FileStore
from wq_runner.model import Category
from wq_runner.remote import leftovers
from wq_runner.remote.inputs import UNKNOWN, Known
from wq_runner.scheduler.failure_messages import OF_RUNNER, Advice
from wq_runner.scheduler.hosts import Hosts
from wq_runner.scheduler.loop import Loop
from wq_runner.scheduler.phase import Context, LoopResult, LoopSettings, StopRequest
from wq_runner.workers import Workers
from wq_runner.workers.catalog import PrivateCatalog
from wq_runner.workers.local import LocalSpec, LocalWorkers

log = logging.getLogger(__name__)


class Numbers:
    """The numbers of tasks, each given once."""

    def __init__(self) -> None:
        self._count = itertools.count(1)

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        return next(self._count)

    def pass_over(self, last: int) -> None:
        """Give none up to the last that was given elsewhere."""
        self._count = itertools.count(max(last + 1, next(self._count)))


@dataclass(frozen=True, kw_only=True)
class Continued:
    """What is left of the items of a call, and the results of the others, in a ledger."""

    items: Sequence[Item]
    recovered: Recovered
    ledger: Path | None
    late: LateReads | None


GoingOn = Callable[["Session", Sequence[Item], Callable[[Any], Any]], Continued]


@dataclass
class _State:
    """What becomes of an engine: the same for all sessions that are made of one."""

    hosts: Hosts
    started: float | None = None
    close: Callable[[], None] = lambda: None
    last: LoopResult | None = None
    staging: Path | None = None
    cared_for: list[Callable[[], object]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Session:
    """Starts its engine at the first call and keeps it until it is closed, at the latest at exit.

    It stays what it was made with. What belongs to one run is given to a session of that run, which
    `dataclasses.replace` makes: both have the same engine, workers and numbers of tasks, and know alike
    whether it runs.

    `workers` are those that the session starts itself; without them, it waits for others to come, at
    most `wait_time` seconds (None: for ever). `catalog` is one that lives as long as the session.
    `staging` holds the files of tasks. With `ledger`, a directory, results of processing are kept there;
    `recovered` are those that are there already. `numbers` are those of the tasks. `presence` is what
    surrounds a run once the engine has started, `afterwards` is called when it has ended, `failed` with what
    ended a call, `advice` is what failures end with. `portion` says which results are added up apart.
    `known` is what is known of files, by path and tree, `late` what is known of what tasks read (None:
    nothing yet). `going_on` returns what is left of the items of a call, and the results of the others.
    `clock` tells seconds that only grow. `completed` is told of each dataset that is complete,
    while others are not.
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
    advice: Advice = OF_RUNNER
    presence: contextlib.AbstractContextManager[None] = field(default_factory=contextlib.nullcontext)
    afterwards: Callable[[], None] = lambda: None
    failed: Callable[[BaseException], None] = lambda _: None
    numbers: Numbers = field(default_factory=Numbers)
    stop: StopRequest = field(default_factory=StopRequest)
    portion: Callable[[Item], str] = lambda _: ""
    known: Mapping[Place, Known] = field(default_factory=dict)
    late: LateReads | None = None
    going_on: GoingOn = lambda session, items, _: session.continued(items)
    clock: Callable[[], float] = time.monotonic
    completed: Completed | None = None
    state: _State | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.state is None:
            object.__setattr__(self, "state", _State(hosts=Hosts(self.settings.hosts)))
        task_sources.name_files()

    def continued(self, items: Sequence[Item]) -> Continued:
        """Return all items as left, and what was recovered."""
        return Continued(items=items, recovered=self.recovered, ledger=self.ledger, late=self.late)

    def run(self, values: Iterable[Any], function: Callable[[Any], Any], category: Category) -> LoopResult:
        """Apply the function to each value on the engine's workers and sum the results.

        After an error the engine is closed with all that it still held; the next call starts it again.
        """
        try:
            self.start()
            kept = category is Category.PROCESSING
            items = [describe(value) for value in values]
            going = Continued(items=items, recovered=Recovered(), ledger=None, late=self.late)
            if kept:
                going = self.going_on(self, [self._as_planned(item) for item in items], function)
            context = Context(
                staging=self.staging_directory(),
                journal=self.journal,
                ledger=going.ledger,
                files=self.files if kept else None,
                stop=self.stop,
                numbers=self.numbers,
                on_tick=self._tick,
                advice=self.advice,
                hosts=self._state.hosts,
                local=self.workers.spec.count if isinstance(self.workers, LocalWorkers) else 0,
                late=going.late or LateReads(),
                clock=self.clock,
                completed=self.completed if kept else None,
            )
            loop = Loop(self.engine, category=category, settings=self.settings, context=context)
            found = self._state.last = loop.run(going.items, function, going.recovered.holdings)
        except BaseException as error:
            self.failed(error)
            self.close()
            raise
        if found.running:
            self.close()  # their results would come when the place for them is gone
        return found

    def _as_planned(self, item: Item) -> Item:
        identity, entries = self.known.get(item.file, UNKNOWN)
        return dataclasses.replace(item, portion=self.portion(item), identity=identity, entries=entries)

    @property
    def _state(self) -> _State:
        assert self.state is not None
        return self.state

    @property
    def started(self) -> bool:
        return self._state.started is not None

    @property
    def last(self) -> LoopResult | None:
        """What the last call did."""
        return self._state.last

    def care_for(self, look: Callable[[], object]) -> None:
        """Have something looked after, again and again, whatever runs on the engine."""
        self._state.cared_for.append(look)

    def start(self) -> None:
        """Start the engine and the workers, unless they run. What a failed start began is ended."""
        state = self._state
        if state.started is not None:
            return
        state.close = self.close
        atexit.register(state.close)
        state.started = self.clock()
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
        state = self._state
        if state.started is None:
            return
        state.started = None
        atexit.unregister(state.close)
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
            waited = self.clock() - (self._state.started or 0.0)
            if waited > self.wait_time:
                raise NoWorkersError(f"no worker came in {self.wait_time:.0f} s")
        for look in self._state.cared_for:
            look()
        self.on_tick()

    def staging_directory(self) -> Path:
        if self.staging is None and self._state.staging is None:
            self._state.staging = temporary_directory()
        place = self.staging or self._state.staging
        assert place is not None
        system.make_private(place)
        return place


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
