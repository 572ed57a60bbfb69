"""The pool of processes: what there is of it when it is closed."""

from __future__ import annotations

import threading
from pathlib import Path

from wq_runner.engine.pool import PoolEngine
from wq_runner.model import Category, Task


def test_no_thread_is_left_to_race_with_the_end_of_the_interpreter(tmp_path: Path) -> None:
    """One that is still removing semaphores then has loky's tracker say that they leaked."""
    before = set(threading.enumerate())
    engine = PoolEngine(2)
    engine.start()
    for number in range(4):
        engine.submit(
            Task(
                id=number,
                category=Category.PROCESSING,
                items="[]",
                function=tmp_path / "missing",
                result=tmp_path / f"{number}",
            )
        )
    assert set(threading.enumerate()) > before
    engine.close()
    assert set(threading.enumerate()) == before
