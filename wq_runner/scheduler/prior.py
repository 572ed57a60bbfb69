"""What chunks of an earlier run took: a guess for the first ones of the next, and never more than that."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Prior:
    """`memory` are events and bytes at the peak of some chunks, `pace` the seconds of an event."""

    memory: tuple[tuple[int, float], ...] = ()
    pace: float | None = None


NOTHING = Prior()
