"""The managers of this user that run now: a small file for each, beside no catalog at all.

So `wq-workers` knows host, port and password of a run, and a second run of the same name is noticed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import platform
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from wq_runner import system


@dataclass(frozen=True, kw_only=True)
class Manager:
    """A run that accepts workers. Memory and disk, those of a task, are in MB; 0 is not known."""

    name: str
    host: str
    port: int
    pid: int
    machine: str
    started: float
    directory: str
    catalog: str | None = None
    password_file: str | None = None
    tls: bool = False
    release: str = ""
    task_cores: int = 1
    task_memory: int = 0
    task_disk: int = 0

    @property
    def place(self) -> str:
        return f"{self.host}:{self.port}"


log = logging.getLogger(__name__)


def _directory() -> Path:
    return Path(platformdirs.user_cache_dir("wq-runner")) / "managers"


@contextlib.contextmanager
def announced(manager: Manager) -> Iterator[None]:
    """Keep a manager in the list for as long as the block runs, if the list can be written."""
    path = _directory() / f"{manager.machine}-{manager.pid}-{manager.port}.json"
    try:
        system.make_private(path.parent)
        system.write_json(path, dataclasses.asdict(manager))
    except OSError as error:  # no home, or one that is full: only the doctor would miss it
        log.warning("other commands will not find this run: %s", system.refused(error, path).message)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def running(name: str | None = None) -> list[Manager]:
    """Return the managers of this user, the last one first, perhaps only those of a name."""
    found = [one for path in _directory().glob("*.json") if (one := _read(path)) is not None]
    return sorted(
        (one for one in found if name is None or one.name == name), key=lambda one: one.started, reverse=True
    )


def _read(path: Path) -> Manager | None:
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        manager = Manager(**values)
    except (OSError, ValueError, TypeError):
        return None
    if _lives(manager):
        return manager
    with contextlib.suppress(OSError):
        path.unlink()
    return None


def _lives(manager: Manager) -> bool:
    """Say whether it may still run: of another machine of a shared home one cannot tell for some days."""
    if manager.machine != platform.node():
        return time.time() - manager.started < 7 * 86400
    try:
        os.kill(manager.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def this_host() -> str:
    """Return the name or address under which other machines reach this one."""
    for name in (socket.getfqdn(), platform.node()):
        with contextlib.suppress(OSError):
            if not socket.gethostbyname(name).startswith("127."):
                return name
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("192.0.2.1", 9))  # sends nothing, only asks for the route: RFC 5737
        return str(sock.getsockname()[0])
    return "127.0.0.1"
