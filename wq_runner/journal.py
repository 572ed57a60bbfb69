"""The record of a run: one JSON line an event, appended and never changed.

Everything that is said about a run, while it goes or afterwards, comes from these events. A reader
takes what it knows and passes over the rest, so a journal outlives the version that wrote it.

Each line ends with a checksum. It begins with the fingerprint in force, so that what was done under one that
cannot be read any more does not count for another.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, get_args

import msgspec
from msgspec import Struct, structs

from wq_runner import checksums, system
from wq_runner.checksums import DamagedRecordError
from wq_runner.clock import Clock

log = logging.getLogger(__name__)

FORMAT = 1  # raised when an event changes its meaning


class RunStarted(Struct, frozen=True, kw_only=True):
    command: tuple[str, ...]
    version: str
    format: int = FORMAT
    host: str = ""
    pid: int = 0


class Plan(Struct, frozen=True, kw_only=True):
    """What a phase has to do for one dataset; `events` is 0 where the items are files to be opened.

    `empty` of the items are without events.
    """

    items: int
    events: int
    empty: int = 0


class PhaseStarted(Struct, frozen=True, kw_only=True):
    category: str
    datasets: Mapping[str, Plan]


class TaskSubmitted(Struct, frozen=True, kw_only=True):
    """A task was given to the engine; one that has chunks of several sums is on record as one for each."""

    task: int
    category: str
    dataset: str
    items: int
    events: int
    cores: float | None = None
    memory: float | None = None


class TaskEnded(Struct, frozen=True, kw_only=True):
    """An attempt came back. Times are seconds since the epoch, durations seconds, sizes bytes.

    `wall` is what the payload took, `startup` its part before the first item, `processing` the sum
    over the items; `memory` the largest peak of an item. `done` and `events` are what it brought,
    `cores` and `allocated` (memory) what it held, `transfer` the seconds to move inputs and outputs.
    """

    task: int
    category: str
    dataset: str
    ending: str
    host: str
    started: float
    finished: float
    wall: float = 0.0
    startup: float = 0.0
    processing: float = 0.0
    cpu: float = 0.0
    memory: int = 0
    bytes_read: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    done: int = 0
    events: int = 0
    cores: float = 1.0
    allocated: float = 0.0
    transfer: float = 0.0


class SideFile(Struct, frozen=True, kw_only=True):
    """A file that a processor wrote beside its result; `name` is relative to the directory of these."""

    name: str
    size: int
    checksum: str


class Accepted(Struct, frozen=True, kw_only=True):
    """These items are in the result. An item is ``[path, treename, start, stop, uuid.identity]``.

    `seconds` is what each of them took, `cpu` the part of it in the processor, `memory` its peak and `read`
    what it read in bytes, in their order; so is `given`, how many events the processor was given, if it is
    not as many as the items have. `files` are what they wrote beside the result. A `portion` of the dataset
    has a sum of its own. `late` is how many names of what tasks have read were on record by then.
    """

    task: int
    category: str
    dataset: str
    events: int
    items: tuple[tuple[str, str, int, int, str], ...]
    seconds: tuple[float, ...] = ()
    memory: tuple[int, ...] = ()
    cpu: tuple[float, ...] = ()
    read: tuple[int, ...] = ()
    given: tuple[int, ...] = ()
    files: tuple[SideFile, ...] = ()
    portion: str = ""
    late: int = 0


class Merged(Struct, frozen=True, kw_only=True):
    """The ledger's file `name` holds the sum of what the files in `of` held, which do not count any more."""

    name: str
    dataset: str
    of: tuple[str, ...]


class Written(Struct, frozen=True, kw_only=True):
    """A file of the output is there while the run goes on: all events of these datasets are in the result.

    Of a dataset in several files it is one of them; `events` are those that are in it.
    """

    path: str
    datasets: tuple[str, ...]
    events: int
    bytes: int
    sha256: str


