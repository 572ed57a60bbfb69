"""A task for engines that move values and no files: Dask, Parsl, and their like.

Where the worker sees the manager's files, only their names travel, and the answer is written to its
place. Elsewhere their contents do; those of the function only once to each process, when it asks.
"""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from . import functions, leftovers, prints, work
from .guard import Limits
from .minder import minded
from .prints import Printed


@dataclass(frozen=True)
class Parcel:
    """A task, its files as the manager names them, and the content of the function if it has to travel.

    `manager` is the process that sent it, whose own streams are left alone; it is not watched either.
    """

    function: str
    items: str
    result: str
    function_content: bytes | None = None
    manager: int = 0
    limits: Limits | None = None


@dataclass(frozen=True)
class Delivery:
    """What became of a parcel. `answer` is None if it is in its place, or if contents are lacking."""

    host: str
    started: float
    finished: float
    answer: bytes | None = None
    lacking: bool = False
    printed: str = ""


def deliver(parcel: Parcel) -> Delivery:
    """Do the task of a parcel: runs on a worker."""
    started, clock = time.time(), time.monotonic()
    answer, lacking = None, False
    here = os.getpid() == parcel.manager
    with contextlib.nullcontext(Printed()) if here else prints.captured() as printed:
        if _is_here(parcel):
            _execute_here(parcel, watched=not here)
        else:
            name = Path(parcel.function).name
            lacking = parcel.function_content is None and name not in _functions()
            answer = None if lacking else _execute(parcel, name)
    return Delivery(
        host=platform.node(),
        started=started,
        finished=started + time.monotonic() - clock,
        answer=answer,
        lacking=lacking,
        printed=printed.text,
    )


def _execute_here(parcel: Parcel, *, watched: bool) -> None:
    result = Path(parcel.result)
    if watched and result.exists():
        return  # it was ended elsewhere, with the process that did it, and whose scheduler tries again
    with minded(result, parcel.limits if watched else None) as notify:
        work.execute(Path(parcel.function), parcel.items, result, notify)


def _is_here(parcel: Parcel) -> bool:
    # the name of a function is its content, so a file of this name is this function
    return Path(parcel.function).is_file() and os.access(Path(parcel.result).parent, os.W_OK)


def _execute(parcel: Parcel, name: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix=leftovers.prefix()) as directory:
        function, result = Path(directory, name), Path(directory, "result")
        function.write_bytes(parcel.function_content or b"")
        loaded = _functions().get(name)
        work.execute(function, parcel.items, result, loaded=loaded)
        if loaded is None:
            with contextlib.suppress(Exception):  # which the answer says
                _functions()[name] = functions.load_function(function)
        return result.read_bytes()


@functools.lru_cache(maxsize=1)
def _functions() -> dict[str, functions.Function]:
    """Return the functions that this process was sent, by their names."""
    return {}
