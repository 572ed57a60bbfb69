"""Files as uproot reads them, from one that stays open: to be imported where uproot is."""

from __future__ import annotations

import contextlib
import functools
import queue
import struct
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any, Protocol

import uproot
from uproot.source.chunk import Chunk
from uproot.source.futures import TrivialFuture

from .ahead import Ahead, Range
from .failure import ChangedFileError
from .opening import is_local, is_of_server

_SMALL = 2**16  # bytes of a piece that is remembered, such as the header and a directory
_MOST = 64  # of such pieces
_BEFORE, _AFTER = 3 * _SMALL, _SMALL
"""Bytes that come along with a small piece of a server's file. What is read to open a file lies together:
ROOT writes tree, directory and streamers to its end, one after the other, uproot to its beginning."""

_LARGE = struct.Struct(">4siiq")  # the beginning of a file of more than 2 GB; in others the last has 4 bytes
_OF_LARGE = 1_000_000  # is added to the version


class Kept:
    """A file that stays open for all who read it; `ahead` is what they are going to read.

    If it `is_fresh` it was opened just now, and its header read: the first who reads that gets it.
    """

    def __init__(self, path: str, source: Any) -> None:
        self.path = path
        self.source = source
        self.ahead: Ahead | None = None
        self.is_fresh = False
        self._is_far = is_of_server(path)
        self._head: tuple[Range, bytes] | None = None
        self._end = 0
        self._coming: Any = None  # the header once more
        self._is_used = False  # whether columns were read since it was asked for
        self._small: dict[Range, Any] = {}
        self._pieces: list[tuple[int, bytes]] = []  # first byte and content of what came along

    def chunk(self, start: int, stop: int) -> Any:
        place = int(start), int(stop)
        if place[0] == 0:
            return self._header(place)
        if place in self._small:
            return self._small[place]
        is_small = place[1] - place[0] <= _SMALL
        chunk = self._part(place, read=is_small) if self._is_far else None
        if chunk is None:
            chunk = self.source.chunk(*place)
        if is_small and len(self._small) < _MOST:
            self._small[place] = chunk
        return chunk

    def _header(self, place: Range) -> Any:
        """Read the header anew for each chunk of events: the file may be another one by now.

        That of a server's file is asked for now, and compared when the chunk is done: see `confirm`.
        """
        known = self._head
        if known is not None and known[0] == place and (self.is_fresh or self._is_far):
            if not self.is_fresh:
                self._coming = self.source.chunks([place], queue.Queue())[0]
                self._is_used = False
            self.is_fresh = False
            return self._made(place, known[1])
        content = self._read((0, max(place[1], _SMALL)) if self._is_far else place)
        head = place, content[: place[1]]
        if head != known:
            self._small.clear()
            self._pieces = [(0, content)] if self._is_far else []
        self._head, self._end = head, _end_of(content)
        return self._made(*head)

    def confirm(self) -> None:
        """Look whether the header is still the same, now that a chunk was read.

        Where columns were read of a server, it is asked for once more: whoever wrote the file anew
        meanwhile may have done so after it was asked for, and the columns be partly old and partly new.

        Raises
        ------
        ChangedFileError
            If it is another one.
        """
        coming, self._coming = self._coming, None
        is_used, self._is_used = self._is_used, False
        if self._head is None or not self._is_far:
            return
        place, known = self._head
        if is_used:
            found = self._read(place)
        elif coming is not None:
            found = _content(coming)
        else:
            return
        if found != known:
            raise ChangedFileError("it was written anew, or changed, since it was opened")

    def _part(self, place: Range, *, read: bool) -> Any:
        """Return a part of what came along, None if it has to be read."""
        if read and not any(_covers(piece, place) for piece in self._pieces):
            first, last = max(0, place[0] - _BEFORE), min(place[1] + _AFTER, self._end)
            if last >= place[1]:
                self._pieces.append((first, self._read((first, last))))
        for piece in self._pieces:
            if _covers(piece, place):
                first, content = piece
                return self._made(place, content[place[0] - first : place[1] - first])
        return None

    def _read(self, place: Range) -> bytes:
        """Return what is there, which may end before."""
        return _content(self.source.chunk(*place))

    def _made(self, place: Range, content: bytes) -> Any:
        # uproot 4 looks at the first `wait` only whether a chunk is whole, so each has to be one of its own
        return Chunk(self.source, *place, TrivialFuture(content))

    def chunks(self, ranges: Iterable[Range], notifications: queue.Queue[Any]) -> Any:
        self._is_used = True
        ahead = self.ahead
        if ahead is None:
            return self.source.chunks(ranges, notifications)
        return ahead.chunks(self.source, ranges, notifications)

    def close(self) -> None:
        self.ahead = self._coming = None
        self._small.clear()
        self._pieces.clear()
        with contextlib.suppress(Exception):
            self.source.close()