class Dropped(Struct, frozen=True, kw_only=True):
    """These files of the ledger do not count any more; what they held runs again."""

    names: tuple[str, ...]
    reason: str


class Resumed(Struct, frozen=True, kw_only=True):
    """What an earlier process left done, by dataset; the phases that follow do the rest."""

    datasets: Mapping[str, Plan]


class Fingerprint(Struct, frozen=True, kw_only=True):
    """What results depend on besides the input: short names and hashes. Another value is another run."""

    values: Mapping[str, str]


class ReadLate(Struct, frozen=True, kw_only=True):
    """What tasks read that the processor was not made with: names and hashes, as in `Fingerprint`.

    The results that are accepted from then on depend on it.
    """

    values: Mapping[str, str]


class KeptStale(Struct, frozen=True, kw_only=True):
    """What had changed when ``--accept-stale`` kept the results of before, in words.

    From then on results of both may be in the sums, until all are forgotten.
    """

    names: tuple[str, ...]


class Decided(Struct, frozen=True, kw_only=True):
    """What was done about items that are not in the result of a task, and why."""

    task: int
    category: str
    dataset: str
    action: str
    cause: str
    reason: str
    events: int
    items: tuple[tuple[str, str, int, int, str], ...]
    host: str = ""
    traceback: str = ""


class ReadElsewhere(Struct, frozen=True, kw_only=True):
    """Items of a task were not read from their own server but from another; `path` is one of them.

    Servers have the form ``root://host:port``, or are `local paths`. `reason` is empty where the first was
    not asked again, as it had failed lately.
    """

    task: int
    category: str
    dataset: str
    host: str
    server: str
    instead: str
    items: int
    events: int
    path: str
    reason: str = ""


class LeftBehind(Struct, frozen=True, kw_only=True):
    """Files that a processor left in its task's directory, which is gone with them; `names` are some."""

    task: int
    dataset: str
    host: str
    files: int
    bytes: int
    names: tuple[str, ...]


class ColumnsUsed(Struct, frozen=True, kw_only=True):
    """What a task took from the columns that its host keeps, and what it read of files to be kept.

    `hits` and `misses` are baskets, `hit`, `missed` and `kept` the bytes of their values; `saved` are the
    seconds that reading them had taken, less those that this took. They lie at `place`, at most `limit`
    bytes. `notes` say what went wrong.
    """

    task: int
    category: str
    dataset: str
    host: str
    hits: int = 0
    misses: int = 0
    hit: int = 0
    missed: int = 0
    kept: int = 0
    saved: float = 0.0
    place: str = ""
    limit: int = 0
    notes: tuple[str, ...] = ()


class Warned(Struct, frozen=True, kw_only=True):
    """Tasks warned so many times of this, in the processor or what it calls; in the words of one of them.

    Of many, not each is written down at once.
    """

    task: int
    category: str
    dataset: str
    host: str
    kind: str
    text: str
    place: str
    count: int


class Printed(Struct, frozen=True, kw_only=True):
    """A task printed this, at most its beginning and its end; empty if so much was printed before."""

    task: int
    category: str
    dataset: str
    host: str
    text: str


class HostBlocked(Struct, frozen=True, kw_only=True):
    """The workers of this host get no tasks for so many seconds."""

    host: str
    reason: str
    seconds: float


class Workers(Struct, frozen=True, kw_only=True):
    """The engine's state, written when it changed. Memory in bytes; `largest_memory` of one worker.

    Counts of workers and bytes are since the engine started: they begin anew when it restarts. `here` says
    that there are none, as the process of the run does the tasks, one after the other.
    """

    workers: int
    busy: int
    joined: int
    lost: int
    cores: int
    cores_used: int
    memory: float
    memory_used: float
    waiting: int
    running: int
    restarts: int
    bytes_sent: int = 0
    bytes_received: int = 0
    largest_cores: float = 0.0
    largest_memory: float = 0.0
    here: bool = False


