"""Processes that are killed in mid-run: workers, the queue's, and wq-run itself."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import random
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import nanoaod
import pytest
import running

ENTRIES = 60
MOMENTS = int(os.environ.get("WQ_TESTS_MOMENTS", "1"))
"""How often the queue is lost at a moment that nobody chose: killed, and every second time stopped."""


class Gated:
    """A run whose first chunks are done at once, and whose others wait for the gate to open."""

    def __init__(self, process: subprocess.Popen[str], directory: Path, mark: str) -> None:
        self.process = process
        self.out = directory / "out"
        self.gate = directory / "gate"
        self.mark = mark

    def await_work(self) -> None:
        """Wait until something is in the result, and the tasks that wait at the gate are running."""
        running.until(lambda: self.alive() and running.accepted(self.out) >= 1, "a first result")
        running.until(lambda: self.alive() and self.tasks(), "tasks that wait at the gate")

    def alive(self) -> bool:
        assert self.process.poll() is None, self.process.communicate()
        return True

    def tasks(self) -> list[str]:
        return running.tasks(self.mark)

    def finish(self) -> running.Ended:
        self.gate.touch()
        ended = running.finish(self.process)
        assert ended.code == 0, ended.out + ended.err
        found = running.output(self.out)
        assert found["entries"] == 2 * ENTRIES
        assert found["sum"] == ENTRIES * (ENTRIES - 1)
        assert found["chunks"] == 12
        return ended


@contextlib.contextmanager
def gated(directory: Path, *more: object) -> Iterator[Gated]:
    for name in ("a", "b"):
        nanoaod.write_simple(directory / "data" / f"{name}.root", ENTRIES)
    mark = uuid.uuid4().hex
    options = ("-p", f"{running.ANALYSIS}:Gated", "--processor-args", f"gate={directory / 'gate'}")
    cut = ("--schema", "BaseSchema", "--chunksize", 10, "--task-time", 0, "-o", "out", *more)
    with running.running(*options, *cut, "data", cwd=directory, **{running.MARK: mark}) as process:
        yield Gated(process, directory, mark)
    running.until(lambda: not running.marked(mark), "no process of the run is left", patience=20)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Gated]:
    with gated(tmp_path, "-w", "local:2") as run:
        yield run


def test_a_worker_is_killed(run: Gated) -> None:
    run.await_work()
    first, *_ = running.workers(run.mark)
    running.kill(first)
    running.until(lambda: len(set(running.workers(run.mark)) - {first}) == 2, "another worker instead")
    run.finish()


def test_the_queue_is_killed_twice(run: Gated) -> None:
    def restarts() -> int:
        return max(getattr(event, "restarts", 0) for event in running.events_of(run.out))

    def goes_on(wanted: int) -> None:
        running.until(lambda: run.alive() and restarts() == wanted, "another queue instead")

    for number in range(2):
        run.await_work()
        (queue,) = running.until(lambda: running.queues(run.mark))
        running.kill(queue)
        goes_on(number + 1)
    ended = run.finish()
    assert ended.out.count("complete ") == 1


def test_the_queue_hangs(run: Gated) -> None:
    """As one that waits for a peer which connected and says nothing."""
    run.await_work()
    (queue,) = running.until(lambda: running.queues(run.mark))
    os.kill(queue, signal.SIGSTOP)
    running.until(lambda: run.alive() and running.queues(run.mark) not in ([], [queue]), "another queue")
    ended = run.finish()
    assert "the queue's process did nothing for 20 s" in ended.out + ended.err


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_the_queue_is_lost_before_it_listens(tmp_path: Path, number: signal.Signals) -> None:
    with gated(tmp_path, "-w", "local:2") as run:
        (queue,) = running.until(lambda: running.queues(run.mark))
        os.kill(queue, number)
        run.await_work()
        run.finish()


def none_is_left(mark: str) -> None:
    running.until(lambda: not running.marked(mark), "no process is left", patience=20)


def test_the_queue_is_lost_at_any_moment(tmp_path: Path) -> None:
    """From the start of its process to the end of the run: it ends by itself, with all that is in it once."""
    dice = random.Random()
    for name in ("a", "b"):
        nanoaod.write_simple(tmp_path / "data" / f"{name}.root", ENTRIES)
    slow = ("-p", f"{running.ANALYSIS.with_name('troubles.py')}:Slow", "--processor-args", "seconds=20")
    for number in range(MOMENTS):
        kind, moment = (signal.SIGSTOP if number % 2 else signal.SIGKILL), dice.uniform(0, 5)
        mark, out = uuid.uuid4().hex, f"out-{number}"
        options = (*slow, "--schema", "BaseSchema", "-c", 10, "--task-time", 0, "-w", "local:2", "-o", out)
        with running.running(*options, "data", cwd=tmp_path, **{running.MARK: mark}) as process:
            (queue,) = running.until(functools.partial(running.queues, mark))
            time.sleep(moment)
            with contextlib.suppress(ProcessLookupError):  # the run has ended
                os.kill(queue, kind)
            ended = running.finish(process)
        text = (
            f"{kind.name} after {moment:.2f} s: {ended.code} in {ended.seconds:.1f} s\n{ended.out}{ended.err}"
        )
        print(text)
        assert ended.code == 0, text
        found = running.output(tmp_path / out)
        assert (found["entries"], found["sum"]) == (2 * ENTRIES, ENTRIES * (ENTRIES - 1)), text
        none_is_left(mark)


def test_wq_run_is_killed(run: Gated) -> None:
    run.await_work()
    assert len(running.workers(run.mark)) == 2
    running.kill(run.process.pid)
    run.process.wait()
    began = time.monotonic()
    running.until(lambda: not running.workers(run.mark), "no worker is left", patience=15)
    running.until(lambda: not running.queues(run.mark), "no queue is left", patience=15)
    assert time.monotonic() - began < 15


def test_the_parent_responds_while_the_queue_waits(tmp_path: Path) -> None:
    """The queue holds its interpreter's lock for a second at a time; ours goes on all the while."""
    from wq_runner.engine.messages import QueueSettings
    from wq_runner.engine.work_queue import WorkQueueEngine

    engine = WorkQueueEngine(QueueSettings(payload=tmp_path, ports=(0, 0)))
    beats: list[float] = []
    done = threading.Event()

    def beat() -> None:
        while not done.wait(0.02):
            beats.append(time.monotonic())

    try:
        engine.start()
        beating = threading.Thread(target=beat)
        beating.start()
        end = time.monotonic() + 3.0
        while time.monotonic() < end:
            assert engine.wait(1.0) == []
        done.set()
        beating.join()
    finally:
        done.set()
        engine.close()
    longest = max(later - sooner for sooner, later in itertools.pairwise(beats))
    assert len(beats) > 50
    assert longest < 0.9  # a wait of the queue is a whole second
