"""Adding results up in the background, so that workers are fed while histograms are merged.

One thread does all that touches results: it keeps them in the ledger, if there is one, and adds them to the
sums in memory, whatever the number of chunks. Results that are for tasks to add up, or that come faster than
this thread adds, stay in the ledger's files, and are given out in batches.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wq_runner import guarded, system
from wq_runner.engine import answer
from wq_runner.errors import OutputError, ProcessorError, WqRunnerError
from wq_runner.journal import Journal
from wq_runner.ledger import ledger
from wq_runner.ledger.completeness import Completed
from wq_runner.ledger.items import Sum
from wq_runner.ledger.ledger import Holding
from wq_runner.ledger.parts import Batch, Part, TreeSettings, name_of
from wq_runner.ledger.side_files import FileStore
from wq_runner.ledger.sums import Sums
from wq_runner.ledger.totals import added, out_of_memory
from wq_runner.run_events import Accepted, Merged

AT_ONCE = 16  # answers that are made safe together, and so many more small ones
SMALL = 64 * 2**10  # bytes of an answer that costs little more than its file
SMALL_ONES = 8  # that are dealt with in place of a large one
TOGETHER = 4  # small answers of one sum that are worth a file of their own
LAG = 10.0  # seconds of adding that may wait, before tasks are asked to help


@dataclass(frozen=True, kw_only=True)
class _Arrival:
    result: Path
    accepted: Accepted
    size: int

    @classmethod
    def of(cls, result: Path, accepted: Accepted) -> _Arrival:
        return cls(result=result, accepted=accepted, size=result.stat().st_size)

    @property
    def small(self) -> bool:
        return self.size <= SMALL


@dataclass(frozen=True, kw_only=True)
class _Mixed:
    """An answer with several sums."""

    result: Path
    accepted: tuple[Accepted, ...]


@dataclass(frozen=True, kw_only=True)
class _Returned:
    """What a task made of a batch; None if it is to be added up here."""

    batch: Batch
    result: Path | None


@dataclass(frozen=True, kw_only=True)
class _Complete:
    """All results of these datasets have come."""

    datasets: tuple[str, ...]


@dataclass(frozen=True)
class _Drain:
    """All results have come."""


_Message = _Arrival | _Mixed | _Returned | Holding | _Complete | _Drain


def _failure(error: BaseException) -> WqRunnerError:
    """Return what is said of an error while results were kept or added up."""
    if isinstance(error, WqRunnerError):
        return error
    if isinstance(error, answer.DamagedError):
        return OutputError(
            f"the ledger is damaged: {error}",
            hint="the same command runs again what is damaged",
            page="damaged-files",
        )
    if isinstance(error, MemoryError):
        return out_of_memory("for the results")
    if isinstance(error, OSError):
        return system.refused(error, "the ledger")
    return ProcessorError(
        f"the sum of what the processor returned cannot be written\n\n{guarded.lines_of(error)}",
        hint="what the processor returns is pickled: a class of its own has to allow for that",
    )


def add_up(holdings: Iterable[Holding], directory: Path) -> dict[Sum, Any]:
    """Return the sums of files of a ledger, which stays as it is.

    Raises
    ------
    ProcessorError, OutputError
        If they cannot be added, or read.
    """
    totals: dict[Sum, Any] = {}
    for holding in holdings:
        try:
            result = answer.read_result(directory / holding.name)
            totals[holding.sum] = added(result, totals.get(holding.sum))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise _failure(error) from error
    return totals


class Reducer:
    """Takes over the answers of tasks; `finish` returns the sum of all.

    Without `directory` nothing is kept for another process, and nothing is given to tasks; with `tree`,
    `batches` are for tasks to add up. `recovered` files of the ledger are added up first. `completed` is told
    of datasets that are complete, in the thread. Of several `processors`, those whose results cannot be added
    up have `failed`: the others go on.
    """

    def __init__(
        self,
        journal: Journal,
        directory: Path | None = None,
        files: FileStore | None = None,
        tree: TreeSettings | None = None,
        completed: Completed | None = None,
        processors: Collection[str] = (),
    ) -> None:
        self._journal = journal
        self._completed = completed
        self._directory = directory
        self._files = files
        self._sums = Sums(journal, directory, tree, processors)
        self._messages: queue.SimpleQueue[_Message | None] = queue.SimpleQueue()
        self._batches: queue.SimpleQueue[Batch] = queue.SimpleQueue()
        self._pace = 0.0  # seconds to add one result
        self._draining = False
        self._given = 0  # messages, and how many of them are dealt with
        self._taken = 0
        self._error: BaseException | None = None
        self._abandoned = False
        self._thread = threading.Thread(target=self._work, name="reducer", daemon=True)
        self._thread.start()

    def recover(self, holdings: Iterable[Holding]) -> None:
        """Add up what an earlier process left in the ledger."""
        for holding in holdings:
            self._give(holding)

    def add(self, result: Path, accepted: Sequence[Accepted]) -> None:
        """Take over an answer's file; the event of each of its sums is recorded once that is safe.

        Raises
        ------
        ProcessorError
            If an earlier result could not be merged.
        OutputError
            If the ledger cannot be written.
        """
        self._check()
        if len(accepted) == 1:
            self._give(_Arrival.of(result, accepted[0]))
        else:
            self._give(_Mixed(result=result, accepted=tuple(accepted)))

    def complete(self, datasets: Sequence[str]) -> None:
        """Say that all results of these datasets have come."""
        if datasets and self._completed is not None:
            self._give(_Complete(datasets=tuple(datasets)))

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
        return not self._batches.empty() or (self._sums.some_apart and self._taken < self._given)

    @property
    def failed(self) -> Mapping[str, ProcessorError]:
        """The error of each of several processors whose results cannot be added up."""
        return self._sums.failed

    def finish(self) -> dict[Sum, Any]:
        """Return the sum of each dataset and portion, in the order in which they came."""
        self._stop()
        self._check()
        return self._sums.totals()

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
        if self._error is not None:
            error = _failure(self._error)
            raise error from (self._error if error is not self._error else error.__cause__)

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
                            self._sums.add_rest()
                    except BaseException as error:  # code of the user's adds, and may raise anything
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
        answers: list[_Arrival] = []
        for message in messages:
            match message:
                case _Arrival(result=result, accepted=accepted):
                    answers += self._of_one_sum(result, (accepted,))
                case _Mixed(result=result, accepted=accepted):
                    answers += self._of_one_sum(result, accepted)
                case Holding():
                    self._sums.take_holding(message)
                case _Returned(batch=batch, result=result):
                    self._sums.take_back(batch, result)
                case _Complete(datasets=datasets):
                    self._sums.complete(datasets)
                case _Drain():
                    self._draining = True
        if self._directory is None:
            for one in answers:
                self._journal.record(one.accepted)
                self._sums.add(_of(one.accepted), one.result)
                one.result.unlink(missing_ok=True)
            return
        if answers:
            self._take_into(self._directory, answers, pool)
        self._give_out()

    def _give_out(self) -> None:
        """Give tasks what is for them, and say what is complete."""
        self._sums.tidy()
        for batch in self._sums.batches(last=self._draining):
            self._batches.put(batch)
        if self._completed is not None:
            for dataset, files in self._sums.whole():
                self._completed(dataset, files)

    def _take_into(self, directory: Path, answers: Sequence[_Arrival], pool: ThreadPoolExecutor) -> None:
        """Keep the answers in the ledger: small ones as their sum, since a disk is slower than adding."""
        apart = self._puts_apart()
        small: defaultdict[Sum, list[_Arrival]] = defaultdict(list)
        for one in answers if not apart else ():
            if one.small:
                small[_of(one.accepted)].append(one)
        together = [group for group in small.values() if len(group) >= TOGETHER]
        kept = {one.accepted.task for group in together if self._keep_sum(directory, group) for one in group}
        if rest := [one for one in answers if one.accepted.task not in kept]:
            self._keep_each(directory, rest, pool, apart=apart)

    def _of_one_sum(self, result: Path, accepted: Sequence[Accepted]) -> list[_Arrival]:
        """Take the files of the processor out of an answer, and make several of it if it has several sums."""
        if self._files is not None and self._directory is not None:
            accepted = self._files.commit(result, accepted)
        if len(accepted) == 1:
            return [_Arrival.of(result, accepted[0])]
        places = [result.with_name(f"{one.task}.sum") for one in accepted]
        answer.divide(result, places)
        return [_Arrival.of(place, one) for place, one in zip(places, accepted, strict=True)]

    def _keep_sum(self, directory: Path, answers: Sequence[_Arrival]) -> bool:
        """Write what the answers make together, then say that it holds them, then add it up.

        False if they cannot be added up, and one of several processors is to blame: each is kept by itself.
        """
        began = time.monotonic()
        total: Any = None
        try:
            for one in answers:
                total = added(answer.read_result(one.result), total)
        except ProcessorError:
            if not self._sums.is_of_several(_of(answers[0].accepted)):
                raise
            return False
        parts = [
            Part(path=directory / ledger.part_name(one.accepted.task), size=one.size, last=one.accepted.task)
            for one in answers
        ]
        path = directory / name_of(parts)
        ledger.write_sum(path, total)
        of = _of(answers[0].accepted)
        merged = Merged(name=path.name, dataset=of[0], of=tuple(part.name for part in parts))
        self._journal.record(*(one.accepted for one in answers), merged, durable=True)
        for one in answers:
            one.result.unlink(missing_ok=True)
        self._sums.add_total(of, total, Part.of_sum(path, parts))
        self._note_pace((time.monotonic() - began) / len(answers))
        return True

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
            part = Part(path=path, size=arrival.size, last=arrival.accepted.task)
            if apart:
                self._sums.put_apart(of, part)
            else:
                began = time.monotonic()
                self._sums.add_part(of, part)
                self._note_pace(time.monotonic() - began)

    def _note_pace(self, seconds: float) -> None:
        self._pace = 0.9 * self._pace + 0.1 * seconds

    def _puts_apart(self) -> bool:
        tree = self._sums.tree
        return tree is not None and (tree.always or self._messages.qsize() * self._pace > LAG)


def _of(accepted: Accepted) -> Sum:
    return accepted.dataset, accepted.portion
