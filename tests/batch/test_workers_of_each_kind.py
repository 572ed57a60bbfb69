"""What each kind of workers promises while they run, and leaves: one more is asked by being registered.

What needs no process is in `tests/unit/workers/test_each_kind.py`.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterator, Sized
from dataclasses import dataclass
from pathlib import Path

import pytest
import running
import workforce

from wq_runner.engine.messages import QueueSettings
from wq_runner.engine.protocol import EngineStatus
from wq_runner.remote.bundle import write_bundle
from wq_runner.scheduler.session import Session, work_queue_engine
from wq_runner.workers import Workers, sites
from wq_runner.workers.batch import SYSTEMS
from wq_runner.workers.choice import choose

CLUSTERS = {"condor": "pool", "slurm": "cluster"}
"""The fixture of each batch system, whose `jobs` are those that wait or run."""


def no_jobs() -> Sized:
    return ()


@dataclass
class Bench:
    """A session whose workers are of one kind, the mark of their processes, and what tells of their jobs."""

    session: Session
    workers: Workers
    place: Path
    mark: str
    jobs: Callable[[], Sized]

    def here(self) -> EngineStatus | None:
        """Return the status once all have come, and said what they have."""
        self.session._tick()
        self.session.engine.wait(0.2)
        status = self.session.engine.status
        return status if status.workers == status.cores == workforce.COUNT else None


def test_each_batch_system_has_a_cluster() -> None:
    assert CLUSTERS.keys() == SYSTEMS.keys()


@pytest.fixture(params=workforce.KINDS)
def bench(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    kind, jobs = str(request.param), no_jobs
    if kind in CLUSTERS:
        jobs = request.getfixturevalue(CLUSTERS[kind]).jobs
    if kind == sites.PYTHON:
        monkeypatch.syspath_prepend(workforce.install(tmp_path / "installed"))
    mark = uuid.uuid4().hex
    monkeypatch.setenv(running.MARK, mark)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    made = choose(workforce.wish(kind), tmp_path / "workers")
    assert made.workers is not None
    settings = QueueSettings(
        payload=write_bundle(tmp_path), ports=(9123, 32767), name=made.name, catalog=made.catalog
    )
    engine = work_queue_engine(settings, made.workers, log=tmp_path / "queue.log")
    session = Session(engine=engine, workers=made.workers, catalog=made.private)
    yield Bench(session, made.workers, tmp_path, mark, jobs)
    session.close()


def test_they_come_as_announced_and_leave_nothing(bench: Bench) -> None:
    for _ in range(2):  # a notebook closes a session, and starts it again
        bench.session.start()
        status = running.until(bench.here, "all workers")
        assert status.workers_joined == workforce.COUNT
        assert status.cores_used == 0
        assert running.workers(bench.mark)
        secret = bench.workers.password_file.read_bytes()
        bench.session.close()
        running.until(lambda: not bench.jobs(), "no job is left")
        running.until(lambda: not running.marked(bench.mark), "no process is left")
        files = [path for path in bench.place.rglob("*") if path.is_file()]
        assert not [path for path in files if secret in path.read_bytes()], "the password"
        assert not [path for path in (bench.place / "tmp").iterdir() if path.suffix != ".lock"]
