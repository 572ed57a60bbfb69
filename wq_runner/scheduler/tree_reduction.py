"""Tasks that add up results: the manager moves their files, and never holds what is in them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wq_runner.engine import answer
from wq_runner.engine.answer import Answer, DamagedError, Kind
from wq_runner.engine.protocol import Engine
from wq_runner.ledger.items import Item
from wq_runner.ledger.parts import Batch
from wq_runner.ledger.reducer import Reducer
from wq_runner.model import Category, Ending, Outcome, Task
from wq_runner.remote import work
from wq_runner.scheduler import journal_events, tree_reading
from wq_runner.scheduler.allocation import AllocationSettings, Allocator
from wq_runner.scheduler.phase import Context
from wq_runner.units import MB

log = logging.getLogger(__name__)

ATTEMPTS = 3  # of a batch, before it is added up here


@dataclass(frozen=True, kw_only=True)
class _Running:
    task: Task
    batch: Batch
    items: tuple[Item, ...]
    attempt: int


class Accumulation:
    """Gives the reducer's batches to the engine, and back what came of them.

    Nothing is lost by a failure: the files stay in the ledger until their sum is there.
    """

    def __init__(
        self,
        engine: Engine,
        reducer: Reducer,
        *,
        allocation: AllocationSettings,
        context: Context,
        write_function: Callable[[Callable[[Any], Any]], Path],
    ) -> None:
        self._engine = engine
        self._reducer = reducer
        self._context = context
        self._allocator = Allocator(allocation)  # by bytes of the files, where others go by events
        self._write_function = write_function
        self._function: Path | None = None
        self._running: dict[int, _Running] = {}

    @property
    def running(self) -> int:
        """How many tasks the engine has."""
        return len(self._running)

    @property
    def busy(self) -> bool:
        return bool(self._running) or self._reducer.busy

    def feed(self, slots: int) -> None:
        """Submit what waits; of a dataset of which nothing is known yet, one task that measures."""
        for batch in self._reducer.batches(slots - len(self._running)):
            self._submit(batch, attempt=1)

    def handle(self, outcome: Outcome) -> bool:
        """Take the outcome of one of these tasks; False if it is none."""
        running = self._running.pop(outcome.task_id, None)
        if running is None:
            return False
        task = running.task
        found = _read(task, outcome)
        self._context.journal.record(*journal_events.ended(task, outcome, running.items, found))
        model = self._allocator.model(running.batch.dataset)
        if found is not None and len(found.done) == len(running.items):
            for measured in found.measured:
                model.observe(running.batch.parts[measured.index].size, measured.memory)
            self._reducer.returned(running.batch, task.result)
            return True
        if used := _exhausted(task, outcome, found):
            model.exhausted(max(part.size for part in running.batch.parts), used)
        task.result.unlink(missing_ok=True)
        if running.attempt < ATTEMPTS and self._context.stop.since is None:
            self._submit(running.batch, attempt=running.attempt + 1)
        else:
            log.info("%d results of %s are added up here", len(running.items), running.batch.dataset)
            self._reducer.returned(running.batch, None)
        return True

    def _submit(self, batch: Batch, attempt: int) -> None:
        if self._function is None:
            self._function = self._write_function(tree_reading.read)
        number = next(self._context.numbers)
        items = tuple(
            Item(value=tree_reading.Result(path=part.path), dataset=batch.dataset, path=str(part.path))
            for part in batch.parts
        )
        task = Task(
            id=number,
            category=Category.ACCUMULATING,
            function=self._function,
            items=work.pack(item.value for item in items),
            result=self._context.staging / f"{number}.result",
            inputs=tuple(part.path for part in batch.parts),
            resources=self._allocator.request(
                [(batch.dataset, part.size) for part in batch.parts], self._engine.status.largest
            ),
        )
        self._running[number] = _Running(task=task, batch=batch, items=items, attempt=attempt)
        self._context.journal.record(*journal_events.submitted(task, items))
        self._engine.submit(task)


def _read(task: Task, outcome: Outcome) -> Answer | None:
    if outcome.ending is not Ending.RETURNED:
        return None
    try:
        return answer.read_answer(task.result)
    except (DamagedError, FileNotFoundError):
        return None


def _exhausted(task: Task, outcome: Outcome, found: Answer | None) -> float:
    """Return the bytes of memory that did not suffice; 0 if that was not the trouble."""
    if found is not None:
        return max((one.memory for one in found.failures if one.kind is Kind.MEMORY), default=0)
    return (task.resources.memory or 0) * MB if outcome.ending is Ending.EXHAUSTED else 0
