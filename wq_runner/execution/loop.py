"""The loop that feeds the engine, and performs what the policy decides."""

from __future__ import annotations

import hashlib
import itertools
import math
import pickle
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wq_runner.engine import answer, payload
from wq_runner.engine.answer import Answer, DamagedResultError, Failure
from wq_runner.engine.protocol import Engine, EngineStatus
from wq_runner.errors import EngineError, InputError, OutputError, ProcessorError, WqRunnerError
from wq_runner.execution import policy
from wq_runner.execution.items import Item, plans
from wq_runner.execution.policy import Abort, Cause, Retry, Skip, Split, Trouble
from wq_runner.execution.reduce import Reducer
from wq_runner.execution.shaping import Backlog, ShapeSettings
from wq_runner.journal import (
    Accepted,
    Decided,
    Journal,
    PhaseEnded,
    PhaseStarted,
    TaskEnded,
    TaskSubmitted,
    Workers,
)
from wq_runner.model import Category, Ending, Outcome, Resources, Task
from wq_runner.units import MB

TICK = 0.5  # seconds between looks at workers and signals while nothing ends
SPARE = 2  # tasks queued beyond the slots, so that a free worker finds one there


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    shape: ShapeSettings = field(default_factory=ShapeSettings)
    policy: policy.Settings = field(default_factory=policy.Settings)
    resources: Resources = Resources(cores=1)
    paths: tuple[str, ...] = ()
    """Directories in which workers look for modules before their own."""


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """An item that is not in the result; `by_function` if the function itself left it out, as coffea does."""

    item: Item
    reason: str
    by_function: bool = False


@dataclass(frozen=True, kw_only=True)
class LoopResult:
    """`result` is the sum over the items that were done, None if there was none."""

    result: Any
    done: tuple[Item, ...]
    skipped: tuple[Skipped, ...]