def _content(chunk: Any) -> bytes:
    chunk.wait(insist=False)
    return bytes(chunk._raw_data)  # `raw_data` insists on a whole one


def _end_of(header: bytes) -> int:
    """Return the bytes of a ROOT file: https://root.cern.ch/doc/master/classTFile.html."""
    if len(header) < _LARGE.size:
        return 0
    _, version, _, end = _LARGE.unpack_from(header)
    return int(end) if version >= _OF_LARGE else int(end >> 32)


def _covers(piece: tuple[int, bytes], place: Range) -> bool:
    first, content = piece
    return first <= place[0] and place[1] <= first + len(content)


class Lender(Protocol):
    """Has files that stay open."""

    def lend(self, path: str, options: dict[str, Any]) -> Kept:
        """Return the file of a path, which is opened with the options of uproot if it is not open."""


_lender: ContextVar[Lender | None] = ContextVar("lender", default=None)


@contextlib.contextmanager
def by(lender: Lender) -> Iterator[None]:
    """Have this lend the files that are opened meanwhile, by this thread."""
    before = _lender.set(lender)
    try:
        yield
    finally:
        _lender.reset(before)


class Lent(uproot.source.chunk.Source):  # type: ignore[misc]  # uproot has no types
    """What uproot reads a file by; it closes nothing that somebody has lent."""

    def __init__(self, file_path: str, **options: Any) -> None:
        super().__init__()
        self._file_path = file_path
        self._options = options
        lender = _lender.get()
        self._own = lender is None
        self._kept = (
            Kept(file_path, real(file_path, options)) if lender is None else lender.lend(file_path, options)
        )

    def __reduce__(self) -> Any:
        return functools.partial(Lent, self._file_path, **self._options), ()

    def __repr__(self) -> str:
        return f"<Lent of {self._kept.source!r}>"

    def __getattr__(self, name: str) -> Any:
        if name in {"_kept", "_own"}:
            raise AttributeError(name)
        return getattr(self._kept.source, name)

    def chunk(self, start: int, stop: int) -> Any:
        return self._kept.chunk(start, stop)

    def chunks(self, ranges: Iterable[Range], notifications: queue.Queue[Any]) -> Any:
        return self._kept.chunks(ranges, notifications)

    @property
    def num_bytes(self) -> Any:
        return self._kept.source.num_bytes

    @property
    def num_requests(self) -> Any:
        return self._kept.source.num_requests

    @property
    def num_requested_chunks(self) -> Any:
        return self._kept.source.num_requested_chunks

    @property
    def num_requested_bytes(self) -> Any:
        return self._kept.source.num_requested_bytes

    @property
    def closed(self) -> bool:
        return bool(self._kept.source.closed)

    def __enter__(self) -> Lent:
        return self

    def __exit__(self, *_: object) -> None:
        if self._own:
            self._kept.close()


_WEB = ("http", "https")


def option(path: str) -> str:
    """Return the option of uproot that says by what a file is read."""
    if "handler" in uproot.open.defaults:
        return "handler"
    if is_local(path):
        return "file_handler"
    return "http_handler" if path.partition("://")[0].lower() in _WEB else "xrootd_handler"


def real(path: str, options: dict[str, Any]) -> Any:
    """Open a file as uproot does by itself, or as its options say."""
    name = option(path)
    given = options.get(name)
    kind = given if given is not None and given is not Lent else _default(name)
    if not isinstance(kind, type):
        raise TypeError(f"uproot's option {name!r} is not a class that reads files: {kind!r}")
    return kind(path, **{**options, name: kind})


def _default(name: str) -> Any:
    if name == "handler":
        return uproot.source.fsspec.FSSpecSource
    return uproot.open.defaults[name]
