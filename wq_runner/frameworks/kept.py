"""What an executor of a framework leaves in a directory: its journal and report, and a ledger to go on from.

The framework plans its chunks and calls the executor as often as it likes. Each call is compared with what
an earlier process did in the directory; what it did of that, of the same code and the same settings, is not
done again. What cannot be compared is done again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import platform
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wq_runner import checksums
from wq_runner.clock import Clock
from wq_runner.directory import record, remainder, resume
from wq_runner.directory.opening import open_directory
from wq_runner.fingerprint import identity
from wq_runner.fingerprint.identity import Places
from wq_runner.fingerprint.late_reads import LateReads
from wq_runner.journal import Journal
from wq_runner.ledger import ledger
from wq_runner.ledger.items import Item, Place
from wq_runner.ledger.ledger import Recovered
from wq_runner.ledger.side_files import FileStore
from wq_runner.model import Chunk
from wq_runner.monitor.watch import Watch
from wq_runner.remote.inputs import UNKNOWN, Known
from wq_runner.run_events import Dropped, Fingerprint, Resumed, RunEnded, RunStarted
from wq_runner.scheduler.session import Continued, Session

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Described:
    """What the results of a call depend on, as names and hashes, and the places that the names are of."""

    values: Mapping[str, str]
    places: Places


Describe = Callable[[Any], Described]
"""Says it of the function of a call."""


class Kept:
    """The directory, from the first call to the last."""

    def __init__(self, directory: Path, describe: Describe) -> None:
        self._clock = Clock()
        self._describe = describe
        self.paths, self._lock = open_directory(directory)
        self._earlier = resume.earlier(self.paths)
        if self._earlier is None or self._earlier.distrust:
            resume.forget(self.paths)
            self._earlier = None
        self._record = record.Record(
            command=sys.argv, options={}, samples=(), started=self._clock(), clock=self._clock
        )
        self.watch = Watch(self.paths, clock=self._clock)
        self.journal = Journal(self.paths.journal, listeners=[self.watch], clock=self._clock)
        version = record.versions().get("wq-runner", "")
        self._began = RunStarted(
            command=tuple(sys.argv), version=version, host=platform.node(), pid=os.getpid()
        )
        self.journal.record(self._began)
        self._values: Mapping[str, str] | None = None  # what is on record, without metadata
        self._metadata: dict[str, str] = {}
        self._there = Recovered()
        self._late: LateReads | None = None
        self._seen: dict[Place, Known] = {}
        self._failure: tuple[int, str] = (0, "")

    def attached(self, session: Session) -> Session:
        """Return the session that works in the directory."""
        self.journal.listeners += session.journal.listeners
        if self._earlier is not None:
            session.numbers.pass_over(ledger.holdings(self._earlier.events)[1])
        return dataclasses.replace(
            session,
            journal=self.journal,
            failed=self.failed,
            staging=self.paths.staging,
            ledger=self.paths.ledger,
            going_on=self.going_on,
        )

    def failed(self, error: BaseException) -> None:
        """Note what ended a call; the next may go well, but the whole has not."""
        self._failure = (getattr(error, "exit_code", 1), str(error) or type(error).__name__)

    def close(self, *, whole: bool) -> None:
        """Write the report. What was kept is not needed any more when the `whole` has been done."""
        code, message = self._failure
        finished = self._clock()
        with contextlib.suppress(OSError):  # the disk may be full
            self.journal.record(RunEnded(code=code, message=message))
        found = self._record.as_json(code=code, message=message, finished=finished)
        with contextlib.suppress(OSError):
            checksums.write_json(self.paths.summary, found)
        self.watch.finish(found)
        if whole and not code:
            names = tuple(path.name for path in self.paths.ledger.iterdir())
            self._drop(names, "the output is written")
        self.journal.close()
        self._lock.__exit__(None, None, None)

    # -- a call

    def going_on(self, session: Session, items: Sequence[Item], function: Any) -> Continued:
        """Return what is left of the items of a call, and the results that there are for the others."""
        if session.last is not None:
            self._seen.update(session.last.seen)
        items = [self._as_seen(item) for item in items]
        try:
            described = self._describe(function)
        except Exception as error:
            log.warning("what is done cannot be gone on from: %s: %s", type(error).__name__, error)
            return self._continued(items, Recovered(), ledger=None)
        if self._values is None:
            self._begin(described)
        elif self._values != described.values:
            differing = identity.changes(self._values, described.values, described.places.base.name)
            log.warning("not kept: %s changed since the call before", ", ".join(differing))
            return self._continued(items, Recovered(), ledger=None)
        left, recovered = self._left(items, self._note(items, described.values))
        return self._continued(left, recovered, ledger=self.paths.ledger)

    def _continued(self, items: Sequence[Item], recovered: Recovered, *, ledger: Path | None) -> Continued:
        return Continued(items=items, recovered=recovered, ledger=ledger, late=self._late)

    def _note(self, items: Sequence[Item], values: Mapping[str, str]) -> set[str]:
        """Put on record what a call depends on; return the datasets of which the samples say the same."""
        known = dict(self._earlier.fingerprint or {}) if self._earlier is not None else {}
        told = {item.dataset: getattr(item.value, "usermeta", None) for item in items}
        now = {f"{identity.METADATA}{name}": identity.digest_of(one) for name, one in told.items()}
        self._metadata.update(now)
        before = {name: value for name, value in known.items() if name.startswith(identity.METADATA)}
        self.journal.record(Fingerprint(values={**values, **before, **self._metadata}))
        return {name for name in told if known.get(place := f"{identity.METADATA}{name}") == now[place]}

    def _as_seen(self, item: Item) -> Item:
        """Return an item with what was found of its file when that was opened to be counted."""
        content, entries = self._seen.get(item.file, UNKNOWN)
        return dataclasses.replace(item, identity=item.identity or content, entries=entries)

    def _begin(self, described: Described) -> None:
        """Take up what is there, if it was made by the same; else begin anew."""
        self._values, places, earlier = described.values, described.places, self._earlier
        late: Mapping[str, str] = {}
        if earlier is not None:
            reasons = _reasons(earlier, described)
            if reasons:
                count = sum(len(one.items) for one in ledger.holdings(earlier.events)[0])
                if count:
                    log.warning(
                        "starting over, without %s done before: %s", _chunks(count), "; ".join(reasons)
                    )
                self._start_over()
            else:
                late = identity.again(earlier.late, places)
                self._there = ledger.recover(
                    self.paths.ledger, earlier.events, FileStore(root=self.paths.files)
                )
                self._drop([one.name for one in self._there.lost], "missing or damaged")
        known = {places.full(name): value for name, value in {**late, **self._values}.items()}
        self._late = LateReads(
            known=known, name_of=places.name, recorded=dict(late), ours=str(self.paths.root.resolve())
        )

    def _start_over(self) -> None:
        self.journal.close()
        resume.forget(self.paths)
        self._earlier = None
        listeners, self.journal.listeners = self.journal.listeners, []  # who have heard of it
        self.journal.record(self._began)
        self.journal.listeners = listeners

    def _left(self, items: Sequence[Item], same: set[str]) -> tuple[Sequence[Item], Recovered]:
        called = {item.dataset for item in items}
        mine = [one for one in self._there.holdings if one.dataset in called]
        others = tuple(one for one in self._there.holdings if one.dataset not in called)
        self._there = dataclasses.replace(self._there, holdings=others)
        usable = tuple(one for one in mine if one.dataset in same)
        left = remainder.remainder([_chunk(item) for item in items], Recovered(holdings=usable))
        counting = {one.name for one in left.recovered.holdings}
        self._drop([one.name for one in mine if one.name not in counting], "not as it is asked for")
        done = remainder.plans_of(left.recovered)
        if done:
            self.journal.record(Resumed(datasets=done))
            count = sum(one.items for one in done.values())
            log.info("resuming: %s done before, %s left", _chunks(count), _chunks(len(left.chunks)))
        return _pieces(items, left.chunks), left.recovered

    def _drop(self, names: Sequence[str], reason: str) -> None:
        if names:
            with contextlib.suppress(OSError):  # what is gone is not taken for done
                self.journal.record(Dropped(names=tuple(names), reason=reason), durable=True)
                for name in names:
                    (self.paths.ledger / name).unlink(missing_ok=True)


def _reasons(earlier: resume.Earlier, described: Described) -> list[str]:
    """Say why nothing of an earlier process counts."""
    places, values = described.places, described.values
    unknown = identity.not_watched(values, ())
    if unknown:
        return [f"nobody can compare {one}" for one in unknown]
    before = identity.without_metadata(earlier.fingerprint or {})
    found = identity.changes(
        {**earlier.late, **before}, {**identity.again(earlier.late, places), **values}, places.base.name
    )
    return [f"{one} changed" for one in found]


def _chunks(count: int) -> str:
    return "1 chunk" if count == 1 else f"{count:,} chunks"


def _chunk(item: Item) -> Chunk:
    return Chunk(
        dataset=item.dataset,
        path=item.path,
        treename=item.treename,
        start=item.start,
        stop=item.stop,
        uuid=bytes.fromhex(item.uuid),
        identity=bytes.fromhex(item.identity),
    )


def _pieces(items: Sequence[Item], chunks: Sequence[Chunk]) -> list[Item]:
    """Return the parts of items that are left."""
    of_file: defaultdict[tuple[str, Place], list[Item]] = defaultdict(list)
    for item in items:
        of_file[item.dataset, item.file].append(item)
    found = []
    for chunk in chunks:
        of = next(
            item
            for item in of_file[chunk.dataset, (chunk.path, chunk.treename)]
            if item.start <= chunk.start and chunk.stop <= item.stop
        )
        found.append(of.part(chunk.start, chunk.stop))
    return found
