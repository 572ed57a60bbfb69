"""What each of several processors has tried, and which were given up: one tells nothing of another."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from wq_runner.errors import WqRunnerError
from wq_runner.ledger.items import Item
from wq_runner.ledger.ledger import Holding
from wq_runner.remote.several import processor_of
from wq_runner.scheduler import policy
from wq_runner.scheduler.attempts import Attempts
from wq_runner.scheduler.policy import Cause

log = logging.getLogger(__name__)

OF_PROCESSOR = frozenset({*policy.OF_THE_CODE, Cause.EXHAUSTED} - {Cause.SCHEMA})
"""Causes that may be the fault of one processor, and not of what all of them share."""


class ByProcessor:
    """The attempts of each processor, with the name "" where there is only one.

    One that has failed is given up if others go on: `failed` has the error of each, `dropped` what was to be
    done for them.
    """

    def __init__(
        self, items: Sequence[Item], recovered: Iterable[Holding], settings: policy.Settings
    ) -> None:
        self.failed: dict[str, WqRunnerError] = {}
        self.dropped: list[Item] = []
        of: dict[str, list[Item]] = {item.processor: [] for item in items} or {"": []}
        for item in items:
            of[item.processor].append(item)
        done: Counter[str | None] = Counter()
        for holding in recovered:
            done[_processor_of(holding, of)] += holding.events
        self._others_done = None in done  # an earlier run did all there is for another processor
        self._attempts = {name: Attempts(some, settings, done=done[name]) for name, some in of.items()}

    def attempts(self, item: Item) -> Attempts:
        """Return the attempts of the item's processor."""
        return self._attempts[item.processor]

    @property
    def may_try_more(self) -> bool:
        return all(one.may_try_more for one in self._attempts.values())

    def begin(self, items: Iterable[Item]) -> None:
        """Note that items are tried."""
        for item in items:
            self.attempts(item).begin((item,))

    def succeeded(self, items: Iterable[Item]) -> None:
        """Note that items were done."""
        for name in {item.processor for item in items}:
            self._attempts[name].succeeded()

    def give_up(self, items: Sequence[Item], cause: Cause, error: WqRunnerError) -> bool:
        """Give up the processor of these items if the error is its own; False if the run ends with it."""
        if not self.fail(items[0].processor, error, own=cause in OF_PROCESSOR):
            return False
        self.drop(items)
        return True

    def fail(self, name: str, error: WqRunnerError, *, own: bool = True) -> bool:
        """Note the error of a processor; False if it ends the run: not its `own`, or no other goes on."""
        if name:
            self.failed[name] = error
        others = self._others_done or set(self._attempts) - set(self.failed)
        if not name or not own or not others:
            return False
        log.warning("%s has failed, and is left out; the others go on", name)
        return True

    def drop(self, items: Iterable[Item]) -> None:
        """Note items that nobody does any more."""
        self.dropped += items

    def still_wanted(self, items: tuple[Item, ...]) -> tuple[Item, ...]:
        """Return the items of processors that were not given up, and note the others."""
        self.drop(item for item in items if item.processor in self.failed)
        return tuple(item for item in items if item.processor not in self.failed)


def _processor_of(holding: Holding, names: Collection[str]) -> str | None:
    """Return which of these processors a result is of."""
    name = "" if "" in names else processor_of(holding.dataset)
    return name if name in names else None
