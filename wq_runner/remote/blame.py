"""Whose failure an exception is, told by what was going on when it was raised.

Which library raised says nothing: a processor opens files of weights with uproot as well. What counts is
whether *this* chunk's file was being opened, or one of *its* branches read.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from types import FrameType, TracebackType
from typing import Any

INPUT, SCHEMA, PROCESSOR, MEMORY = "input", "schema", "processor", "memory"

READERS = frozenset({"uproot", "fsspec", "fsspec_xrootd", "XRootD", "aiohttp", "pyarrow"})
"""What reads data files."""

_WORK_FUNCTION = ("coffea.processor", "_work_function")
_EVENTS = "coffea.nanoevents"
_COLUMNS = "coffea.nanoevents.mapping"  # what the events read their columns by
_PATHS = ("file_path", "_file_path", "path", "_path", "filename")


def kind_of(links: Sequence[BaseException]) -> str:
    """Return whose failure a chain of exceptions is, the outermost first."""
    if isinstance(links[-1], MemoryError):
        return MEMORY
    for link in links:
        frames = list(_frames(link.__traceback__))
        for depth, frame in enumerate(frames[:-1]):
            if _is_work_function(frame):
                item = frame.f_locals.get("item")
                return _of_stage(frames[depth + 1 :], str(getattr(item, "filename", "")))
    # not coffea's function of events: one that opens files, or anybody's
    return INPUT if any(map(_reads, _frames(links[-1].__traceback__))) else PROCESSOR


def is_of_input(links: Sequence[BaseException]) -> bool:
    """Whether a chain of exceptions is about the chunk's file, or a file that is opened to be known."""
    frames = (frame for link in links for frame in _frames(link.__traceback__))
    return not any(map(_is_work_function, frames)) or kind_of(links) == INPUT


def _of_stage(frames: Sequence[FrameType], path: str) -> str:
    """Tell by what coffea's work function had called, and by what that was doing with the file."""
    called = _module(frames[0])
    if _package(called) in READERS:
        return INPUT  # it opens the file
    reading = any(map(_reads, frames))
    if called.startswith(_EVENTS):
        return INPUT if reading else SCHEMA
    of_events = next((at for at, one in enumerate(frames) if _module(one).startswith(_COLUMNS)), None)
    found = _paths(frame for frame in frames if _reads(frame))
    if of_events is not None and any(map(_reads, frames[of_events:])):
        # events of another file have columns as well, if the processor makes some
        return INPUT if not found or path in found else PROCESSOR
    return INPUT if reading and path in found else PROCESSOR


def _frames(trace: TracebackType | None) -> Iterator[FrameType]:
    return (frame for frame, _ in traceback.walk_tb(trace))


def _is_work_function(frame: FrameType) -> bool:
    package, name = _WORK_FUNCTION
    return frame.f_code.co_name == name and _module(frame).startswith(package)


def _reads(frame: FrameType) -> bool:
    return _package(_module(frame)) in READERS


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _package(module: str) -> str:
    return module.partition(".")[0]


def _paths(frames: Iterator[FrameType]) -> set[str]:
    """Return the files that readers had in their hands."""
    found: set[str] = set()
    for frame in frames:
        for value in (*frame.f_locals.values(), *_files_of(frame.f_locals.get("self"))):
            found.update(_path_of(value))
    return found


def _files_of(value: Any) -> tuple[Any, ...]:
    return tuple(one for name in ("file", "_file") if (one := _attribute(value, name)) is not None)


def _path_of(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
        return
    if type(value).__module__.partition(".")[0] not in READERS:
        return
    for name in _PATHS:
        path = _attribute(value, name)
        if isinstance(path, str):
            yield path
    for one in _files_of(value):
        for name in _PATHS:
            path = _attribute(one, name)
            if isinstance(path, str):
                yield path


def _attribute(value: Any, name: str) -> Any:
    try:
        return getattr(value, name, None)
    except Exception:  # a property of something that is half made
        return None
