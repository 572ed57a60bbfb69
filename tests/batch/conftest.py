"""Catalogs, batch systems and servers for the tests here: all real, all on loopback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import condor
import nanoaod
import pytest
import running
from batch import following, slurm
from batch.following import ENTRIES, Follow

from wq_runner.workers import catalog
from wq_runner.workers.catalog import Address, PrivateCatalog


@pytest.fixture
def follow(tmp_path: Path) -> Follow:
    """Return what starts commands in the test's directory, and ends them with their block."""
    return following.in_directory(tmp_path)


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Return a directory with one file of `ENTRIES` events: eight chunks."""
    nanoaod.write_simple(tmp_path / "data" / "a.root", ENTRIES)
    return tmp_path / "data"


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
    for item in items if os.environ.get("CONDA_PREFIX") else ():
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.skip("with Debian's packages: outside of conda"))


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
