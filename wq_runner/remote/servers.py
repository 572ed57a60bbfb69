"""Which servers of files failed lately: they are asked last, as each time may cost a minute.

Tasks of a worker share its workspace, and so what they learn; elsewhere it is this process alone.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections import defaultdict
from pathlib import Path

_MEMORY = 600.0  # seconds for which a failure counts

_here: defaultdict[str, list[float]] = defaultdict(list)


def failures(path: str) -> int:
    """Return how often the server of a path failed lately."""
    account = _account(path)
    try:
        times = [float(one) for one in account.read_text().split()] if account else _here[_server(path)]
    except (OSError, ValueError):
        return 0
    return sum(time.time() - one < _MEMORY for one in times)


def note_failure(path: str) -> None:
    account = _account(path)
    if account is None:
        _here[_server(path)].append(time.time())
        return
    with contextlib.suppress(OSError), account.open("a") as stream:
        stream.write(f"{time.time():.0f}\n")


def _server(path: str) -> str:
    return "/".join(path.split("/")[:3]) if "://" in path else "here"


def _account(path: str) -> Path | None:
    place = os.environ.get("WORK_QUEUE_SANDBOX")
    if not place:
        return None
    return Path(place) / f"wq-runner-failures-{os.getuid()}-{re.sub(r'[^a-zA-Z0-9_.-]', '_', _server(path))}"
