"""The loop that feeds the engine, and performs what the policy decides."""

from __future__ import annotations

import dataclasses
import functools
import logging
import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any

from wq_runner import system
from wq_runner.code import pins
from wq_runner.code.task_function import write_function
from wq_runner.engine import answer
from wq_runner.engine.answer import Answer, DamagedError
from wq_runner.engine.protocol import Engine, EngineStatus
from wq_runner.errors import NoWorkersError
from wq_runner.ledger.completeness import Completion
from wq_runner.ledger.items import Item, named, plans, shares
from wq_runner.ledger.ledger import Holding
from wq_runner.ledger.reducer import Reducer
from wq_runner.model import Category, Ending, Outcome, Task
from wq_runner.remote import work
from wq_runner.remote.several import processor_of
from wq_runner.run_events import HostBlocked, PhaseEnded, PhaseStarted
from wq_runner.scheduler import journal_events, policy
from wq_runner.scheduler.allocation import AllocationSettings, Allocator
from wq_runner.scheduler.batching import Backlog
from wq_runner.scheduler.bundles import Fits
from wq_runner.scheduler.by_processor import ByProcessor
from wq_runner.scheduler.failure_messages import error_of
from wq_runner.scheduler.hosts import Block, Unblock
from wq_runner.scheduler.known_inputs import Inputs
from wq_runner.scheduler.phase import Context, LoopResult, LoopSettings, Skipped
from wq_runner.scheduler.policy import Abort, Again, Cause, Retry, Skip, Split, Trouble
from wq_runner.scheduler.prior import NOTHING, Prior
from wq_runner.scheduler.read_columns import Columns
from wq_runner.scheduler.sayings import Sayings
from wq_runner.scheduler.starvation import Placing
from wq_runner.scheduler.tree_reduction import Accumulation
from wq_runner.units import MB

log = logging.getLogger(__name__)

TICK = 0.5  # seconds between looks at workers and signals while nothing ends
IDLE = 5.0  # seconds after a request to stop in which the engine may still start or report something
SPARE = 2  # tasks queued beyond the slots, so that a free worker finds one there
AT_LARGEST = 0.95  # of the largest worker's memory: more is not to be had


