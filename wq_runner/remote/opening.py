"""How a file is opened for uproot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HANDLERS = ("handler", "file_handler", "xrootd_handler", "http_handler")
"""Options of uproot, of its releases, that are a class of its own; here they are its name."""

_OF_FILES = ("MemmapSource", "MultithreadedFileSource")
_XROOTD = ("root", "roots", "xroot", "xroots")
_WEB = ("http", "https")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How files are to be read. `options` are uproot's, as the user gave them.

    A request to a server may take `timeout` seconds; None is what suits. With `ahead`, what comes next is
    read from servers before it is asked for; with `learning`, it is looked at what that is.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    timeout: float | None = None
    ahead: bool = True
    learning: bool = True

    def options_for(self, path: Any) -> dict[str, Any]:
        """Return all of uproot's options for a file; those that were given go before."""
        return {**options_for(path), **_resolved(self.options, path)}


def is_of_server(path: Any) -> bool:
    """Whether each request for a piece of a file takes its time."""
    return isinstance(path, str) and "://" in path and "::" not in path


def is_local(path: Any) -> bool:
    """Whether a file is of a file system of this machine."""
    return isinstance(path, str) and "://" not in path and "::" not in path


def options_for(path: Any) -> dict[str, Any]:
    """Return uproot's options for a file; empty for one that is not of a file system.

    Left to itself, uproot reads local files by way of fsspec, and hands each read to a thread and back: a
    fifth of the time of a chunk of 50,000 events with 15 small branches. Files are not mapped into memory
    either: where a disk fails, that ends the process without a word.
    """
    if not is_local(path):
        return {}
    import uproot

    if "handler" not in uproot.open.defaults:  # uproot 4, whose one thread is all that reads
        return {"file_handler": uproot.MultithreadedFileSource}
    from .local import LocalSource

    return {"handler": LocalSource}


def _resolved(options: Mapping[str, Any], path: Any) -> dict[str, Any]:
    """Return options with the classes that they name, where these can read such a file."""
    import uproot

    found = {}
    for name, value in options.items():
        if name not in HANDLERS or not isinstance(value, str):
            found[name] = value
        elif _suits(value, str(path)):
            found[name] = getattr(uproot, value)
    return found


def _suits(handler: str, path: str) -> bool:
    if "XRootD" in handler:
        return path.partition("://")[0] in _XROOTD
    if "HTTP" in handler:
        return path.partition("://")[0] in _WEB
    return handler not in _OF_FILES or not is_of_server(path)
