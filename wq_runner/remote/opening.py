"""How a file is opened for uproot."""

from __future__ import annotations

from typing import Any


def options_for(path: Any) -> dict[str, Any]:
    """Return uproot's options for a file; empty for one that is not of a file system.

    Left to itself, uproot reads local files by way of fsspec, and hands each read to a thread and back: a
    fifth of the time of a chunk of 50,000 events with 15 small branches. Files are not mapped into memory
    either: where a disk fails, that ends the process without a word.
    """
    if not isinstance(path, str) or "://" in path or "::" in path:
        return {}
    import uproot

    known = uproot.open.defaults
    handler = "handler" if "handler" in known else "file_handler"  # in uproot 4
    threads = {"use_threads": False} if "use_threads" in known else {}
    return {handler: uproot.MultithreadedFileSource, **threads}