class Loop:
    """One phase: applies a function to items by way of an engine, and sums what comes back."""

    _ids = itertools.count(1)  # unique in this process, so that phases can share an engine

    def __init__(
        self,
        engine: Engine,
        *,
        category: Category,
        staging: Path,
        settings: LoopSettings,
        journal: Journal,
        on_tick: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._category = category
        self._staging = staging
        self._settings = settings
        self._journal = journal
        self._on_tick = on_tick
        self._running: dict[int, tuple[Task, tuple[Item, ...]]] = {}
        self._attempts: dict[tuple[Cause, int], int] = Counter()
        self._failed_files: defaultdict[str, set[str]] = defaultdict(set)
        self._done: list[Item] = []
        self._skipped: list[Skipped] = []
        self._status = EngineStatus()

    def run(self, items: Sequence[Item], function: Callable[[Any], Any]) -> LoopResult:
        """Apply the function to all items.

        Raises
        ------
        ProcessorError, InputError, EngineError
            If the policy says that the run cannot go on.
        OutputError
            If the staging directory cannot be written.
        """
        began = time.monotonic()
        self._journal.record(PhaseStarted(category=self._category.value, datasets=plans(items)))
        self._backlog = Backlog(items, self._settings.shape)
        self._reducer = Reducer()
        try:
            self._function = self._write_function(function)
            while self._backlog or self._running:
                self._feed()
                for outcome in self._engine.wait(TICK):
                    self._handle(outcome)
                self._on_tick()
                self._note_status()
        except OSError as error:
            self._reducer.abandon()
            raise OutputError(f"cannot write to {self._staging}: {error.strerror or error}") from error
        except BaseException:
            self._reducer.abandon()
            raise
        result = self._reducer.finish()
        self._journal.record(PhaseEnded(category=self._category.value, seconds=time.monotonic() - began))
        return LoopResult(result=result, done=tuple(self._done), skipped=tuple(self._skipped))

    def _write_function(self, function: Callable[[Any], Any]) -> Path:
        import dill

        try:
            content = dill.dumps(function)
        except Exception as error:
            raise ProcessorError(
                f"the processor cannot be sent to workers: {type(error).__name__}: {error}",
                hint="open files, locks and connections cannot be attributes of a processor; "
                "create them in process()",
            ) from error
        preamble = pickle.dumps({"paths": list(self._settings.paths), "versions": payload.versions()})
        # the name is the content: workers cache the file by its name
        digest = hashlib.blake2b(preamble + content, digest_size=8).hexdigest()
        path = self._staging / f"function-{digest}"
        path.write_bytes(preamble + content)
        return path

    def _feed(self) -> None:
        slots = self._slots()
        while len(self._running) < slots + max(SPARE, slots // 4):
            batch = self._backlog.next_batch(slots)
            if not batch:
                return
            self._submit(batch)

    def _slots(self) -> int:
        cores = self._settings.resources.cores or 1
        return max(1, math.floor(self._engine.status.cores / cores))

    def _submit(self, batch: tuple[Item, ...]) -> None:
        number = next(self._ids)
        task = Task(
            id=number,
            category=self._category,
            function=self._function,
            items=self._staging / f"{number}.items",
            result=self._staging / f"{number}.result",
            resources=self._settings.resources,
        )
        task.items.write_bytes(pickle.dumps([item.value for item in batch]))
        self._running[number] = (task, batch)
        self._engine.submit(task)
        self._journal.record(
            TaskSubmitted(
                task=number,
                category=self._category.value,
                dataset=batch[0].dataset,
                items=len(batch),
                events=sum(item.events for item in batch),
                cores=task.resources.cores,
                memory=task.resources.memory,
            )
        )

    def _handle(self, outcome: Outcome) -> None:
        if outcome.task_id not in self._running:
            return  # of a phase that was given up
        task, batch = self._running.pop(outcome.task_id)
        task.items.unlink(missing_ok=True)
        if outcome.ending is not Ending.RETURNED:
            self._record_end(outcome, batch, None)
            self._perform(policy.trouble_of_outcome(outcome), batch, outcome)
            return
        try:
            found = answer.read_answer(task.result)
        except (DamagedResultError, FileNotFoundError) as error:
            self._record_end(outcome, batch, None)
            self._perform(Trouble(cause=Cause.DAMAGED, message=str(error)), batch, outcome)
            return
        self._record_end(outcome, batch, found)
        self._learn(batch, found)
        self._accept(task, batch, found)
        for number, failure in enumerate(found.failures):
            self._fail(task, batch, outcome, failure, number)

    def _learn(self, batch: tuple[Item, ...], found: Answer) -> None:
        for measured in found.measured:
            item = batch[measured.index]
            self._backlog.learn(item.dataset, item.size, measured.wall)

    def _accept(self, task: Task, batch: tuple[Item, ...], found: Answer) -> None:
        if found.done:
            items = tuple(batch[index] for index in found.done)
            seconds = {one.index: one.wall for one in found.measured}
            self._reducer.add(task.result)
            self._done += items
            self._journal.record(
                Accepted(
                    task=task.id,
                    category=self._category.value,
                    dataset=items[0].dataset,
                    events=sum(item.events for item in items),
                    items=tuple(item.key for item in items),
                    seconds=tuple(round(seconds.get(index, 0.0), 4) for index in found.done),
                )
            )
        for index, reason in found.skipped.items():
            trouble = Trouble(cause=Cause.INPUT, message=reason)
            self._skip(task.id, (batch[index],), trouble, reason, found.host, by_function=True)

    def _fail(
        self, task: Task, batch: tuple[Item, ...], outcome: Outcome, failure: Failure, number: int
    ) -> None:
        items = batch if failure.index is None else (batch[failure.index],)
        self._failed_files[failure.signature].update(item.path for item in items)
        self._perform(policy.trouble_of_failure(failure), items, outcome, (task.result, number))

    def _perform(
        self,
        trouble: Trouble,
        items: tuple[Item, ...],
        outcome: Outcome,
        exception_at: tuple[Path, int] | None = None,
    ) -> None:
        action = policy.decide(
            trouble, items=len(items), history=self._history(trouble, items), settings=self._settings.policy
        )
        for item in items:
            self._attempts[trouble.cause, item.number] += 1
        host = outcome.host
        if isinstance(action, Skip):
            self._skip(outcome.task_id, items, trouble, f"{action.reason}: {trouble.message}", host)
            return
        self._record_decision(
            outcome.task_id, type(action).__name__.lower(), items, trouble, action.reason, host
        )
        match action:
            case Retry():
                self._backlog.put_back(items)
            case Split():
                half = len(items) // 2
                self._backlog.put_back(items[:half])
                self._backlog.put_back(items[half:])
            case Abort(reason=reason):
                cause = _exception(exception_at) if exception_at else None
                raise _error(trouble, reason, items, outcome) from cause

    def _history(self, trouble: Trouble, items: tuple[Item, ...]) -> policy.History:
        return policy.History(
            attempts=max(self._attempts[trouble.cause, item.number] for item in items),
            files_with_signature=len(self._failed_files[trouble.signature]) if trouble.signature else 0,
        )

    def _skip(
        self,
        task: int,
        items: tuple[Item, ...],
        trouble: Trouble,
        reason: str,
        host: str,
        *,
        by_function: bool = False,
    ) -> None:
        self._skipped += [Skipped(item=item, reason=reason, by_function=by_function) for item in items]
        self._record_decision(task, "skip", items, trouble, reason, host)

    def _record_decision(
        self, task: int, action: str, items: tuple[Item, ...], trouble: Trouble, reason: str, host: str
    ) -> None:
        self._journal.record(
            Decided(
                task=task,
                category=self._category.value,
                dataset=items[0].dataset,
                action=action,
                cause=trouble.cause.value,
                reason=f"{trouble.message} ({reason})" if trouble.message not in reason else reason,
                events=sum(item.events for item in items),
                items=tuple(item.key for item in items),
                host=host,
                traceback=trouble.traceback,
            )
        )

    def _record_end(self, outcome: Outcome, batch: tuple[Item, ...], found: Answer | None) -> None:
        measured = found.measured if found else ()
        self._journal.record(
            TaskEnded(
                task=outcome.task_id,
                category=self._category.value,
                dataset=batch[0].dataset,
                ending=outcome.ending.value,
                host=outcome.host,
                started=outcome.started,
                finished=outcome.finished,
                wall=found.wall if found else 0.0,
                startup=found.startup if found else 0.0,
                processing=sum(one.wall for one in measured),
                cpu=sum(one.cpu for one in measured),
                memory=max((one.memory for one in measured), default=0),
                bytes_read=sum(one.bytes_read for one in measured),
                bytes_sent=outcome.bytes_sent,
                bytes_received=outcome.bytes_received,
                done=len(found.done) if found else 0,
                events=sum(batch[index].events for index in found.done) if found else 0,
                cores=outcome.allocated.cores or self._settings.resources.cores or 1,
                allocated=(outcome.allocated.memory or 0) * MB,
                transfer=outcome.transfer_seconds,
            )
        )

    def _note_status(self) -> None:
        status = self._engine.status
        if status == self._status:
            return
        self._status = status
        self._journal.record(
            Workers(
                workers=status.workers,
                busy=status.workers_busy,
                joined=status.workers_joined,
                lost=status.workers_lost,
                cores=status.cores,
                cores_used=status.cores_used,
                memory=status.memory,
                memory_used=status.memory_used,
                waiting=status.tasks_waiting,
                running=status.tasks_running,
                restarts=status.restarts,
                bytes_sent=status.bytes_sent,
                bytes_received=status.bytes_received,
                largest_cores=status.largest.cores or 0.0,
                largest_memory=(status.largest.memory or 0.0) * MB,
            )
        )


def _exception(place: tuple[Path, int]) -> BaseException | None:
    """Return the worker's own exception, so that callers can catch it by its type."""
    path, number = place
    try:
        return answer.read_exceptions(path)[number]
    except Exception:
        return None


def _error(trouble: Trouble, reason: str, items: tuple[Item, ...], outcome: Outcome) -> WqRunnerError:
    place = items[0].place if len(items) == 1 else f"{items[0].place} and {len(items) - 1} more"
    match trouble.cause:
        case Cause.INPUT:
            return InputError(
                f"{items[0].path} cannot be read ({trouble.message})",
                hint="--skip-bad-files leaves such files out, and says so in the result",
            )
        case Cause.PROCESSOR | Cause.RESULT | Cause.CRASHED:
            text = trouble.traceback or trouble.message
            return ProcessorError(
                f"the processor failed, so the run stopped ({reason})\n\n{text}\n\nfirst seen in {place}"
            )
        case Cause.EXHAUSTED | Cause.LOST | Cause.TRANSFER | Cause.DAMAGED | Cause.ENVIRONMENT:
            where = f" on {outcome.host}" if outcome.host else ""
            return EngineError(f"{trouble.cause.value}{where}: {trouble.message} ({reason}); {place}")
