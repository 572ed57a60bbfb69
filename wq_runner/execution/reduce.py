"""Adding results up in the background, so that workers are fed while histograms are merged.

One thread does all that touches results: it keeps them in the ledger, if there is one, and holds one
sum for each dataset (or portion of it) in memory, whatever the number of chunks. Results that are for
tasks to add up, or that come faster than this thread adds, stay in the ledger's files, and are given out in
batches.
"""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wq_runner.engine import answer
from wq_runner.errors import OutputError, ProcessorError, WqRunnerError
from wq_runner.execution import ledger
from wq_runner.execution.files import FileStore
from wq_runner.execution.items import Sum
from wq_runner.execution.ledger import Holding
from wq_runner.journal import Accepted, Journal, Merged

MOST_PARTS = 48  # files in the ledger before the largest sums are written
AT_ONCE = 16  # answers that are made safe together, and so many more small ones
SMALL = 64 * 2**10  # bytes of an answer that costs little more than its file
SMALL_ONES = 8  # that are dealt with in place of a large one
TOGETHER = 4  # small answers of one sum that are worth a file of their own
MOST_BYTES = 512 * 2**20  # the same, by their size
LAG = 10.0  # seconds of adding that may wait, before tasks are asked to help
FEW = 3  # files that are worth a task at the end, when workers have nothing else to do


@dataclass(frozen=True, kw_only=True)
class TreeSettings:
    """When results are added up by tasks: so many, or so many bytes of them, in one.

    `always` is whether all are; otherwise those that would wait too long for the manager.
    """

    results: int = 20
    size: int = 2**30
    always: bool = False


