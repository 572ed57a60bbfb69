"""The process of the queue: it listens to its workers and to the manager, and costs nothing meanwhile."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import journals
import nanoaod
import pytest
import running

from wq_runner import journal
from wq_runner.engine.idling import MOST_LATE, Idleness
from wq_runner.engine.messages import QueueSettings
from wq_runner.engine.protocol import EngineStatus
from wq_runner.engine.queue_process import refilled
from wq_runner.engine.work_queue import WorkQueueEngine
from wq_runner.model import Category, Ending, Outcome, Resources, Task
from wq_runner.remote import meter
from wq_runner.remote.bundle import write_bundle
from wq_runner.run_events import TaskEnded
from wq_runner.workers.local import LEAST_DISK, LocalSpec, LocalWorkers

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


def test_after_a_pause_a_task_goes_out_at_once(tmp_path: Path) -> None:
    """As in a notebook, whose reader thinks for a while, at whatever moment of a second he ends."""
    workers = LocalWorkers(LocalSpec(count=1, memory=500_000_000, disk=LEAST_DISK), logs=tmp_path)
    settings = QueueSettings(
        payload=write_bundle(tmp_path),
        ports=(0, 0),
        here=True,
        password_file=workers.password_file,
        command="/bin/true",
    )
    engine = WorkQueueEngine(settings, child_log=tmp_path / "log")
    (tmp_path / "function").touch()

    def took(number: int) -> float:
        """Return the seconds until a task began on its worker, which says nothing else."""
        task = Task(
            id=number,
            category=Category.PROCESSING,
            function=tmp_path / "function",
            items="",
            result=tmp_path / f"result-{number}",
            resources=Resources(cores=1, memory=100, disk=10),
        )
        submitted = time.time()
        engine.submit(task)
        (outcome,) = running.until(lambda: engine.wait(1), "the task to end")
        return outcome.started - submitted

    try:
        workers.prepare()
        engine.start()
        workers.start(engine.port)
        took(0)
        times = []
        for number in range(1, 6):
            pause = time.monotonic() + 1.3
            while (left := pause - time.monotonic()) > 0:
                engine.wait(left)
            times.append(took(number))
    finally:
        workers.stop()
        engine.close()
    assert sorted(times)[2] < 0.2, times


@pytest.mark.parametrize(
    ("prompt", "now", "knocks", "speaks", "expected"),
    [
        pytest.param(True, 5.0, False, True, True, id="a prompt release need not wait"),
        pytest.param(False, 5.98, False, False, True, id="the second is nearly over"),
        pytest.param(False, 5.0, True, False, True, id="a worker knocks"),
        pytest.param(False, 5.0, False, True, False, id="the manager has said something"),
        pytest.param(False, 5.0, True, True, False, id="the manager first"),
    ],
)
def test_when_the_engine_looks_after_its_workers(
    prompt: bool, now: float, knocks: bool, speaks: bool, expected: bool
) -> None:
    door, worker = socket.socketpair()
    connection, manager = socket.socketpair()
    with door, worker, connection, manager:
        for one, says in ((worker, knocks), (manager, speaks)):
            if says:
                one.send(b"x")
        idleness = Idleness(door.fileno(), connection.fileno(), prompt=prompt, clock=lambda: now)
        assert idleness.rest() is expected


def test_who_comes_late_for_a_second_waits_for_the_next() -> None:
    """The engine would be asleep for all of the second that has begun."""
    door, worker = socket.socketpair()
    connection, manager = socket.socketpair()
    with door, worker, connection, manager:
        times = itertools.chain(itertools.chain(*[(5.98, 6.01)] * (MOST_LATE + 1)), [6.98, 6.99])
        idleness = Idleness(door.fileno(), connection.fileno(), prompt=False, clock=lambda: next(times))
        assert [idleness.rest() for _ in range(MOST_LATE)] == [False] * MOST_LATE
        assert idleness.rest()  # workers are looked after at last
        assert idleness.rest()


def test_no_worker_waits_for_the_first_result(tmp_path: Path) -> None:
    """Two workers are at work together, although nothing is known yet: the first chunk waits for a second."""
    for name in ("a", "b"):
        nanoaod.write_simple(tmp_path / "data" / f"{name}.root", 20)
    begun = tmp_path / "begun"
    begun.mkdir()
    running.run_well(
        *("-p", f"{running.ANALYSIS}:Meeting", "--processor-args", f"place={begun}"),
        *("--schema", "BaseSchema", "--chunksize", 10, "-w", "local:2", "-o", "out", "data"),
        cwd=tmp_path,
    )
    lines = (tmp_path / "out" / "transactions.log").read_text().splitlines()
    states = [line.split()[4] for line in lines if " TASK " in line]
    assert states[: states.index("WAITING_RETRIEVAL")].count("RUNNING") == 2


def test_what_is_said_to_be_busy_is_what_was_busy(tmp_path: Path) -> None:
    """The place of a task that came back is empty for a moment, which is not the state until the next."""
    nanoaod.write_simple(tmp_path / "a.root", 400)
    running.run_well(
        *(
            "-p",
            f"{running.ANALYSIS.with_name('troubles.py')}:Slow",
            "--processor-args",
            "seconds=50",
            "--schema",
            "BaseSchema",
        ),
        *("--chunksize", 10, "--task-time", 0.001, "-w", "local:2", "-o", "out", "a.root"),
        cwd=tmp_path,
    )
    events = running.events_of(tmp_path / "out")
    tasks = [one for one in events if isinstance(one, TaskEnded) and one.category == "processing"]
    held = sum(one.finished - one.started for one in tasks)
    cores = journals.view_of(journal.read(tmp_path / "out" / "journal.jsonl")).series
    said = sum(cores.gauges["cores_used"]) * cores.width
    assert len(tasks) == 40
    assert said == pytest.approx(held, rel=0.2)


def ended(ending: Ending = Ending.RETURNED, **allocated: float) -> Outcome:
    return Outcome(task_id=1, ending=ending, allocated=Resources(**allocated))


@pytest.mark.parametrize(
    ("outcomes", "waiting", "expected"),
    [
        ([], 5, (1, 1, 1e6, 5, 1)),
        ([ended(cores=1, memory=2)], 5, (2, 2, 1e6 + 2 * 2**20, 4, 2)),
        ([ended(cores=1, memory=2)], 0, (1, 1, 1e6, 0, 1)),
        ([ended(cores=2), ended(cores=1)], 1, (2, 3, 1e6, 0, 2)),
        ([ended(cores=9, memory=9e9)], 1, (2, 4, 1e9, 0, 2)),
        ([ended(Ending.LOST, cores=1)], 5, (1, 1, 1e6, 5, 1)),
    ],
)
def test_a_task_that_waits_takes_the_place_of_one_that_came_back(
    outcomes: list[Outcome], waiting: int, expected: tuple[float, ...]
) -> None:
    status = EngineStatus(
        workers=2, cores=4, memory=1e9, workers_busy=1, cores_used=1, memory_used=1e6,
        tasks_waiting=waiting, tasks_running=1,
    )  # fmt: skip
    found = refilled(status, outcomes)
    assert expected == (
        found.workers_busy,
        found.cores_used,
        found.memory_used,
        found.tasks_waiting,
        found.tasks_running,
    )


def test_after_it_was_closed_it_takes_another_port_if_its_own_is_taken(tmp_path: Path) -> None:
    low = (
        running.free_port()
    )  # not the first of all, which a test beside this one takes as soon as it is free
    engine = WorkQueueEngine(QueueSettings(payload=write_bundle(tmp_path), ports=(low, low + 60)))
    try:
        engine.start()
        before = engine.port
        engine.close()
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("", before))
            other.listen()
            engine.start()
            assert engine.port != before
        own = engine.port
        engine.close()
        engine.start()  # where workers look for it
        assert engine.port == own
    finally:
        engine.close()
