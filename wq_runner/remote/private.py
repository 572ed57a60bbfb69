"""Sockets that only their owner can use, whatever the umask: what comes in on them is unpickled."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: unix(7), SO_PEERCRED


@contextlib.contextmanager
def address(directory: Path, name: str) -> Iterator[str]:
    """Yield the name of a socket, short wherever its directory is: the kernel takes 107 characters."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)


def listen(listener: socket.socket, address: str, backlog: int) -> None:
    """Bind a socket to a name that others cannot connect to, not even before its mode is set."""
    before = os.umask(0o177)
    try:
        listener.bind(address)
    finally:
        os.umask(before)
    listener.listen(backlog)


def accept(listener: socket.socket) -> socket.socket | None:
    """Return a connection of this user's; None if it was anybody else's, who is sent away."""
    connection, _ = listener.accept()
    given = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(given)
    if user == os.getuid():
        return connection
    connection.close()
    return None


def close_to_others(directory: Path) -> None:
    """Let nobody else enter a directory of this user's, as one that the engine made as the umask says."""
    with contextlib.suppress(OSError):  # somebody else's
        directory.chmod(0o700)


def open_file(path: Path) -> BinaryIO:
    """Open a new file, or an empty one, that only its owner can read or change."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def write(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read or change."""
    with open_file(path) as stream:
        stream.write(content)
