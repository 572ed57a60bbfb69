"""Catalogs, batch systems and servers for the tests here: all real, all on loopback."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import condor
import nanoaod
import pytest
import running
import slurm

from wq_runner.workers import catalog
from wq_runner.workers.catalog import Address, PrivateCatalog

SUMS = ("-p", f"{running.ANALYSIS}:Sums", "--schema", "BaseSchema", "--chunksize", "10", "--task-time", "0")
ENTRIES = 80


def ports() -> tuple[str, str]:
    """Return the option for a port that no other test has used.

    The engine would take the first free one: that of a test which has just ended, whose workers may still
    look for it.
    """
    return ("--port", str(running.free_port()))


@dataclass
class Followed:
    """A command that runs beside the test; what it says goes to a file."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def says(self, text: str, patience: float = running.PATIENCE) -> str:
        """Wait until it says something, and return all that it said."""
        running.until(lambda: text in self.said or self.process.poll() is not None, text, patience)
        assert text in self.said, self.said
        return self.said

    def ends(self, patience: float = running.PATIENCE) -> int:
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end:\n{self.said}") from None

    def ends_well(self, patience: float = running.PATIENCE) -> str:
        assert self.ends(patience) == 0, self.said
        return self.said


class Follow(Protocol):
    def __call__(self, *command: object, **environ: str) -> AbstractContextManager[Followed]: ...


@pytest.fixture
def follow(tmp_path: Path) -> Follow:
    """Return what starts commands in the test's directory, and ends them with their block."""
    count = 0

    @contextlib.contextmanager
    def started(*command: object, **environ: str) -> Iterator[Followed]:
        nonlocal count
        count += 1
        name, *rest = map(str, command)
        log = tmp_path / f"said-{count}"
        path = running.program(name) if name.startswith("wq-") else name
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [path, *rest],
                cwd=tmp_path,
                env={**os.environ, **running.SETTINGS, "PYTHONUNBUFFERED": "1", **environ},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        try:
            yield Followed(process=process, log=log)
        finally:
            if process.poll() is None:
                # a run would wait for its tasks, and a worker that looks for a name does not listen
                if name in {"wq-run", "work_queue_worker"}:
                    process.kill()
                process.terminate()
                process.wait(40)

    return started


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Return a directory with one file of `ENTRIES` events: eight chunks."""
    nanoaod.write_simple(tmp_path / "data" / "a.root", ENTRIES)
    return tmp_path / "data"


def complete(directory: Path) -> None:
    """Check that a run's output has every event once."""
    assert running.output(directory)["entries"] == ENTRIES
    assert running.summary(directory)["complete"] is True


@pytest.fixture
def address(tmp_path: Path) -> Iterator[Address]:
    """Run a catalog, and return where it is."""
    private = PrivateCatalog(catalog.free_address(), log=tmp_path / "catalog.log")
    private.start()
    try:
        yield private.address
    finally:
        private.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a cluster in one process: each process would start one of its own."""
    conda = os.environ.get("CONDA_PREFIX")
    for item in items:
        if conda:
            item.add_marker(pytest.mark.skip("with Debian's packages: outside of conda"))
        if "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("slurm"))


@pytest.fixture(scope="session")
def one_slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[slurm.Slurm]:
    with slurm.cluster(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


@pytest.fixture
def cluster(one_slurm: slurm.Slurm, monkeypatch: pytest.MonkeyPatch) -> slurm.Slurm:
    """Return a Slurm without jobs, whose commands work here."""
    for name, value in one_slurm.environ.items():
        monkeypatch.setenv(name, value)
    running.until(lambda: not one_slurm.jobs(), "no jobs of other tests")
    return one_slurm


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[condor.Pool]:
    """Return an HTCondor of which only the commands are ours."""
    with condor.pool(tmp_path / "condor") as made:
        monkeypatch.setenv("PATH", f"{made.programs}:{os.environ['PATH']}")
        monkeypatch.setenv("WQ_TESTS_CONDOR", str(made.directory))
        yield made
