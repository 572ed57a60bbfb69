"""From a plan to its result, and once more where the files turned out to be others than were planned."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from wq_runner.coffea_adapter.runner import Analysis, Processed, add_up, process
from wq_runner.directory import remainder, resume
from wq_runner.directory.remainder import Remainder
from wq_runner.errors import InterruptedRunError, PartialResultError
from wq_runner.journal import Journal
from wq_runner.ledger.ledger import Recovered
from wq_runner.model import Chunk
from wq_runner.output.early_files import Completed
from wq_runner.planning import chunks, file_info
from wq_runner.planning.schemes import Portions
from wq_runner.run_events import Resumed
from wq_runner.samples.cache import states_of
from wq_runner.scheduler.policy import Changed
from wq_runner.scheduler.session import Session
from wq_runner.steps import announcements
from wq_runner.steps.prepare import Prepared
from wq_runner.steps.request import Request
from wq_runner.system import RunPaths

ROUNDS = 3
"""How often files are planned before those that are others each time are left out."""


@dataclass(frozen=True, kw_only=True)
class Rounds:
    """What the rounds of a run have in common."""

    request: Request
    ready: Prepared
    analysis: Analysis
    session: Session
    paths: RunPaths
    journal: Journal
    console: Console
    completed: Completed | None = None

    def plan(self, recovered: Recovered) -> list[Chunk]:
        """Open the files that have to be, and return what is asked for."""
        ready, session, settings = self.ready, self.session, self.request.settings.chunks
        claimed = any(not known.identity for known in ready.knowledge.facts.values())
        recorded = {key[:2] for keys in recovered.done.values() for key in keys} if claimed else set()
        file_info.learn(
            ready.fileset,
            ready.knowledge,
            session=session,
            cache=ready.cache,
            settings=settings,
            recorded=recorded,
        )
        if session.stop.since is not None:
            raise InterruptedRunError("interrupted before all files were known; what was learned is kept")
        plan = chunks.plan(ready.fileset, ready.knowledge.facts, settings)
        if not plan:
            raise PartialResultError("not one file could be read, so there is nothing to run on")
        return plan

    def left(self, plan: Sequence[Chunk], recovered: Recovered, portions: Portions) -> Remainder:
        """Return what of a plan is left to be done, and drop what does not count any more."""
        left = remainder.remainder(plan, recovered, portions)
        remainder.drop(self.paths, self.journal, recovered, left)
        return left

    def resume(self, plan: Sequence[Chunk], left: Remainder) -> None:
        """Say what an earlier run did."""
        done = remainder.plans_of(left.recovered)
        if done:
            self.journal.record(Resumed(datasets=done))
        announcements.resuming(self.console, self.paths, plan, left, done)

    def process(
        self, plan: list[Chunk], left: Remainder, portions: Portions
    ) -> tuple[list[Chunk], Processed]:
        """Do what is left, and plan again what was not as it was planned; return the plan that was done."""
        knowledge, cache = self.ready.knowledge, self.ready.cache
        before = states_of(file for file, known in knowledge.facts.items() if not known.identity)
        found = Processed(sums={}, items=())
        for number in range(ROUNDS):
            found = self._once(left, Changed.AGAIN if number + 1 < ROUNDS else Changed.LEAVE)
            if not found.again:
                break
            announcements.again_planned(self.console, file_info.forget(knowledge, cache, found.again))
            recovered = resume.so_far(self.paths)
            plan = self.plan(recovered)
            left = self.left(plan, recovered, portions)
            if self.completed is not None:
                self.completed.again({chunk.dataset for chunk in left.chunks})
        if file_info.confirm(knowledge, cache, found.seen, before):
            plan = chunks.plan(self.ready.fileset, knowledge.facts, self.request.settings.chunks)
        return plan, found

    def _once(self, left: Remainder, changed: Changed) -> Processed:
        if not left.chunks:
            return add_up(left.recovered, self.session)
        settings = self.session.settings
        policy = dataclasses.replace(settings.policy, changed=changed)
        session = dataclasses.replace(
            self.session,
            recovered=left.recovered,
            settings=dataclasses.replace(settings, policy=policy),
            known={
                (file.path, file.treename): (known.identity.hex(), known.entries)
                for file, known in self.ready.knowledge.facts.items()
            },
        )
        return process(self.analysis, self.ready.fileset, left.chunks, session)
