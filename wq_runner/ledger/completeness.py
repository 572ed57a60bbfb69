"""Which datasets are complete, while others are not: all that was asked for of them is in the result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from wq_runner.ledger.items import Item, Sum, datasets_of


class Completed(Protocol):
    """Is told of each dataset that is complete, with the one file of the ledger that has each of its sums."""

    def __call__(self, dataset: str, files: Mapping[Sum, Path], /) -> None: ...


class Completion:
    """Counts what is left of each dataset. What is skipped is never done, so its dataset is not complete."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._left: Counter[str] = Counter()
        for item in items:
            self._left[item.dataset] += item.size

    def among(self, datasets: Iterable[str]) -> list[str]:
        """Return those of which nothing is to be done, each once."""
        return [name for name in dict.fromkeys(datasets) if name not in self._left]

    def done(self, items: Iterable[Item]) -> list[str]:
        """Return the datasets of which these items were the last."""
        items = list(items)
        for item in items:
            self._left[item.dataset] -= item.size
        return [name for name in datasets_of(items) if self._left[name] <= 0]
