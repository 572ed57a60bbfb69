"""Whether a process hangs: it says nothing, and does nothing."""

from __future__ import annotations

MOMENT = 2.0  # seconds, the longest that we take to look again


class Silence:
    """How long a process has neither said nor done anything, while we were there to listen.

    Where nobody looked for a while, as all were stopped together, only a moment of that counts.
    """

    def __init__(self) -> None:
        self._lasted = 0.0
        self._looked: float | None = None
        self._did: tuple[float, ...] = ()

    def broken(self) -> None:
        self._lasted = 0.0

    def goes_on(self, now: float, did: tuple[float, ...]) -> float:
        """Return the seconds so far; `did` is anything that only grows while the process does something."""
        since = 0.0 if self._looked is None else min(now - self._looked, MOMENT)
        self._looked = now
        if did != self._did:
            self._did, self._lasted = did, 0.0
        else:
            self._lasted += since
        return self._lasted
