"""Whom the engine listens to, which it has no options for.

A stranger who connects and says nothing keeps the engine waiting for 5 s, password or not, and under TLS for
ever. So the kernel hands over a connection when something was said: workers speak first. And where all
workers are of this machine, nobody else can reach it.
"""

from __future__ import annotations

import os
import socket

_HOST = "127.0.0.1"
_BACKLOG = 1024
SILENCE = 600  # seconds of it after which the kernel hands a connection over nevertheless


def wait_for_words(port: int) -> None:
    """Let the engine see a connection to its port only when something was said: tcp(7), TCP_DEFER_ACCEPT."""
    with socket.socket(fileno=os.dup(listening_at(port))) as found:
        found.listen(_BACKLOG)  # the engine's 5 are few: what does not fit is handed over at once
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, SILENCE)


def listen_here_only(port: int) -> None:
    """Put a socket of this machine's own address in the place of the one that listens at a port.

    The engine knows its socket by its number only, so it takes the other one for it.

    Raises
    ------
    OSError
        If another program took the port just then.
    """
    descriptor = listening_at(port)
    blocking = os.get_blocking(descriptor)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - the port is free once nobody listens there
        os.dup2(nothing.fileno(), descriptor, inheritable=False)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        own.bind((_HOST, port))
        own.listen(_BACKLOG)
        os.dup2(own.fileno(), descriptor, inheritable=False)
    os.set_blocking(descriptor, blocking)


def listening_at(port: int) -> int:
    """Return the number of this process's socket that listens at a port."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - only their names
        try:
            with socket.socket(fileno=os.dup(int(name))) as found:
                listens = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                if listens and found.getsockname()[1] == port:
                    return int(name)
        except OSError:  # it is no socket
            continue
    raise OSError(f"nothing listens at port {port}")
