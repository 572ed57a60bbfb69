"""Which columns the chunks of a dataset read: what is known of them comes from their server at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wq_runner.engine.answer import Answer
from wq_runner.ledger.items import Item
from wq_runner.remote.opening import Reading

Names = frozenset[str]


@dataclass(frozen=True, kw_only=True)
class ReadSettings:
    """How workers read files, and what is named beforehand: `columns` for all datasets, and those of each."""

    reading: Reading = field(default_factory=Reading)
    columns: tuple[str, ...] = ()
    named: Mapping[str, Names] = field(default_factory=dict)

    @classmethod
    def of(cls, *, columns: tuple[str, ...] = (), **reading: Any) -> ReadSettings:
        """Return them with what `Reading` has."""
        return cls(reading=Reading(**reading), columns=columns)


class Columns:
    """Grows as chunks tell what they had to ask for by itself; what was named stays as it is."""

    def __init__(self, settings: ReadSettings) -> None:
        self._learned: dict[str, Names] = {}
        self._named = settings.named

    def of(self, batch: Iterable[Item]) -> Mapping[str, Names]:
        """Return the columns of the datasets of a task, where any are known."""
        found = {}
        for name in {item.group for item in batch}:
            known = self._named.get(name) or self._learned.get(name)
            if known:
                found[name] = known
        return found

    def learn(self, found: Answer) -> None:
        for name, columns in found.columns.items():
            self._learned[name] = self._learned.get(name, frozenset()) | columns
