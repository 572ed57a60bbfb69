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
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, get_args

import msgspec
from msgspec import Struct, structs

from wq_runner import checksums, system
from wq_runner.checksums import DamagedRecordError
from wq_runner.clock import Clock
from wq_runner.run_events import Event, Fingerprint

log = logging.getLogger(__name__)

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
