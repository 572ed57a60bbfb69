"""The process of the queue: it listens to its workers and to the manager, and costs nothing meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import nanoaod
import pytest
import running

from wq_runner.engine.messages import QueueSettings
from wq_runner.engine.work_queue import WorkQueueEngine
from wq_runner.remote import meter
from wq_runner.remote.bundle import write_bundle

IDLE = 2.0  # seconds


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[WorkQueueEngine]:
    engine = WorkQueueEngine(QueueSettings(payload=write_bundle(tmp_path), ports=(0, 0)))
    engine.start()
    yield engine
    engine.close()


def test_without_tasks_it_sleeps(engine: WorkQueueEngine) -> None:
    """The engine does not wait where it has no task, so that somebody else has to."""
    pid = engine.child_pid
    assert pid is not None
    before = meter.cpu_seconds(pid)
    end = time.monotonic() + IDLE
    while (left := end - time.monotonic()) > 0:
        engine.wait(left)
    assert meter.cpu_seconds(pid) - before < 0.2 * IDLE


def test_no_worker_waits_for_the_first_result(tmp_path: Path) -> None:
    """Two workers that come together begin together, although nothing is known yet."""
    for name in ("a", "b"):
        nanoaod.write_simple(tmp_path / "data" / f"{name}.root", 20)
    running.run_well(
        *("-p", f"{running.ANALYSIS}:Sums", "--schema", "BaseSchema", "--chunksize", 10),
        *("-w", "local:2", "-o", "out", "data"),
        cwd=tmp_path,
    )
    lines = (tmp_path / "out" / "transactions.log").read_text().splitlines()
    states = [line.split()[4] for line in lines if " TASK " in line]
    assert states[: states.index("WAITING_RETRIEVAL")].count("RUNNING") == 2
