"""What a task prints: its beginning and its end, however much it is, kept by another process than prints it.

Code in C can print while it holds the interpreter's lock, so no thread of the same process can read along;
and a file would fill the disk. This file is also a program, for processes that nobody watches: it reads what
they print, and hands over what it kept when it is asked.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import sys

HEAD, TAIL = 1500, 3000  # bytes that are kept
_BLOCK = 1 << 16
_AT_ONCE = 64  # blocks


class Ends:
    """The beginning and the end of something."""

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""
        self._size = 0

    def add(self, data: bytes) -> None:
        self._size += len(data)
        if room := HEAD - len(self._head):
            self._head, data = self._head + data[:room], data[room:]
        if data:
            self._tail = (self._tail + data)[-TAIL:]

    def text(self) -> str:
        """Return it, with a word on how much is left out between beginning and end."""
        left_out = self._size - len(self._head) - len(self._tail)
        if not left_out:
            return (self._head + self._tail).decode("utf-8", "replace")
        head, tail = (one.decode("utf-8", "replace") for one in (self._head, self._tail))
        return f"{head}\n[... {left_out:,} bytes are left out here ...]\n{tail}"


def drain(descriptor: int, ends: Ends) -> bool:
    """Take what is there to be read, as far as it goes at once; return whether more may come."""
    for _ in range(_AT_ONCE):
        try:
            data = os.read(descriptor, _BLOCK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not data:
            return False
        ends.add(data)
    return True


def main(control: int) -> None:
    """Read standard input, and answer each byte at the socket with what was kept since the last one."""
    os.set_blocking(0, False)
    ends, waiting = Ends(), [0, control]
    with socket.socket(fileno=control) as asked:
        while control in waiting:
            ready, _, _ = select.select(waiting, [], [])
            if 0 in ready and not drain(0, ends):
                waiting.remove(0)
            if control in ready:
                if not asked.recv(1):
                    break
                # all that the pipe holds: more is of somebody who goes on
                if 0 in waiting and not drain(0, ends):
                    waiting.remove(0)
                content = ends.text().encode()
                asked.sendall(struct.pack("<I", len(content)) + content)
                ends = Ends()
    drain(0, ends)
    if last := ends.text():  # of a process that died: nobody else will say it
        with contextlib.suppress(OSError):
            sys.stderr.write(last)


if __name__ == "__main__":
    main(int(sys.argv[1]))
