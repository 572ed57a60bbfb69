"""Temporary directories that tell whose they are, so that those of the dead are removed.

A process that was killed removes nothing. Each has a lock in the temporary directory for as long as it lives,
and the names of its directories begin with the name of that: who finds a lock that nobody holds removes them.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import os
import re
import secrets
import shutil
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path

_LOCK = re.compile(r"wq-runner-([0-9a-f]{8})\.lock")


def prefix(kind: str = "") -> str:
    """Return what the name of a temporary directory of this process begins with; `kind` says what it is."""
    return "-".join(["wq-runner", _own(os.getpid(), tempfile.gettempdir()), *([kind] if kind else []), ""])


@functools.lru_cache(maxsize=4)
def _own(pid: int, place: str) -> str:
    """Return the name of this process, for as long as which it has a lock; and look for what others left."""
    name = secrets.token_hex(4)
    path = Path(place, f"wq-runner-{name}.lock")
    # made elsewhere: under its name, it is held from the first moment on
    handle, made = tempfile.mkstemp(prefix=f".wq-runner-{name}", dir=place)
    with contextlib.suppress(OSError):  # a file system without locks: nobody removes what is not locked
        fcntl.flock(handle, fcntl.LOCK_EX)
        Path(made).rename(path)
    Path(made).unlink(missing_ok=True)
    atexit.register(_forget, path, pid)
    threading.Thread(target=remove_left, args=(Path(place),), name="leftovers", daemon=True).start()
    return name


def _forget(path: Path, pid: int) -> None:
    if os.getpid() == pid:  # and not a copy of it
        with contextlib.suppress(OSError):
            _remove(path, [one.name for one in path.parent.iterdir()])


def remove_left(place: Path) -> None:
    """Remove the directories of processes of this user that live no more."""
    with contextlib.suppress(OSError):
        names = [one.name for one in place.iterdir() if one.name.startswith("wq-runner-")]
        for name in names:
            found = _LOCK.fullmatch(name)
            if found is not None and (place / name).stat().st_uid == os.getuid():
                with contextlib.suppress(OSError), (place / name).open() as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # which fails while its owner lives
                    _remove(place / name, names)


def _remove(lock: Path, names: Iterable[str]) -> None:
    for name in names:
        if name.startswith(f"{lock.stem}-"):
            shutil.rmtree(lock.parent / name, ignore_errors=True)
    lock.unlink(missing_ok=True)
