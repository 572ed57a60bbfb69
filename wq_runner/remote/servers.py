"""Which servers of files failed lately: they are asked last, as each time may cost a minute.

Tasks of a worker share its workspace, and so what they learn; elsewhere it is this process alone.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
import warnings
from collections import defaultdict
from pathlib import Path

_MEMORY = 600.0  # seconds for which a failure counts

_here: defaultdict[str, list[float]] = defaultdict(list)


class ElsewhereWarning(UserWarning):
    """An item was read at `place`, which is not the first of its places.

    `reason` is what the first one said, empty where it was not asked again as its server had failed lately.
    Tasks take these warnings into their answers.
    """

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(place, reason)
        self.place = place
        self.reason = reason


def failures(path: str) -> int:
    """Return how often the server of a path failed lately."""
    account = _account(path)
    try:
        times = [float(one) for one in account.read_text().split()] if account else _here[server_of(path)]
    except (OSError, ValueError):
        return 0
    now = time.time()
    return sum(abs(now - one) < _MEMORY for one in times)  # the clock may have been set back


def note_failure(path: str) -> None:
    account = _account(path)
    if account is None:
        _here[server_of(path)].append(time.time())
        return
    with contextlib.suppress(OSError), account.open("a") as stream:
        stream.write(f"{time.time():.0f}\n")


def tell_elsewhere(place: str, reason: str) -> None:
    """Warn that an item was read there, also where a processor has turned warnings off."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(ElsewhereWarning(place, reason), stacklevel=2)


def server_of(path: str) -> str:
    """Return ``root://host:port`` of a URL, `local paths` for a path."""
    return "/".join(path.split("/")[:3]) if "://" in path else "local paths"


def _account(path: str) -> Path | None:
    place = os.environ.get("WORK_QUEUE_SANDBOX")
    if not place:
        return None
    server = re.sub(r"[^a-zA-Z0-9_.-]", "_", server_of(path))
    return Path(place) / f"wq-runner-failures-{os.getuid()}-{server}"