class PhaseEnded(Struct, frozen=True, kw_only=True):
    category: str
    seconds: float


class RunEnded(Struct, frozen=True, kw_only=True):
    code: int
    message: str = ""


Event = (
    RunStarted
    | PhaseStarted
    | TaskSubmitted
    | TaskEnded
    | Accepted
    | Merged
    | Written
    | Dropped
    | Resumed
    | Fingerprint
    | ReadLate
    | KeptStale
    | Decided
    | ReadElsewhere
    | LeftBehind
    | ColumnsUsed
    | Warned
    | Printed
    | HostBlocked
    | Workers
    | PhaseEnded
    | RunEnded
)
_BLOCK = 2**20  # bytes
_NEAR = 80  # bytes of a line that tell its kind

_KINDS: dict[str, type[Event]] = {kind.__name__: kind for kind in get_args(Event)}

# lenient, as a whole number may come as 3.0
_DECODERS = {name: msgspec.json.Decoder(kind, strict=False) for name, kind in _KINDS.items()}
_ENCODER = msgspec.json.Encoder()


class _Stamp(Struct):
    """What the lines of all events begin with."""

    time: float
    event: str


_STAMP = msgspec.json.Decoder(_Stamp)

Listener = Callable[[float, Event], None]


@dataclass
class Journal:
    """Appends events to a file, if there is one, and tells listeners. Threads may share it.

    A listener that fails is dropped: what watches a run must never stop it.
    """

    path: Path | None = None
    listeners: list[Listener] = field(default_factory=list)
    clock: Callable[[], float] = field(default_factory=Clock)
    _stream: BinaryIO | None = field(default=None, init=False)
    _seed: int = field(default=0, init=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False)

    def record(self, *events: Event, durable: bool = False, at: float | None = None) -> None:
        """Append events, all at once; durable ones are on the disk itself before this returns.

        They happened now, or `at` an earlier time.
        """
        if not events:
            return
        with self._lock:
            now = self.clock() if at is None else at
            if self.path is not None:
                self._append(self.path, b"".join(self._lines(now, events)), durable=durable)
            for event in events:
                self._tell(now, event)

    def _lines(self, now: float, events: Iterable[Event]) -> Iterator[bytes]:
        for event in events:
            if isinstance(event, Fingerprint):
                self._seed = _seed_of(event)
                yield _line(now, event)
            else:
                yield _line(now, event, self._seed)

    def _append(self, path: Path, lines: bytes, *, durable: bool) -> None:
        if self._stream is None:
            self._stream = path.open("ab")
        self._stream.write(lines)
        self._stream.flush()
        if durable:
            os.fsync(self._stream.fileno())

    def _tell(self, now: float, event: Event) -> None:
        for listener in tuple(self.listeners):
            try:
                listener(now, event)
            except Exception:
                self.listeners.remove(listener)

    def close(self) -> None:
        if self._stream is not None:
            # a full disk shows at the last flush again; what matters was flushed line by line
            with contextlib.suppress(OSError):
                self._stream.close()
            self._stream = None


def _line(now: float, event: Event, seed: int = 0) -> bytes:
    return checksums.seal(_object(now, event), seed)


def _object(now: float, event: Event) -> bytes:
    stamp = {"time": round(now, 3), "event": type(event).__name__}
    try:
        return _ENCODER.encode(stamp)[:-1] + b"," + _ENCODER.encode(event)[1:]
    except (UnicodeEncodeError, TypeError):  # a name that is not UTF-8, a number of another library
        values = {**stamp, **structs.asdict(event)}
        return json.dumps(values, separators=(",", ":"), default=structs.asdict).encode()


def _seed_of(fingerprint: Fingerprint) -> int:
    """Return what checksums begin with while this fingerprint is in force: a line lost may be this one."""
    return zlib.crc32(json.dumps(dict(fingerprint.values), sort_keys=True).encode())


