"""Temporary directories that tell whose they are, so that those of the dead are removed.

A process that was killed removes nothing. Each has a lock in the temporary directory for as long as it lives,
and its directories have the name of that in theirs: who finds a lock that nobody holds removes them.
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
    return "-".join(["wq-runner", *([kind] if kind else []), _own(os.getpid(), tempfile.gettempdir()), ""])


@functools.lru_cache(maxsize=4)
def _own(pid: int, place: str) -> str:
    """Return the name of this process, which holds its lock from now on; and look for what others left."""
    while True:
        name = secrets.token_hex(4)
        path = Path(place, f"wq-runner-{name}.lock")
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with contextlib.suppress(OSError):  # a file system without locks: nobody removes what is not locked
            fcntl.flock(handle, fcntl.LOCK_EX)
        if path.exists():  # else who looked at it before that has taken it for one of the dead
            break
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
        if re.match(rf"wq-runner-([a-z]+-)?{lock.stem.removeprefix('wq-runner-')}-", name):
            shutil.rmtree(lock.parent / name, ignore_errors=True)
    lock.unlink(missing_ok=True)
