"""The time of day as it passes: somebody may set the clock of a machine while a run goes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Clock:
    """Tells the time of day in seconds since the epoch: as it was at first, and what has passed since.

    So the difference of two times is what lay between them.
    """

    began: float = field(default_factory=lambda: time.time())  # noqa: PLW0108 - as it is then
    _mark: float = field(default_factory=time.monotonic)

    def __call__(self) -> float:
        return self.began + (time.monotonic() - self._mark)
