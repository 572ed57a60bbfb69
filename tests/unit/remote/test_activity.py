"""What counts as doing something, for `--stall-time`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import running

from wq_runner.remote import meter
from wq_runner.remote.activity import Activity
from wq_runner.remote.family import Family

LOOK = 0.05  # seconds


@dataclass
class Scripted(Family):
    """A family that uses so much of a core, waits for one for so much of the time, and reads bytes."""

    uses: float = 0.0
    waits: float = 0.0
    reads: int = 0
    now: float = 0.0
    wakes: float | None = None  # seconds between two times that it does anything; None if it always does

    def __post_init__(self) -> None:
        super().__init__(1)

    @property
    def _worked(self) -> float:
        return self.now if self.wakes is None else self.now // self.wakes * self.wakes

    def cpu_seconds(self) -> float:
        return self.uses * self._worked

    def waited_seconds(self) -> float:
        return self.waits * self._worked

    def bytes_read(self) -> int:
        return int(self.reads * self.now)


def longest_rest(family: Scripted, seconds: float = 60.0) -> float:
    """Return the longest time for which nothing seems to happen."""
    activity = Activity(lambda: family.now)
    longest = 0.0
    while family.now < seconds:
        family.now += LOOK
        longest = max(longest, activity.still(family, 0))
    return longest


@pytest.mark.parametrize(
    "family",
    [
        Scripted(uses=1.0),
        Scripted(uses=0.02),
        Scripted(uses=0.002, waits=0.99),  # a host with a hundred times more to do than it has cores
        Scripted(uses=0.0, waits=0.9),
        Scripted(reads=100),
    ],
)
def test_who_works_or_would_work_is_not_stuck(family: Scripted) -> None:
    assert longest_rest(family) < 1.0


@pytest.mark.parametrize(
    "family",
    [
        Scripted(),
        Scripted(uses=0.002, wakes=1.0),  # a thread that looks now and then whether an answer has come
        Scripted(uses=0.002, waits=0.1, wakes=1.0),  # and has to wait for a core each time
    ],
)
def test_who_sleeps_is_stuck(family: Scripted) -> None:
    assert longest_rest(family) > 50


def test_another_item_is_something() -> None:
    family = Scripted()
    activity = Activity(lambda: family.now)
    family.now = 30.0
    activity.still(family, 0)
    family.now = 60.0
    assert activity.still(family, 0) == 30.0
    assert activity.still(family, 1) == 0.0


@pytest.fixture
def rivals() -> Iterator[tuple[int, int]]:
    """Return two processes that compute, of which one at a time has the only core."""
    code = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\nwhile True: pass"
    both = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    yield both[0].pid, both[1].pid
    for one in both:
        one.kill()
        one.wait()


def test_waiting_for_a_core_is_told_by_the_kernel(rivals: tuple[int, int]) -> None:
    running.until(lambda: min(map(meter.waited_seconds, rivals)) > 0.2)
    assert meter.waited_seconds(2**22 + 1) == 0
