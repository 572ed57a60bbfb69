"""Whether something listens at a port, without connecting to it.

The engine takes whoever connects for a worker: one that has no password is reported as refused, one that
leaves as lost, and one that says nothing keeps it waiting. So the kernel is asked, which knows of this
machine; of another one nobody but a worker can tell.
"""

from __future__ import annotations

import socket
from pathlib import Path

_LISTENING = "0A"  # proc(5), include/net/tcp_states.h
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")


def listens(host: str, port: int) -> bool | None:
    """Return whether a program listens; None if that cannot be known from here."""
    if not is_here(host):
        return None
    return listens_here(port)


def is_here(host: str) -> bool:
    """Whether a name or an address is this machine's: only its own can be bound to."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((socket.gethostbyname(host), 0))
    except (OSError, UnicodeError):  # no name at all
        return False
    return True


def listens_here(port: int) -> bool | None:
    """Return whether a program of this machine listens at a port; None where the kernel does not say."""
    known = False
    for table in _TABLES:
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        known = True
        for fields in map(str.split, lines):
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                return True
    return False if known else None
