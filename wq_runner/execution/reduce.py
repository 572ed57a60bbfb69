"""Adding results up in the background, so that workers are fed while histograms are merged.

One thread does all that touches results: it keeps them in the ledger, if there is one, and holds one
sum for each dataset in memory, whatever the number of chunks.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wq_runner.engine import answer
from wq_runner.errors import OutputError, ProcessorError, WqRunnerError
from wq_runner.execution import ledger
from wq_runner.execution.files import FileStore
from wq_runner.execution.ledger import Holding
from wq_runner.journal import Accepted, Journal, Merged

MOST_PARTS = 48  # files in the ledger before the largest sums are written
AT_ONCE = 16  # answers that are made safe together
MOST_BYTES = 512 * 2**20  # the same, by their size


@dataclass
class _Sum:
    """The results of a dataset: their sum, and which parts on disk are newer than its merged file."""

    total: Any = None
    parts: dict[int, Path] = field(default_factory=dict)
    merged: Path | None = None
    size: int = 0


@dataclass(frozen=True, kw_only=True)
class _Arrival:
    result: Path
    accepted: Accepted


class Reducer:
    """Takes over the answers of tasks; `finish` returns the sum of all.

    Without `directory` nothing is kept for another process. `recovered` files of the ledger are
    added up first.
    """

    def __init__(
        self, journal: Journal, directory: Path | None = None, files: FileStore | None = None
    ) -> None:
        self._journal = journal
        self._directory = directory
        self._files = files
        self._sums: dict[str, _Sum] = {}
        self._arrivals: queue.SimpleQueue[_Arrival | Holding | None] = queue.SimpleQueue()
        self._error: Exception | None = None
        self._abandoned = False
        self._thread = threading.Thread(target=self._work, name="reducer", daemon=True)
        self._thread.start()

    def recover(self, holdings: Iterable[Holding]) -> None:
        """Add up what an earlier process left in the ledger."""
        for holding in holdings:
            self._arrivals.put(holding)

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
        self._arrivals.put(_Arrival(result=result, accepted=accepted))

    def finish(self) -> dict[str, Any]:
        """Return the sum of each dataset, in the order in which they came."""
        self._stop()
        self._check()
        return {dataset: one.total for dataset, one in self._sums.items()}

    def abandon(self) -> None:
        """Leave at once: what was not taken over yet is not in the ledger."""
        self._abandoned = True
        self._stop()

    def _stop(self) -> None:
        self._arrivals.put(None)
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

    def _work(self) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            more = True
            while more:
                arrivals, more = self._next_arrivals()
                if self._error is not None or self._abandoned:
                    continue
                try:
                    self._take(arrivals, pool)
                except Exception as error:
                    self._error = error

    def _next_arrivals(self) -> tuple[list[_Arrival | Holding], bool]:
        """Return what waits, a few at once, and whether more may come."""
        found: list[_Arrival | Holding] = []
        arrival = self._arrivals.get()
        while arrival is not None:
            found.append(arrival)
            if len(found) == AT_ONCE or self._arrivals.empty():
                return found, True
            arrival = self._arrivals.get()
        return found, False

    def _take(self, arrivals: Sequence[_Arrival | Holding], pool: ThreadPoolExecutor) -> None:
        directory = self._directory
        answers = [one for one in arrivals if isinstance(one, _Arrival)]
        for holding in arrivals:
            if isinstance(holding, Holding) and directory is not None:
                self._take_holding(holding, directory / holding.name)
        if directory is not None and answers:
            self._take_into(directory, answers, pool)
            return
        for one in answers:
            self._journal.record(one.accepted)
            self._add(one.accepted.dataset, one.result)
            one.result.unlink(missing_ok=True)

    def _take_into(self, directory: Path, answers: Sequence[_Arrival], pool: ThreadPoolExecutor) -> None:
        """Keep the answers in the ledger, then say so, then add them up.

        A disk takes several files at once in little more than the time of one.
        """
        done = [
            replace(one.accepted, files=self._files.commit(one.result, one.accepted))
            if self._files is not None
            else one.accepted
            for one in answers
        ]
        kept = pool.map(lambda one: ledger.keep_part(directory, one.accepted.task, one.result), answers)
        paths = list(kept)
        for number, accepted in enumerate(done, start=1):
            self._journal.record(accepted, durable=number == len(done))
        for accepted, path in zip(done, paths, strict=True):
            self._add(accepted.dataset, path)
            one = self._sums[accepted.dataset]
            one.parts[accepted.task] = path
            one.size += path.stat().st_size
        self._tidy(directory)

    def _take_holding(self, holding: Holding, path: Path) -> None:
        self._add(holding.dataset, path)
        if holding.name == ledger.part_name(holding.tasks[0]):
            self._sums[holding.dataset].parts[holding.tasks[0]] = path
        else:
            self._sums[holding.dataset].merged = path

    def _add(self, dataset: str, path: Path) -> None:
        from coffea.processor import accumulate

        result = answer.read_result(path)
        one = self._sums.setdefault(dataset, _Sum())
        one.total = result if one.total is None else accumulate([result], one.total)

    def _tidy(self, directory: Path) -> None:
        """Write the largest sums, when there are too many parts or too large ones."""
        while (
            sum(len(one.parts) for one in self._sums.values()) > MOST_PARTS
            or sum(one.size for one in self._sums.values()) > MOST_BYTES
        ):
            dataset, one = max(self._sums.items(), key=lambda entry: (len(entry[1].parts), entry[1].size))
            if not one.parts:
                return
            self._write_sum(directory, dataset, one)

    def _write_sum(self, directory: Path, dataset: str, one: _Sum) -> None:
        path = directory / ledger.merged_name(max(one.parts))
        ledger.write_sum(path, one.total)
        self._journal.record(
            Merged(name=path.name, dataset=dataset, tasks=tuple(sorted(one.parts))), durable=True
        )
        for part in one.parts.values():
            part.unlink(missing_ok=True)
        if one.merged is not None and one.merged != path:
            one.merged.unlink(missing_ok=True)
        one.parts, one.merged, one.size = {}, path, 0
