"""What each core of each host did when: beside each other, in bins, bounded, with failures."""

from __future__ import annotations

import itertools
import random

import journals
import pytest

from wq_runner.monitor.lanes import LaneTally
from wq_runner.monitor.view import Lanes

PLANNED = {"A": 400, "B": 400}


def after(*attempts: tuple[float, float, str, str], failed: tuple[int, ...] = (), **limits: int) -> Lanes:
    """Let attempts (begin, end, host, dataset) end in the order of their ends."""
    tally = LaneTally(0.0, **limits)
    for number, (begun, end, host, dataset) in enumerate(sorted(attempts, key=lambda one: one[1])):
        event = journals.ended(number, dataset, at=end, host=host, done=0 if number in failed else 1)
        tally.ended(end, end - begun, event)
    return tally.summary(max(one[1] for one in attempts), PLANNED)


def test_attempts_at_once_are_beside_each_other() -> None:
    found = after((0, 10, "n1", "A"), (0, 4, "n1", "B"), (4, 10, "n1", "B"), (2, 9, "n2", "A"))
    assert [(lane.host, lane.attempts) for lane in found.lanes] == [("n1", 2), ("n2", 1), ("n1", 1)]
    assert found.kinds == (("processing", "A"), ("processing", "B"))
    assert found.lanes[2].spans[0][:3] == (0, 40, 0)


def test_idle_is_left_out_and_failures_are_marked() -> None:
    found = after((0, 2, "n1", "A"), (6, 8, "n1", "A"), failed=(1,))
    ((first, length, _, bad), (second, _, _, worse)) = found.lanes[0].spans
    assert (first, length, bad) == (0, 8, False)
    assert (second, worse) == (24, True)
    assert found.lanes[0].failed == 1


@pytest.mark.parametrize("seed", range(5))
def test_of_long_runs_little_is_kept_and_every_failure_seen(seed: int) -> None:
    chance = random.Random(seed)
    attempts, now = [], [0.0] * 3
    for _ in range(2000):
        core = chance.randrange(3)
        begun = now[core] + chance.random()
        now[core] = begun + chance.lognormvariate(2, 1)
        attempts.append((begun, now[core], "n1", chance.choice("AB")))
    found = after(*attempts, failed=tuple(range(0, 2000, 500)))
    assert found.bins <= 181
    assert found.width * found.bins >= max(now)
    assert sum(lane.attempts for lane in found.lanes) == 2000
    assert sum(lane.failed for lane in found.lanes) == 4
    for lane in found.lanes:
        ends = [0]
        for first, length, kind, _ in lane.spans:
            assert first >= ends[-1]
            ends.append(first + length)
            assert 0 <= kind < 2
        assert ends[-1] <= found.bins
    assert 1 <= sum(span[3] for lane in found.lanes for span in lane.spans) <= 12


def test_many_hosts_are_counted() -> None:
    found = after(*((0, 5, f"n{number}", "A") for number in range(100)), kept=10)
    assert (len(found.lanes), found.more_hosts) == (10, 90)


def test_progress_of_the_datasets_that_took_until_last() -> None:
    tally = LaneTally(0.0)
    for number in range(20):
        tally.accepted(float(number), f"D{number}", 50)
        tally.accepted(19.0, "late", 5)
    found = tally.summary(20.0, {**{f"D{number}": 50 for number in range(20)}, "late": 100, "": 1100})
    assert list(found.done)[:3] == ["", "late", "D19"]
    assert len(found.done) == 7
    assert found.done[""][-1] == 1.0
    assert found.done["late"][-1] == 1.0
    assert found.done["D19"][-8] == 0.0


def test_a_journal_fills_it() -> None:
    view = journals.view_of(journals.simple())
    assert sum(lane.attempts for lane in view.lanes.lanes) == view.tasks.ended
    assert sum(lane.failed for lane in view.lanes.lanes) == view.tasks.ended - view.tasks.useful
    for dataset, shares in view.lanes.done.items():
        done = next(one for one in (view.total, *view.datasets) if one.name == dataset)
        assert shares[-1] == pytest.approx(done.done / done.planned)


def test_many_datasets_take_turns() -> None:
    found = after(*((float(number), number + 1.0, "n1", f"D{number}") for number in range(100)))
    assert set(found.kinds) == {("processing", "")}
    seen = [span[2] for span in found.lanes[0].spans]
    assert all(one != other for one, other in itertools.pairwise(seen))
