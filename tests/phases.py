"""A phase of the loop on a scripted engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import scripted
from counting import look
from scripted import Clock, Cost, ScriptedEngine, Worker

from wq_runner import journal
from wq_runner.journal import Journal
from wq_runner.ledger.items import describe
from wq_runner.model import Category
from wq_runner.remote.pinned import Code
from wq_runner.run_events import Decided, Event
from wq_runner.scheduler.batching import ShapeSettings
from wq_runner.scheduler.loop import Loop
from wq_runner.scheduler.phase import Context, LoopResult, LoopSettings, StopRequest

SETTINGS = LoopSettings(code=Code(), shape=ShapeSettings(task_time=20, least_time=2))


@dataclass
class Phase:
    """A phase on a scripted engine, in a directory of its own."""

    root: Path
    workers: tuple[Worker, ...] = (Worker(cores=2),)
    settings: LoopSettings = SETTINGS
    script: scripted.Script = scripted.well
    cost: Callable[[Any], Cost] = lambda _: Cost()
    category: Category = Category.PROCESSING
    local: int = 0
    kept: bool = True
    on_tick: Callable[[], None] = lambda: None
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        for name in ("staging", "ledger"):
            (self.root / name).mkdir()
        self.journal = Journal(self.root / "journal.jsonl")
        self.stop = StopRequest(clock=self.clock)
        self.engine = ScriptedEngine(
            self.workers, clock=self.clock, script=self.script, cost=self.cost, startup=0.5
        )
        self.engine.start()

    def run(self, values: list[Any], function: Callable[[Any], Any] = look) -> LoopResult:
        context = Context(
            staging=self.root / "staging",
            journal=self.journal,
            ledger=self.root / "ledger" if self.kept else None,
            stop=self.stop,
            on_tick=self.on_tick,
            local=self.local,
            clock=self.clock,
        )
        loop = Loop(self.engine, category=self.category, settings=self.settings, context=context)
        return loop.run([describe(value) for value in values], function)

    def events(self, *kinds: type[Event]) -> list[Any]:
        read = (event for _, event in journal.read(self.root / "journal.jsonl"))
        return [event for event in read if isinstance(event, kinds)]

    def decided(self) -> list[tuple[str, str]]:
        return [(one.action, one.cause) for one in self.events(Decided)]