class Loop:
    """One phase: applies a function to items by way of an engine, and sums what comes back."""

    def __init__(
        self, engine: Engine, *, category: Category, settings: LoopSettings, context: Context
    ) -> None:
        self._engine = engine
        self._category = category
        self._settings = settings
        self._context = context
        self._journal = context.journal
        self._staging = context.staging
        self._clock = context.clock
        self._prior = settings.prior if category is Category.PROCESSING else NOTHING
        self._allocator = Allocator(settings.allocation, self._prior.memory)
        self._running: dict[int, tuple[Task, tuple[Item, ...]]] = {}
        self._datasets: Counter[str] = Counter()  # how many of these each has
        self._placing = Placing()
        self._looked = 0.0
        self._sayings = Sayings(context.journal)
        self._done: list[Item] = []
        self._skipped: list[Skipped] = []
        self._again: list[Skipped] = []
        self._inputs = Inputs()
        self._columns = Columns(settings.reads)
        self._given: Counter[str] = Counter()
        self._status = EngineStatus()

    def run(
        self, items: Sequence[Item], function: Callable[[Any], Any], recovered: Sequence[Holding] = ()
    ) -> LoopResult:
        """Apply the function to all items.

        Raises
        ------
        ProcessorError, InputError, EngineError
            If the policy says that the run cannot go on.
        OutputError
            If the staging directory or the ledger cannot be written.
        """
        began = self._clock()
        self._backlog = Backlog(
            items, self._settings.shape, self._fits, self._together, self._clock, self._prior.pace
        )
        planned = plans(items)
        groups = {item.dataset: item.group for item in items}
        rank = {name: place for place, name in enumerate(self._backlog.order)}
        self._journal.record(
            PhaseStarted(
                category=self._category.value,
                datasets={name: planned[name] for name in sorted(planned, key=lambda one: rank[groups[one]])},
            )
        )
        self._note_status()  # the first task may take long, and be done in this process
        for holding in recovered:
            self._given[holding.dataset] += holding.given
        self._processors = ByProcessor(items, recovered, self._settings.policy)
        self._completion = Completion(items)
        self._reducer = Reducer(
            self._journal,
            self._context.ledger,
            self._context.files,
            self._settings.tree,
            self._context.completed,
            {*self._settings.processors, *(item.processor for item in items)} - {""},
        )
        self._accumulation = Accumulation(
            self._engine,
            self._reducer,
            allocation=self._settings.allocation,
            context=self._context,
            write_function=self._write,
        )
        try:
            self._reducer.recover(recovered)
            self._reducer.complete(self._completion.among(one.dataset for one in recovered))
            self._function = self._write(function)
            while (self._backlog or self._running) and not self._stopped():
                self._feed()
                self._turn()
            self._reducer.drain()
            while self._accumulation.busy and self._context.stop.since is None:
                self._accumulation.feed(self._slots())
                self._turn()
        except OSError as error:
            self._reducer.abandon()
            raise system.refused(error, self._staging) from error
        except BaseException:
            self._reducer.abandon()
            raise
        results = self._reducer.finish()
        self._leave_unsummed()
        stopped = self._context.stop.since is not None
        self._sayings.flush(category=self._category.value)
        self._journal.record(PhaseEnded(category=self._category.value, seconds=self._clock() - began))
        running = (item for _, batch in self._running.values() for item in batch)
        unsummed = self._reducer.failed
        earlier: Counter[str] = Counter()
        for holding in recovered if unsummed else ():
            if processor_of(holding.dataset) in unsummed:
                earlier[holding.dataset] += holding.events
        return LoopResult(
            results=results,
            done=tuple(item for item in self._done if item.processor not in unsummed),
            skipped=tuple(self._skipped),
            left=(
                *self._backlog.waiting(),
                *running,
                *self._processors.dropped,
                *(item for item in self._done if item.processor in unsummed),
                *(one.item for one in self._again if stopped),
            ),
            again=() if stopped else tuple(self._again),
            seen=self._inputs.seen,
            given=self._given,
            running=len(self._running) + self._accumulation.running,
            took=Prior(memory=self._allocator.sample, pace=self._backlog.pace),
            failed=self._processors.failed,
            unsummed=earlier,
        )

    def _turn(self) -> None:
        for outcome in self._engine.wait(TICK):
            if not self._accumulation.handle(outcome):
                self._handle(outcome)
        self._leave_unsummed()
        self._look_around()

    def _leave_unsummed(self) -> None:
        """Give up those of several processors whose results cannot be added up."""
        for name, error in self._reducer.failed.items():
            if name in self._processors.failed:
                continue
            if not self._processors.fail(name, error):
                raise error
            self._processors.drop(self._backlog.drop(name))

    def _stopped(self) -> bool:
        since = self._context.stop.since
        if since is None:
            return False
        waited = self._clock() - since
        # what waits for a worker that holds it may wait for ever
        idle = waited > IDLE and not self._engine.status.tasks_running
        return not self._running or idle or waited > self._settings.drain_time

    def _write(self, function: Callable[[Any], Any]) -> Path:
        code = self._settings.code or pins.code(pins.of_script())
        if self._category is Category.PREPROCESSING:  # which is no work of the processor's
            code = dataclasses.replace(code, named=())
        code = dataclasses.replace(code, paths=self._settings.paths)
        reading = self._settings.reads.reading
        return write_function(
            function, self._staging, code, self._settings.seed, reading, self._settings.columns
        )

    # -- feeding

    def _feed(self) -> None:
        if self._context.stop.since is not None:
            return
        slots = self._slots()
        self._accumulation.feed(slots)
        while len(self._running) < slots + max(SPARE, slots // 4):
            batch = self._backlog.next_batch(slots, self._may_start)
            if not batch:
                return
            self._submit(batch)

    def _slots(self) -> int:
        return max(1, math.floor(self._engine.status.cores / self._settings.allocation.cores))

    def _may_start(self, dataset: str) -> bool:
        """Whether to cut another batch of a dataset.

        Where nothing is known, only as many as workers are there, or about to come: each of these takes a
        whole worker's memory, to find out what is needed. Where its memory is a guess, one: it may run
        out of it. And before anything was done, only in so many files as prove a processor wrong.
        """
        if self._category is not Category.PROCESSING:
            return True
        if not self._done and self._running and not self._processors.may_try_more:
            return False
        if self._allocator.known(dataset):
            return True
        known, guessed = self._allocator.known, self._allocator.guessed
        if guessed(dataset):
            return not self._datasets[dataset]
        unknown = sum(n for name, n in self._datasets.items() if not (known(name) or guessed(name)))
        return unknown < max(1, self._engine.status.workers, self._context.local)

    def _fits(self, dataset: str) -> Fits:
        if self._category is not Category.PROCESSING:
            return Fits()
        worker, least = self._engine.status.largest, self._settings.policy.min_chunk
        most = self._allocator.largest_chunk(dataset, worker)
        best = self._allocator.largest_chunk(dataset, self._allocator.share(worker))
        if most is None or best is None or best < least:  # not even small ones fit side by side
            best = most
        return Fits(most=most and max(most, least), best=best and max(best, least))

    def _together(self, dataset: str) -> Hashable | None:
        return self._allocator.together(dataset) if self._category is Category.PROCESSING else "any"

    def _least(self) -> float | None:
        """Return the memory that a task may have on any worker, with tasks on all its cores."""
        status = self._engine.status
        shares = (self._allocator.share(worker).memory for worker in (status.largest, status.smallest))
        return min((one for one in shares if one), default=None)

    def _submit(self, batch: tuple[Item, ...]) -> None:
        parts = shares(next(self._context.numbers), batch)
        number, labels = parts[0].number, []
        for share in parts:
            labels += [share.number] * len(share.items)
            if share.number > number:
                next(self._context.numbers)
        allocation = self._settings.allocation
        allocator = (
            self._allocator if self._category is Category.PROCESSING else Allocator(_share(allocation))
        )
        task = Task(
            id=number,
            category=self._category,
            function=self._function,
            items=work.pack(
                (item.value for item in batch),
                map(self._inputs.of, batch),
                labels,
                self._columns.of(batch),
            ),
            result=self._staging / f"{number}.result",
            resources=allocator.request(
                [(item.group, item.size) for item in batch], self._engine.status.largest, self._least()
            ),
        )
        self._running[number] = (task, batch)
        self._datasets.update(_groups(batch))
        self._processors.begin(batch)
        # said first: a number that is on record is never used again, whatever happens next
        self._journal.record(*journal_events.submitted(task, batch))
        self._engine.submit(task)

    # -- what came back

    def _handle(self, outcome: Outcome) -> None:
        if outcome.task_id not in self._running:
            return  # of a phase that was given up
        task, batch = self._running.pop(outcome.task_id)
        self._datasets -= Counter(_groups(batch))  # without those that have none left
        found, trouble = _read(task, outcome)
        self._journal.record(*journal_events.ended(task, outcome, batch, found))
        if found is not None:
            self._sayings.take(task, named(batch), outcome, found)
        if found is None:
            self._fail(task, batch, outcome, trouble)
            return
        if text := self._inputs.contradiction(batch, found):
            trouble = Trouble(cause=Cause.CHANGED, message=text)
            self._journal.record(
                journal_events.decided("retry", trouble, "once more", batch, task, outcome.host)
            )
            self._backlog.put_back(batch)
            return
        self._inputs.learn(batch, found)
        self._columns.learn(found)
        self._learn(batch, found)
        if self._category is Category.PROCESSING:
            # before the result counts: what is recorded durably next takes this line with it
            self._journal.record(*self._context.late.take(found.read, found.host))
        if found.left is not None:
            self._journal.record(journal_events.left_behind(task, batch, found.host, found.left))
        if found.kept is not None:
            self._journal.record(journal_events.columns_used(task, batch, found.host, found.kept))
        self._accept(task, batch, found, outcome)
        unnamed = _unnamed(batch, found)
        for number, failure in enumerate(found.failures):
            items = unnamed if failure.index is None else (batch[failure.index],)
            exception = functools.partial(_exception, task.result, number)
            self._fail(task, items, outcome, policy.trouble_of_failure(failure), exception)
        if all(failure.index is not None for failure in found.failures):
            self._backlog.put_back(self._processors.still_wanted(unnamed))

    def _learn(self, batch: tuple[Item, ...], found: Answer) -> None:
        for measured in found.measured:
            item = batch[measured.index]
            self._backlog.learn(item.group, item.size, measured.wall)
            self._allocator.observe(item.group, item.size, measured.memory)

    def _accept(self, task: Task, batch: tuple[Item, ...], found: Answer, outcome: Outcome) -> None:
        if found.done:
            accepted = journal_events.accepted(task, batch, found, late=len(self._context.late.recorded))
            for one in accepted:
                self._given[one.dataset] += sum(one.given) if one.given else one.events
            self._reducer.add(task.result, accepted)
            done = [batch[index] for index in found.done]
            self._done += done
            self._reducer.complete(self._completion.done(done))
            self._processors.succeeded(done)
            self._context.hosts.done(outcome.host, done)
            self._journal.record(*journal_events.read_elsewhere(task, batch, found))
        for index, reason in found.skipped.items():
            trouble = Trouble(cause=Cause.INPUT, message=reason)
            self._skip((batch[index],), trouble, reason, task, found.host, by_function=True)

    def _fail(
        self,
        task: Task,
        items: tuple[Item, ...],
        outcome: Outcome,
        trouble: Trouble,
        exception: Callable[[], BaseException | None] = lambda: None,
    ) -> None:
        """Try again what failed together: each dataset by itself, as nothing tells which of them it was."""
        items = self._processors.still_wanted(items)
        if not items:
            return
        parts = shares(task.id, items)
        mixed = len(parts) > 1
        self._context.hosts.failed(outcome.host, trouble.cause, items)
        for share in parts:
            if trouble.cause is Cause.EXHAUSTED and mixed:
                reason = "each dataset by itself"
                self._journal.record(
                    journal_events.decided("split", trouble, reason, share.items, task, outcome.host)
                )
                self._backlog.put_back(share.items, first=True)
                continue
            if trouble.cause is Cause.EXHAUSTED:
                self._grow(items, trouble, task)
            self._perform(trouble, share.items, task, outcome, exception)

    def _grow(self, items: tuple[Item, ...], trouble: Trouble, task: Task) -> None:
        used = max(trouble.memory, int((task.resources.memory or 0) * MB))
        for item in items if used else ():
            self._allocator.exhausted(item.group, item.size, used)

    def _perform(
        self,
        trouble: Trouble,
        items: tuple[Item, ...],
        task: Task,
        outcome: Outcome,
        exception: Callable[[], BaseException | None],
    ) -> None:
        attempts = self._processors.attempts(items[0])
        attempts.seen(trouble.signature, items)
        action = policy.decide(
            trouble,
            items=len(items),
            events=sum(item.events for item in items),
            history=attempts.history(
                trouble, items, at_largest=self._at_largest(task, items[0].group), others=self._others()
            ),
            settings=self._settings.policy,
        )
        attempts.failed(trouble.cause, items)
        if isinstance(action, Skip):
            self._skip(items, trouble, f"{trouble.message} ({action.reason})", task, outcome.host)
            return
        name = type(action).__name__.lower()
        self._journal.record(journal_events.decided(name, trouble, action.reason, items, task, outcome.host))
        match action:
            case Retry(delay=delay):
                self._backlog.put_back(items, delay=delay)
            case Split():
                self._backlog.put_back(*self._split(items), first=True)
            case Again():
                self._again += [Skipped(item=item, reason=trouble.message) for item in items]
            case Abort(reason=reason):
                error = error_of(trouble, reason, items, outcome, self._context.advice)
                error.__cause__ = exception()
                if not self._processors.give_up(items, trouble.cause, error):
                    raise error
                self._processors.drop(self._backlog.drop(items[0].processor))

    def _split(self, items: tuple[Item, ...]) -> tuple[tuple[Item, ...], ...]:
        if len(items) > 1:
            return items[: len(items) // 2], items[len(items) // 2 :]
        if not items[0].divisible:
            return (items,)
        parts = items[0].cut(items[0].events // 2)
        self._processors.attempts(items[0]).cut(items[0], parts)
        return tuple((part,) for part in parts)

    def _at_largest(self, task: Task, dataset: str) -> bool:
        """Whether more memory than the task had is not to be had."""
        had, largest = task.resources.memory, self._engine.status.largest.memory
        return not self._allocator.learns(dataset) or bool(had and largest and had >= AT_LARGEST * largest)

    def _others(self) -> bool:
        return not self._context.local and self._engine.status.workers > 1

    def _skip(
        self,
        items: tuple[Item, ...],
        trouble: Trouble,
        reason: str,
        task: Task,
        host: str,
        *,
        by_function: bool = False,
    ) -> None:
        self._skipped += [Skipped(item=item, reason=reason, by_function=by_function) for item in items]
        self._processors.attempts(items[0]).skipped(items, trouble.signature)
        self._journal.record(journal_events.decided("skip", trouble, reason, items, task, host))

    # -- in between

    def _look_around(self) -> None:
        self._context.on_tick()
        self._note_status()
        self._avoid_hosts()
        now, asked = self._clock(), (task.resources for task, _ in self._running.values())
        if now < self._looked + TICK:
            return  # it looks at all tasks: with thousands of workers, more than one ends in this time
        self._looked = now
        if text := self._placing.look(now, self._status, asked):
            log.warning(text)
        if self._context.local and (text := self._placing.hopeless(now)):
            raise NoWorkersError(text)  # no others can come

    def _avoid_hosts(self) -> None:
        for decision in self._context.hosts.decide(self._clock(), others=self._others()):
            match decision:
                case Block(host=host, reason=reason, seconds=seconds):
                    self._engine.avoid(host, avoid=True)
                    log.warning("%s is not used for %.0f s: %s", host, seconds, reason)
                    self._journal.record(HostBlocked(host=host, reason=reason, seconds=seconds))
                case Unblock(host=host):
                    self._engine.avoid(host, avoid=False)
                    log.info("%s may be used again", host)

    def _note_status(self) -> None:
        status = self._engine.status
        if status != self._status:
            self._status = status
            self._journal.record(journal_events.workers(status))


def _groups(batch: Iterable[Item]) -> list[str]:
    """Return the datasets of a batch as the samples call them, each once."""
    return list(dict.fromkeys(item.group for item in batch))


def _share(settings: AllocationSettings) -> AllocationSettings:
    """Ask for cores only: tasks that open files are all alike and small."""
    return AllocationSettings(mode="fixed", cores=settings.cores)


def _read(task: Task, outcome: Outcome) -> tuple[Answer | None, Trouble]:
    """Return the answer of a task; without one, the trouble that it is."""
    if outcome.ending is not Ending.RETURNED:
        return None, policy.trouble_of_outcome(outcome)
    try:
        return answer.read_answer(task.result, files=True), Trouble(cause=Cause.DAMAGED, message="")
    except (DamagedError, FileNotFoundError) as error:
        return None, Trouble(cause=Cause.DAMAGED, message=str(error))


def _unnamed(batch: tuple[Item, ...], found: Answer) -> tuple[Item, ...]:
    """Return the items of which an answer says nothing: not reached, or failed all together."""
    named = {*found.done, *found.skipped, *(failure.index for failure in found.failures)}
    return tuple(item for index, item in enumerate(batch) if index not in named)


def _exception(path: Path, number: int) -> BaseException | None:
    """Return the worker's own exception, so that callers can catch it by its type."""
    try:
        return answer.read_exceptions(path)[number]
    except Exception:
        return None
