"""Cycles are looked for when the process has grown, and only for a tenth of the time."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from wq_runner.remote import sweeper


class Process:
    """Grows with each chunk of 0.1 s; a look for cycles takes so many seconds."""

    def __init__(self, takes: float, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.size, self.takes = 0.0, 0, takes
        monkeypatch.setattr(sweeper, "time", SimpleNamespace(perf_counter=lambda: self.now))
        monkeypatch.setattr(sweeper, "gc", SimpleNamespace(collect=self.collect))
        monkeypatch.setattr(sweeper, "resident", lambda _: self.size)

    def collect(self) -> None:
        self.now += self.takes

    def looks(self, chunks: int, growth: int) -> int:
        made = sweeper.Sweeper()
        found = 0
        for _ in range(chunks):
            self.now += 0.1
            self.size += growth
            found += made.look()
        return found


@pytest.mark.parametrize(
    ("takes", "growth", "looks"),
    [
        (0.004, sweeper.GROWTH, 40),
        (0.004, sweeper.GROWTH // 4, 10),
        (0.004, 0, 0),
        (0.2, sweeper.GROWTH, 2),  # one, then none for 2 s
    ],
)
def test_looks(takes: float, growth: int, looks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Process(takes, monkeypatch).looks(40, growth) == looks
