"""The model of the manager's costs: found again in what it explains, and a simulation agrees with it."""

from __future__ import annotations

import nanoaod
import pytest

scaling = nanoaod.load(nanoaod.ROOT / "benchmarks" / "scaling.py")
COSTS = scaling.Costs(task=0.002, byte=3e-9, worker=0.0005)


def test_costs_are_found_again() -> None:
    points = [
        scaling.Point(
            workers=workers, rate=rate, size=size, cores=rate * COSTS.service(size) + COSTS.worker * workers
        )
        for workers, rate, size in ((10, 50, 1e4), (50, 90, 1e4), (10, 20, 2e6), (400, 5, 1e6))
    ]
    found = scaling.fit(points)
    for name in ("task", "byte", "worker"):
        assert getattr(found, name) == pytest.approx(getattr(COSTS, name), rel=1e-6)


def test_the_simulation_of_10000_cores_agrees() -> None:
    for row in scaling.check(COSTS):
        assert row["simulation"] == pytest.approx(row["model"], rel=0.03), row


def test_more_cores_than_the_manager_can_feed_are_not_busy() -> None:
    most = COSTS.most(60, 1e6)
    assert COSTS.busy(most, 60, 1e6) == pytest.approx(0.9 * most, rel=0.02)
    assert COSTS.busy(2 * most, 60, 1e6) < 0.6 * 2 * most
    assert COSTS.most(300, 1e6) > most > COSTS.most(60, 1e7)
