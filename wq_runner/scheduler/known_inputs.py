"""What is known of the input files of a phase: from who planned it, or from tasks that read them first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wq_runner.engine.answer import Answer
from wq_runner.ledger.items import Item, Place
from wq_runner.remote.inputs import UNKNOWN, Known


class Inputs:
    """Grows as tasks answer, so that all chunks of a file are of one content, whoever asked for them."""

    def __init__(self) -> None:
        self._seen: dict[Place, Known] = {}

    @property
    def seen(self) -> Mapping[Place, Known]:
        """What tasks found the files to be."""
        return self._seen

    def of(self, item: Item) -> Known:
        """Return what a task is to expect of the file of an item."""
        identity, entries = self._seen.get(item.file, UNKNOWN)
        return item.identity or identity, entries if item.entries is None else item.entries

    def contradiction(self, batch: Sequence[Item], found: Answer) -> str:
        """Say which file two tasks that ran at one time have read differently, if there is one."""
        for index in found.done:
            item, told = batch[index], found.inputs.get(index)
            known, _ = self.of(item)
            if told is not None and told.identity and known and told.identity != known:
                return f"{item.path} is another file than for the chunks before"
        return ""

    def learn(self, batch: Sequence[Item], found: Answer) -> None:
        for index in found.done:
            told = found.inputs.get(index)
            if told is not None and told.identity:
                self._seen.setdefault(batch[index].file, (told.identity, told.entries))
