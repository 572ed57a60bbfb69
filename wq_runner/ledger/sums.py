"""The sums of results, one for each dataset (or portion of it), and the files of the ledger that hold them.

Results are added up here, or put apart for tasks to add up. Either way a sum replaces the files that it is
made of only when it is safe and the journal says so. Where several processors share the chunks, results of
one that cannot be added to each other are its own affair: it has no sum, and its files stay as they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from wq_runner.engine import answer
from wq_runner.errors import ProcessorError
from wq_runner.journal import Journal
from wq_runner.ledger import ledger
from wq_runner.ledger.items import Sum
from wq_runner.ledger.ledger import Holding
from wq_runner.ledger.parts import Apart, Batch, Loose, Part, Summed, TreeSettings, name_of
from wq_runner.remote.several import processor_of
from wq_runner.run_events import Merged

MOST_PARTS = 48  # files in the ledger before the largest sums are written
MOST_BYTES = 512 * 2**20  # the same, by their size


class Sums:
    """All sums of a phase. Without `directory` they are in memory alone, and none is for tasks.

    Of several `processors`, `failed` has the error of each whose results cannot be added up.
    """

    def __init__(
        self,
        journal: Journal,
        directory: Path | None,
        tree: TreeSettings | None,
        processors: Collection[str] = (),
    ) -> None:
        self.failed: dict[str, ProcessorError] = {}
        self._processors = frozenset(processors)
        self._journal = journal
        self._directory = directory
        self._tree = tree if directory is not None else None
        self._sums: dict[Sum, Summed] = {}
        self._loose = Loose()
        self._apart = Apart()
        self._of_dataset: defaultdict[str, list[Sum]] = defaultdict(list)
        self._complete: dict[str, None] = {}  # datasets that are, and were not given out yet

    @property
    def tree(self) -> TreeSettings | None:
        return self._tree

    @property
    def some_apart(self) -> bool:
        """Whether something waits for tasks, or may; another thread may ask."""
        if self._tree is None:
            return False
        return self._tree.always or bool(self._apart)

    def totals(self) -> dict[Sum, Any]:
        """Return the sums, in the order in which they came."""
        return {of: one.total for of, one in self._sums.items() if not self._has_failed(of)}

    def add(self, of: Sum, path: Path) -> None:
        """Add a result that no file of the ledger holds."""
        if not self._has_failed(of):
            self._add(of, answer.read_result(path))

    def add_part(self, of: Sum, part: Part) -> None:
        """Add what a file of the ledger holds."""
        self.add(of, part.path)
        self._add_loose(of, part)

    def add_total(self, of: Sum, total: Any, part: Part) -> None:
        """Add what a file of the ledger holds, and is known."""
        self._add(of, total)
        self._add_loose(of, part)

    def put_apart(self, of: Sum, part: Part) -> None:
        """Leave a file of the ledger for tasks."""
        if self._has_failed(of):
            return
        self._apart.put(of, self._of(of), part)

    def take_holding(self, holding: Holding) -> None:
        """Take a file that an earlier process left."""
        if self._directory is None:
            return
        path = self._directory / holding.name
        part = Part(path=path, size=path.stat().st_size, last=max(holding.tasks), count=len(holding.tasks))
        if self._tree is not None and self._tree.always:
            self.put_apart(holding.sum, part)
        else:
            self.add_part(holding.sum, part)

    def take_back(self, batch: Batch, result: Path | None) -> None:
        """Take what a task made of a batch; without a result, it is added up here."""
        assert self._directory is not None
        self._apart.take_back(batch, self._sums[batch.of])
        if result is None:
            for part in batch.parts:
                self.add_part(batch.of, part)
            return
        path = self._directory / name_of(batch.parts)
        ledger.keep(result, path)
        self._replace(batch.dataset, batch.parts, path)
        self.put_apart(batch.of, Part.of_sum(path, batch.parts))

    def add_rest(self) -> None:
        """Add what is apart, at the end."""
        for of, one in self._sums.items():
            for part in one.apart.values():
                self.add(of, part.path)

    def complete(self, datasets: Iterable[str]) -> None:
        """Note that nothing more comes of these datasets."""
        self._complete.update(dict.fromkeys(datasets))

    def whole(self) -> Iterator[tuple[str, dict[Sum, Path]]]:
        """Yield each dataset that is complete once, when one file of the ledger has each of its sums."""
        for dataset in tuple(self._complete):
            sums = {of: self._sums[of] for of in self._of_dataset[dataset]}
            if any(one.out for one in sums.values()):
                continue
            del self._complete[dataset]
            files = {of: self._file(of, one) for of, one in sums.items()}
            there = {of: path for of, path in files.items() if path is not None}
            if len(there) == len(files):
                yield dataset, there

    def _file(self, of: Sum, one: Summed) -> Path | None:
        """Return the one file that has a sum of which all is there; None if it cannot be made."""
        if self._has_failed(of):
            return None
        self._apart.leave(of)
        if len(one.apart) == 1 and one.merged is None:
            return next(iter(one.apart.values())).path
        parts, one.apart = tuple(one.apart.values()), {}
        for part in parts:
            self.add_part(of, part)
        if self._has_failed(of):
            return None
        if of in self._loose.sums:
            self._write(of)
        assert one.merged is not None
        return one.merged.path

    def tidy(self) -> None:
        """Write the largest sums, when there are too many parts or too large ones."""
        while self._loose.parts > MOST_PARTS or self._loose.size > MOST_BYTES:
            self._write(self._loose.largest())

    def batches(self, *, last: bool) -> Iterator[Batch]:
        """Give out what is apart: full batches; any, when there are too many files or `last` ones came."""
        if self._tree is None:
            return
        yield from self._apart.batches(
            self._tree, most=MOST_PARTS, is_last=lambda of: last or of[0] in self._complete
        )

    def _has_failed(self, of: Sum) -> bool:
        return bool(self.failed) and processor_of(of[0]) in self.failed

    def _add(self, of: Sum, result: Any) -> None:
        """Add a result to a sum; one that is given up takes none."""
        if self._has_failed(of):
            return
        try:
            self._of(of).add(result)
        except ProcessorError as error:
            if not self.is_of_several(of):
                raise
            self._give_up(processor_of(of[0]), error)

    def is_of_several(self, of: Sum) -> bool:
        """Whether a sum is of one of several processors, whose others go on without it."""
        return processor_of(of[0]) in self._processors

    def _give_up(self, processor: str, error: ProcessorError) -> None:
        """Forget the sums of a processor, and what was to become of its files: they stay in the ledger."""
        self.failed = {**self.failed, processor: error}  # another thread may be looking at it
        for of, one in self._sums.items():
            if processor_of(of[0]) == processor:
                one.total = None
                self._loose.drop(of)
                self._apart.leave(of)

    def _of(self, of: Sum) -> Summed:
        one = self._sums.get(of)
        if one is None:
            one = self._sums[of] = Summed()
            self._of_dataset[of[0]].append(of)
        return one

    def _add_loose(self, of: Sum, part: Part) -> None:
        """Note that a file holds what a sum has; the first file of a sum is as good as a written one."""
        if self._has_failed(of):
            return
        one = self._of(of)
        if one.merged is None:
            one.merged = part
        else:
            self._loose.add(of, one, part)

    def _write(self, of: Sum) -> None:
        """Write a sum into one file, in the place of those that hold it."""
        assert self._directory is not None
        one = self._sums[of]
        assert one.merged is not None  # the first file of a sum is never loose
        held = [one.merged, *one.parts]
        path = self._directory / name_of(held)
        ledger.write_sum(path, one.total)
        self._replace(of[0], held, path)
        one.merged = Part.of_sum(path, held)
        self._loose.drop(of)  # where it cannot be written, the parts still hold it

    def _replace(self, dataset: str, parts: Sequence[Part], path: Path) -> None:
        """Say that a file, which is safe, holds what these do, and remove them."""
        names = tuple(part.name for part in parts)
        self._journal.record(Merged(name=path.name, dataset=dataset, of=names), durable=True)
        for part in parts:
            part.path.unlink(missing_ok=True)