@dataclass
class Reader:
    """Takes the lines of a journal, one after the other.

    `damaged` counts those that are not as they were written. A journal without any checksum, of an older
    version, is read as it is: `sealed` says whether there are some.
    """

    damaged: int = 0
    sealed: bool = False
    _bare: int = 0
    _seed: int = 0

    def take(self, line: bytes) -> tuple[float, Event] | None:
        """Return the event of a line with its time; None if this version does not know its kind.

        Raises
        ------
        ValueError
            If it is not what was written.
        """
        try:
            self._check(line)
            found = parse(line)
        except ValueError:
            self.damaged += 1
            raise
        if found is not None and type(found[1]) is Fingerprint:
            self._seed = _seed_of(found[1])
        return found

    def pass_over(self, line: bytes) -> None:
        """Look at the checksum alone, of a line of which nothing else matters: no `Fingerprint`.

        Raises
        ------
        ValueError
            If it is not what was written.
        """
        try:
            self._check(line)
        except ValueError:
            self.damaged += 1
            raise

    def _check(self, line: bytes) -> None:
        if checksums.is_whole(line, self._seed):
            if not self.sealed:
                self.sealed = True
                self.damaged += self._bare  # they lost their checksums
        elif self.sealed or checksums.is_sealed(line):
            raise DamagedRecordError("the line is not what was written")
        else:
            self._bare += 1


def read(
    path: Path, reader: Reader | None = None, kinds: Iterable[type[Event]] = ()
) -> Iterator[tuple[float, Event]]:
    """Yield the events of a journal with their times, perhaps only of some kinds.

    Lines that were torn or damaged are left out; a `reader` counts them.
    """
    reader = reader or Reader()
    names = "|".join(kind.__name__ for kind in kinds)
    wanted = re.compile(rb'"event":"(?:%b)"' % names.encode()) if names else None
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.endswith(b"\n"):
                return  # being written, or all that was written before a crash
            try:
                if wanted is not None and not wanted.search(line, 0, _NEAR):
                    reader.pass_over(line)
                    continue
                found = reader.take(line)
            except ValueError:
                text = line.decode("utf-8", "replace").strip()
                log.warning("%s: line %d is damaged, and left out: %.40s...", path, number, text)
                continue
            if found is not None:
                yield found


def ends_well(path: Path) -> bool:
    """Whether the last line has an end."""
    with path.open("rb") as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - 1))
        return stream.read() == b"\n"


def cut_out_damaged(path: Path) -> None:
    """Write a journal anew, without the lines that are damaged."""
    reader = Reader()
    with path.open("rb") as stream, system.replacing(path) as new:
        for line in stream:
            with contextlib.suppress(ValueError):
                reader.take(line)
                if reader.sealed:
                    new.write(line)


def mend(path: Path) -> None:
    """Cut off a torn last line, so that what is appended next begins a line of its own."""
    with path.open("rb+") as stream:
        end = stream.seek(0, os.SEEK_END)
        while end > 0:  # from behind: a long run has a long journal
            start = max(0, end - _BLOCK)
            stream.seek(start)
            if (last := stream.read(end - start).rfind(b"\n")) >= 0:
                end = start + last + 1
                break
            end = start
        stream.truncate(end)


def parse(line: bytes) -> tuple[float, Event] | None:
    """Return the event of a line with its time; None if this version does not know its kind.

    Raises
    ------
    ValueError
        If it is no event.
    """
    try:
        stamp = _STAMP.decode(line)
        decoder = _DECODERS.get(stamp.event)
        return None if decoder is None else (stamp.time, decoder.decode(line))
    except ValueError:  # torn, or with a name that is not UTF-8, which only json reads
        values = json.loads(line.decode("utf-8", "surrogateescape"))
        stamp = msgspec.convert(values, _Stamp)
        kind = _KINDS.get(stamp.event)
        return None if kind is None else (stamp.time, msgspec.convert(values, kind, strict=False))
