"""Workers: on this machine, of batch systems, and what finds out why there are none.

A provider is a `Workers`; a new one is a sibling module, which `choice` chooses.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class Workers(Protocol):
    """Workers that a run starts by itself."""

    password_file: Path

    def prepare(self) -> None:
        """Make what must be there before the queue starts, the password above all."""

    def start(self, port: int) -> None:
        """Start them; the queue listens on `port`."""

    def keep_alive(self, joined: int = 0) -> None:
        """Replace what ended; called again and again. `joined` is how many have come so far.

        Raises
        ------
        EngineError
            If that cannot help.
        """

    def stop(self) -> None:
        """End them all. Harmless if they did not start."""

    def describe(self) -> str:
        """Say how many there are, and of what size."""
