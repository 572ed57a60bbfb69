"""What went wrong before: the histories from which the policy decides."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from wq_runner.ledger.items import Item, Key
from wq_runner.scheduler.policy import Cause, History, Settings, Trouble


class Attempts:
    """Counts causes by item, where each failure of the code was seen, and where it was given up.

    While nothing has succeeded, it also says how many files may be tried: if the processor fails on
    everything, that is known after few. `done` is how many events an earlier process did.
    """

    def __init__(self, items: Sequence[Item], settings: Settings, *, done: int = 0) -> None:
        self._settings = settings
        self._counts: Counter[tuple[Cause, Item]] = Counter()
        self._seen: defaultdict[str, set[Key]] = defaultdict(set)
        self._given_up: defaultdict[str, set[Key]] = defaultdict(set)
        self._tried: set[str] = set()
        self._anything_done = done > 0
        self._total = done + sum(item.events for item in items)
        self._lost = 0
        files: defaultdict[str, set[str]] = defaultdict(set)
        for item in items:
            files[item.dataset].add(item.path)
        self._few_files = {dataset for dataset, paths in files.items() if len(paths) < settings.same_failure}

    def begin(self, items: Iterable[Item]) -> None:
        """Note that items are tried."""
        self._tried.update(item.path for item in items)

    @property
    def may_try_more(self) -> bool:
        return len(self._tried) < self._settings.same_failure

    def seen(self, signature: str, items: Sequence[Item]) -> None:
        """Note where a failure was seen, if that is known."""
        if signature and len(items) == 1:
            self._seen[signature].add(items[0].key)

    def failed(self, cause: Cause, items: Iterable[Item]) -> None:
        self._counts.update((cause, item) for item in items)

    def succeeded(self) -> None:
        """Note that something was done: from now on only what failed for good tells against the code."""
        self._anything_done = True

    def skipped(self, items: Iterable[Item], signature: str = "") -> None:
        for item in items:
            self._lost += item.events
            if signature:
                self._given_up[signature].add(item.key)

    def cut(self, whole: Item, parts: Iterable[Item]) -> None:
        """Give the parts of an item the history of the whole, but for its size: they are smaller."""
        counts = {cause: self._counts[cause, whole] for cause in Cause if cause is not Cause.EXHAUSTED}
        for part in parts:
            self._counts.update({(cause, part): count for cause, count in counts.items() if count})

    def history(self, trouble: Trouble, items: Sequence[Item], *, at_largest: bool, others: bool) -> History:
        signature = trouble.signature
        keys = {item.key for item in items}
        lost = self._lost + sum(item.events for item in items)
        few_files = items[0].dataset in self._few_files
        count = _distinct if few_files else _files
        return History(
            attempts=max(self._counts[trouble.cause, item] for item in items),
            places=count(self._seen[signature]) if signature else 0,
            given_up=count(self._given_up[signature] | keys) if signature else 0,
            unit="chunks" if few_files else "files",
            anything_done=self._anything_done,
            at_largest=at_largest,
            failed_share=lost / self._total if self._total else 1.0,
            others=others,
        )


def _files(keys: Iterable[Key]) -> int:
    return len({path for path, *_ in keys})


def _distinct(keys: Iterable[Key]) -> int:
    """Count chunks, but one that was cut only by its parts: those that failed as well."""
    last: tuple[str, str, int] | None = None
    count = 0
    # the last start first, and of one start the first stop first: what holds a part comes after it
    for path, tree, start, stop, *_ in sorted(keys, key=lambda key: (*key[:2], -key[2], key[3])):
        if last is None or last[:2] != (path, tree) or stop <= last[2]:
            count += 1
            last = (path, tree, start)
    return count
