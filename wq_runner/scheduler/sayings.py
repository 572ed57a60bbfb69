"""What tasks warn of and print, for the log of the run and for its journal: bounded in both."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field

from wq_runner.engine.answer import Answer, TaskWarning
from wq_runner.journal import Journal
from wq_runner.model import Outcome, Task
from wq_runner.run_events import Printed, Warned

log = logging.getLogger(__name__)

KINDS = 50  # texts of warnings
IN_JOURNAL, IN_LOG = 200_000, 10_000_000  # characters of what tasks print
_NUMBERS = re.compile(r"\d+")


@dataclass
class _Kind:
    """Warnings that are alike: how many are on record, and how many came since."""

    example: TaskWarning
    recorded: int = 0
    since: int = 0


@dataclass
class Sayings:
    """Takes what tasks say, one after the other.

    A warning is written down when it comes first, and then when there are twice as many: a journal must not
    grow with what each of a million chunks warns of.
    """

    journal: Journal
    _kinds: dict[tuple[str, str], _Kind] = field(default_factory=dict)
    _printed: int = 0

    def take(self, task: Task, dataset: str, outcome: Outcome, found: Answer) -> None:
        for one in found.warned:
            self._warned(one, task, dataset, found.host)
        if text := outcome.output.strip("\n"):
            self._print(text, task, dataset, found.host)

    def flush(self, task: int = 0, category: str = "") -> None:
        """Write down the warnings that are not on record yet."""
        for kind in self._kinds.values():
            self._record(kind, task, category, "", "")

    def _warned(self, one: TaskWarning, task: Task, dataset: str, host: str) -> None:
        key = (one.kind, _NUMBERS.sub("#", one.text))
        if key not in self._kinds and len(self._kinds) >= KINDS:
            key = ("", "")
            one = TaskWarning(kind="", text="warnings of more kinds", place="", count=one.count)
        kind = self._kinds.setdefault(key, _Kind(one))
        kind.since += one.count
        if not kind.recorded:
            log.info("task %d (%s, on %s) warned at %s: %s: %s", task.id, dataset, host, *_words(one))
        if kind.since >= kind.recorded:
            self._record(kind, task.id, task.category.value, dataset, host)

    def _record(self, kind: _Kind, task: int, category: str, dataset: str, host: str) -> None:
        if not kind.since:
            return
        self.journal.record(
            Warned(
                task=task,
                category=category,
                dataset=dataset,
                host=host,
                kind=kind.example.kind,
                text=kind.example.text,
                place=kind.example.place,
                count=kind.since,
            )
        )
        kind.recorded, kind.since = kind.recorded + kind.since, 0

    def _print(self, text: str, task: Task, dataset: str, host: str) -> None:
        before, self._printed = self._printed, self._printed + len(text)
        if before < IN_LOG:
            log.info("task %d (%s, on %s) printed:\n%s", task.id, dataset, host, text)
            if self._printed >= IN_LOG:
                log.info("of what tasks print, no more is kept here")
        kept = text if before < IN_JOURNAL else ""
        self.journal.record(
            Printed(task=task.id, category=task.category.value, dataset=dataset, host=host, text=kept)
        )


def _words(one: TaskWarning) -> tuple[str, str, str]:
    return one.place, one.kind, one.text