@dataclass(frozen=True, kw_only=True)
class Part:
    """A file of the ledger; `last` and `count` are of the tasks whose results it holds."""

    path: Path
    size: int
    last: int
    count: int = 1

    @property
    def name(self) -> str:
        return self.path.name


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Files of one sum that a task may add up."""

    of: Sum
    parts: tuple[Part, ...]

    @property
    def dataset(self) -> str:
        return self.of[0]


@dataclass
class _Sum:
    """Results that are added up: their sum, and which files on disk hold it.

    `parts` are newer than the `merged` file. What is `apart` is not in the sum; of this, `out` is with tasks.
    """

    total: Any = None
    parts: list[Part] = field(default_factory=list)
    merged: Part | None = None
    apart: dict[str, Part] = field(default_factory=dict)
    out: set[str] = field(default_factory=set)

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    @property
    def free(self) -> list[Part]:
        """What tasks may take, the smallest sums first: so the tree is no deeper than it must be."""
        there = [part for name, part in self.apart.items() if name not in self.out]
        return sorted(there, key=lambda part: part.count)


@dataclass(frozen=True, kw_only=True)
class _Arrival:
    result: Path
    accepted: Accepted
    size: int

    @property
    def small(self) -> bool:
        return self.size <= SMALL


@dataclass(frozen=True, kw_only=True)
class _Returned:
    """What a task made of a batch; None if it is to be added up here."""

    batch: Batch
    result: Path | None


@dataclass(frozen=True)
class _Drain:
    """All results have come."""


_Message = _Arrival | _Returned | Holding | _Drain


class Reducer:
    """Takes over the answers of tasks; `finish` returns the sum of all.

    Without `directory` nothing is kept for another process, and nothing is given to tasks; with `tree`,
    `batches` are for tasks to add up. `recovered` files of the ledger are added up first.
    """

    def __init__(
        self,
        journal: Journal,
        directory: Path | None = None,
        files: FileStore | None = None,
        tree: TreeSettings | None = None,
    ) -> None:
        self._journal = journal
        self._directory = directory
        self._files = files
        self._tree = tree if directory is not None else None
        self._sums: dict[Sum, _Sum] = {}
        self._messages: queue.SimpleQueue[_Message | None] = queue.SimpleQueue()
        self._batches: queue.SimpleQueue[Batch] = queue.SimpleQueue()
        self._pace = 0.0  # seconds to add one result
        self._draining = False
        self._given = 0  # messages, and how many of them are dealt with
        self._taken = 0
        self._error: Exception | None = None
        self._abandoned = False
        self._thread = threading.Thread(target=self._work, name="reducer", daemon=True)
        self._thread.start()

    def recover(self, holdings: Iterable[Holding]) -> None:
        """Add up what an earlier process left in the ledger."""
        for holding in holdings:
            self._give(holding)

    def add(self, result: Path, accepted: Accepted) -> None:
        """Take over a result's file; the event is recorded once the file is safe.

        Raises
        ------
        ProcessorError
            If an earlier result could not be merged.
        OutputError
            If the ledger cannot be written.
        """
        self._check()
        self._give(_Arrival(result=result, accepted=accepted, size=result.stat().st_size))

    def batches(self, most: int) -> list[Batch]:
        """Return at most so many batches for tasks; each is to be `returned`."""
        found: list[Batch] = []
        while len(found) < most and not self._batches.empty():
            found.append(self._batches.get())
        return found

    def returned(self, batch: Batch, result: Path | None) -> None:
        """Take over what a task made of a batch; without a result, it is added up here."""
        self._check()
        self._give(_Returned(batch=batch, result=result))

    def drain(self) -> None:
        """Say that all results have come: what is for tasks is given out to the last."""
        self._give(_Drain())

    @property
    def busy(self) -> bool:
        """Whether there may be batches for tasks, now or soon.

        Raises
        ------
        ProcessorError, OutputError
            As for `add`.
        """
        self._check()
        if self._tree is None:
            return False
        apart = self._tree.always or any(one.apart for one in list(self._sums.values()))
        return not self._batches.empty() or (apart and self._taken < self._given)

    def finish(self) -> dict[Sum, Any]:
        """Return the sum of each dataset and portion, in the order in which they came."""
        self._stop()
        self._check()
        return {of: one.total for of, one in self._sums.items()}

    def abandon(self) -> None:
        """Leave at once: what was not taken over yet is not in the ledger."""
        self._abandoned = True
        self._stop()

    def _give(self, message: _Message) -> None:
        self._given += 1
        self._messages.put(message)

    def _stop(self) -> None:
        self._messages.put(None)
        self._thread.join()

    def _check(self) -> None:
        error = self._error
        if isinstance(error, OSError):
            raise OutputError(f"cannot write the ledger: {error.strerror or error}") from error
        if isinstance(error, WqRunnerError):
            raise error
        if error is not None:
            raise ProcessorError(
                f"the results of two chunks cannot be added: {type(error).__name__}: {error}",
                hint="each chunk must return the same structure: dicts of numbers, sets, histograms, lists",
            ) from error

    # -- in the thread

    def _work(self) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            more = True
            while more:
                messages, more = self._next_messages()
                if self._error is None and not self._abandoned:
                    try:
                        self._take(messages, pool)
                        if not more:
                            self._add_rest()
                    except Exception as error:
                        self._error = error
                self._taken += len(messages)

    def _next_messages(self) -> tuple[list[_Message], bool]:
        """Return what waits, a few at once, and whether more may come."""
        found: list[_Message] = []
        room = float(AT_ONCE)
        message = self._messages.get()
        while message is not None:
            found.append(message)
            room -= 1 / SMALL_ONES if isinstance(message, _Arrival) and message.small else 1
            if room <= 0 or self._messages.empty():
                return found, True
            message = self._messages.get()
        return found, False

    def _take(self, messages: Sequence[_Message], pool: ThreadPoolExecutor) -> None:
        directory = self._directory
        answers: list[_Arrival] = []
        for message in messages:
            match message:
                case _Arrival():
                    answers.append(message)
                case Holding() if directory is not None:
                    self._take_holding(message, directory / message.name)
                case _Returned(batch=batch, result=result) if directory is not None:
                    self._take_back(directory, batch, result)
                case _Drain():
                    self._draining = True
                case _:  # of files in the ledger, without one
                    pass
        if directory is None:
            for one in answers:
                self._journal.record(one.accepted)
                self._add(_of(one.accepted), one.result)
                one.result.unlink(missing_ok=True)
            return
        if answers:
            self._take_into(directory, answers, pool)
        self._tidy(directory)
        self._give_out()

    def _take_into(self, directory: Path, answers: Sequence[_Arrival], pool: ThreadPoolExecutor) -> None:
        """Keep the answers in the ledger: small ones as their sum, since a disk is slower than adding."""
        answers = [self._with_files(one) for one in answers]
        apart = self._puts_apart()
        small: defaultdict[Sum, list[_Arrival]] = defaultdict(list)
        for one in answers if not apart else ():
            if one.small:
                small[_of(one.accepted)].append(one)
        together = [group for group in small.values() if len(group) >= TOGETHER]
        for group in together:
            self._keep_sum(directory, group)
        kept = {one.accepted.task for group in together for one in group}
        if rest := [one for one in answers if one.accepted.task not in kept]:
            self._keep_each(directory, rest, pool, apart=apart)

    def _with_files(self, one: _Arrival) -> _Arrival:
        if self._files is None:
            return one
        return replace(
            one, accepted=replace(one.accepted, files=self._files.commit(one.result, one.accepted))
        )

    def _keep_sum(self, directory: Path, answers: Sequence[_Arrival]) -> None:
        """Write what the answers make together, then say that it holds them, then add it up."""
        began = time.monotonic()
        total: Any = None
        for one in answers:
            total = _added(answer.read_result(one.result), total)
        parts = [
            Part(path=directory / ledger.part_name(one.accepted.task), size=one.size, last=one.accepted.task)
            for one in answers
        ]
        path = directory / _name_of(parts)
        ledger.write_sum(path, total)
        of = _of(answers[0].accepted)
        merged = Merged(name=path.name, dataset=of[0], of=tuple(part.name for part in parts))
        self._journal.record(*(one.accepted for one in answers), merged, durable=True)
        for one in answers:
            one.result.unlink(missing_ok=True)
        held = self._sums.setdefault(of, _Sum())
        held.total = _added(total, held.total)
        held.parts.append(_sum_of(parts, path))
        self._note_pace((time.monotonic() - began) / len(answers))

    def _keep_each(
        self, directory: Path, answers: Sequence[_Arrival], pool: ThreadPoolExecutor, *, apart: bool
    ) -> None:
        """Keep each answer as a file, then say so, then add it up or put it apart.

        A disk takes several files at once in little more than the time of one.
        """
        paths = list(
            pool.map(
                lambda one: ledger.keep(one.result, directory / ledger.part_name(one.accepted.task)), answers
            )
        )
        self._journal.record(*(one.accepted for one in answers), durable=True)
        for arrival, path in zip(answers, paths, strict=True):
            of = _of(arrival.accepted)
            one = self._sums.setdefault(of, _Sum())
            part = Part(path=path, size=arrival.size, last=arrival.accepted.task)
            if apart:
                one.apart[part.name] = part
            else:
                began = time.monotonic()
                self._add(of, path)
                one.parts.append(part)
                self._note_pace(time.monotonic() - began)

    def _note_pace(self, seconds: float) -> None:
        self._pace = 0.9 * self._pace + 0.1 * seconds

    def _puts_apart(self) -> bool:
        if self._tree is None:
            return False
        return self._tree.always or self._messages.qsize() * self._pace > LAG

    def _take_holding(self, holding: Holding, path: Path) -> None:
        one = self._sums.setdefault(holding.sum, _Sum())
        part = Part(path=path, size=path.stat().st_size, last=max(holding.tasks), count=len(holding.tasks))
        if self._tree is not None and self._tree.always:
            one.apart[part.name] = part
            return
        self._add(holding.sum, path)
        one.parts.append(part)

    def _take_back(self, directory: Path, batch: Batch, result: Path | None) -> None:
        one = self._sums[batch.of]
        names = [part.name for part in batch.parts]
        one.out.difference_update(names)
        parts = [one.apart.pop(name) for name in names]
        if result is None:
            for part in parts:
                self._add(batch.of, part.path)
                one.parts.append(part)
            return
        path = directory / _name_of(parts)
        ledger.keep(result, path)
        self._replace(batch.dataset, parts, path)
        one.apart[path.name] = _sum_of(parts, path)

    def _add(self, of: Sum, path: Path) -> None:
        one = self._sums.setdefault(of, _Sum())
        one.total = _added(answer.read_result(path), one.total)

    def _add_rest(self) -> None:
        for of, one in self._sums.items():
            for part in one.apart.values():
                self._add(of, part.path)

    def _tidy(self, directory: Path) -> None:
        """Write the largest sums, when there are too many parts or too large ones."""
        while (
            sum(len(one.parts) for one in self._sums.values()) > MOST_PARTS
            or sum(one.size for one in self._sums.values()) > MOST_BYTES
        ):
            of, one = max(self._sums.items(), key=lambda entry: (len(entry[1].parts), entry[1].size))
            self._write_sum(directory, of[0], one)

    def _write_sum(self, directory: Path, dataset: str, one: _Sum) -> None:
        held = [*([one.merged] if one.merged else []), *one.parts]
        if len(held) > 1:
            path = directory / _name_of(held)
            ledger.write_sum(path, one.total)
            self._replace(dataset, held, path)
            one.merged = _sum_of(held, path)
        else:
            one.merged = held[0]
        one.parts = []

    def _replace(self, dataset: str, parts: Sequence[Part], path: Path) -> None:
        """Say that a file, which is safe, holds what these do, and remove them."""
        names = tuple(part.name for part in parts)
        self._journal.record(Merged(name=path.name, dataset=dataset, of=names), durable=True)
        for part in parts:
            part.path.unlink(missing_ok=True)

    def _give_out(self) -> None:
        """Make batches of what is apart: full ones; any, when there are too many files or no more come."""
        if self._tree is None:
            return
        for of, one in self._sums.items():
            while batch := self._next_batch(of, one, self._tree):
                one.out.update(part.name for part in batch.parts)
                self._batches.put(batch)

    def _next_batch(self, of: Sum, one: _Sum, tree: TreeSettings) -> Batch | None:
        free = one.free
        sizes = itertools.accumulate(part.size for part in free)
        most = max(2, sum(size <= tree.size for size in sizes))
        parts = free[: min(most, tree.results)]
        full = len(parts) == tree.results or len(parts) < len(free)
        waiting = sum(len(other.apart) - len(other.out) for other in self._sums.values())
        rest = waiting > MOST_PARTS or (self._draining and not one.out)
        if not full and not (rest and len(parts) >= FEW):
            return None
        return Batch(of=of, parts=tuple(parts))


def _added(result: Any, total: Any) -> Any:
    from coffea.processor import accumulate

    return result if total is None else accumulate([result], total)


def _of(accepted: Accepted) -> Sum:
    return accepted.dataset, accepted.portion


def _name_of(parts: Sequence[Part]) -> str:
    return ledger.merged_name(max(part.last for part in parts), sum(part.count for part in parts))


def _sum_of(parts: Sequence[Part], path: Path) -> Part:
    last, count = max(part.last for part in parts), sum(part.count for part in parts)
    return Part(path=path, size=path.stat().st_size, last=last, count=count)
