"""What each kind of workers promises before one of them runs; a new one is asked by being registered.

What takes processes is in `tests/batch/test_workers_of_each_kind.py`.
"""

from __future__ import annotations

import importlib
import pkgutil
import stat
import sys
import tempfile
from pathlib import Path

import pytest
import workforce

import wq_runner.workers
from wq_runner.errors import EngineError
from wq_runner.workers import Workers, choice, sites
from wq_runner.workers.batch import SYSTEMS

METHODS = ("prepare", "start", "keep_alive", "stop", "describe")
PROGRAMS = ("work_queue_worker", "work_queue_factory", "catalog_server")


@pytest.fixture(params=workforce.KINDS)
def kind(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have a kind of workers, on a machine that has all programs, which nobody starts."""
    kind = str(request.param)
    if kind == sites.PYTHON:
        monkeypatch.syspath_prepend(workforce.install(tmp_path / "installed"))
    batch = SYSTEMS.get(kind)
    (tmp_path / "bin").mkdir()
    for name in (*PROGRAMS, *((batch.submit, batch.remove) if batch else ())):
        (tmp_path / "bin" / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return kind


@pytest.fixture
def workers(kind: str, tmp_path: Path) -> Workers:
    made = choice.choose(workforce.wish(kind), tmp_path / "workers").workers
    assert made is not None
    return made


def left(tmp_path: Path) -> list[Path]:
    """Return the files of workers; the lock that tells whose they are stays as long as this process."""
    places = (tmp_path / "tmp", tmp_path / "workers")
    return [path for place in places for path in place.rglob("*") if path.suffix != ".lock"]


def test_all_that_start_workers_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [
        f"wq_runner.workers.{one.name}"
        for one in pkgutil.iter_modules(wq_runner.workers.__path__)
        if not one.ispkg
    ]
    found = {
        value
        for name in names
        for value in vars(importlib.import_module(name)).values()
        if isinstance(value, type) and value is not Workers and all(hasattr(value, one) for one in METHODS)
    }
    monkeypatch.syspath_prepend(workforce.install(tmp_path / "installed"))
    (tmp_path / "bin").mkdir()
    for name in (*PROGRAMS, *(one for batch in SYSTEMS.values() for one in (batch.submit, batch.remove))):
        (tmp_path / "bin" / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    made = [choice.choose(workforce.wish(kind), tmp_path).workers for kind in workforce.KINDS]
    assert {type(one) for one in made} == found
    for one in made:
        assert one is not None
        one.stop()


def test_it_says_how_many_and_how_large(kind: str, workers: Workers) -> None:
    said = workers.describe()
    assert said.startswith(f"{workforce.COUNT} ")
    assert "1 core, 1.0 GB each" in said
    planned = choice.planned(workforce.wish(kind))
    assert planned.missing is None
    assert planned.text == said or kind == sites.PYTHON  # whose own words are those of what is started
    assert planned.text.startswith(f"{workforce.COUNT} ")
    workers.stop()


def test_the_password_is_there_before_the_queue_and_nobody_elses(workers: Workers) -> None:
    workers.prepare()
    text = workers.password_file.read_text()
    assert len(text) == 64
    assert stat.S_IMODE(workers.password_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(workers.password_file.parent.stat().st_mode) == 0o700
    workers.prepare()  # as a queue that is started again has the same
    assert workers.password_file.read_text() == text
    workers.stop()
    assert not workers.password_file.exists()


def test_what_was_not_started_is_stopped_and_leaves_nothing(workers: Workers, tmp_path: Path) -> None:
    workers.keep_alive()
    workers.stop()
    workers.prepare()
    workers.stop()
    workers.stop()
    assert not left(tmp_path)


def test_it_can_be_prepared_again_after_its_end(workers: Workers, tmp_path: Path) -> None:
    """As a notebook does after an interrupt."""
    for _ in range(2):
        workers.prepare()
        assert workers.password_file.exists()
        workers.stop()
    assert not left(tmp_path)


def refused(kind: str, place: Path) -> EngineError | None:
    """Return why no workers of a kind can be made."""
    try:
        made = choice.choose(workforce.wish(kind), place).workers
    except EngineError as error:
        return error
    assert made is not None
    made.stop()
    return None


def test_a_program_that_is_not_there_is_named_before_anything_is_made(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    for path in sorted((tmp_path / "bin").iterdir()):
        away = path.rename(tmp_path / path.name)
        error = refused(kind, tmp_path / "workers")
        missing = choice.planned(workforce.wish(kind)).missing
        if error is not None:
            assert error.message.startswith(f"{path.name} is not on PATH")
            assert error.hint
        # the catalog is no worker: it is looked for when one is made
        if path.name != "catalog_server":
            assert str(missing) == str(error)
        away.rename(path)
    assert not left(tmp_path)
