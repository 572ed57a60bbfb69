"""Files as uproot reads them, from one that stays open: to be imported where uproot is."""

from __future__ import annotations

import contextlib
import functools
import queue
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any, Protocol

import uproot
from uproot.source.chunk import Chunk
from uproot.source.futures import TrivialFuture

from .ahead import Ahead, Range
from .opening import is_local

_SMALL = 2**16  # bytes of a piece that is remembered, such as the header and a directory
_MOST = 64  # of such pieces


class Kept:
    """A file that stays open for all who read it; `ahead` is what they are going to read.

    If it `is_fresh` it was opened just now, and its header read: the first who reads that gets it.
    """

    def __init__(self, path: str, source: Any) -> None:
        self.path = path
        self.source = source
        self.ahead: Ahead | None = None
        self.is_fresh = False
        self._head: bytes | None = None
        self._small: dict[Range, Any] = {}

    def chunk(self, start: int, stop: int) -> Any:
        place = int(start), int(stop)
        if place[0] == 0:
            return self._header(place)
        if place in self._small:
            return self._small[place]
        chunk = self.source.chunk(*place)
        if place[1] - place[0] <= _SMALL and len(self._small) < _MOST:
            self._small[place] = chunk
        return chunk

    def _header(self, place: Range) -> Any:
        """Read the header anew for each chunk of events: the file may be another one by now."""
        if self.is_fresh and place in self._small:
            self.is_fresh = False
            return self._small[place]
        chunk = self.source.chunk(*place)
        chunk.wait(insist=False)
        found = bytes(chunk._raw_data)  # `raw_data` insists on a whole one
        if found != self._head:
            self._small.clear()
        # uproot 4 looks at the first `wait` only whether a chunk is whole, so its own has to be the first
        chunk = Chunk(self.source, *place, TrivialFuture(found))
        self._head, self._small[place] = found, chunk
        return chunk

    def chunks(self, ranges: Iterable[Range], notifications: queue.Queue[Any]) -> Any:
        ahead = self.ahead
        if ahead is None:
            return self.source.chunks(ranges, notifications)
        return ahead.chunks(self.source, ranges, notifications)

    def close(self) -> None:
        self.ahead = None
        self._small.clear()
        with contextlib.suppress(Exception):
            self.source.close()


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
