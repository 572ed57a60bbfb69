"""What `wq_runner.run` takes for samples, and what it keeps from run to run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wq_runner.config.options import RunOptions, defaulted
from wq_runner.engine.inline import InlineEngine
from wq_runner.environment import WorkerEnvironment
from wq_runner.errors import EngineError, UsageError
from wq_runner.execution.session import Session
from wq_runner.journal import Journal
from wq_runner.monitor.console import PlainConsole
from wq_runner.pipeline import call, engines
from wq_runner.pipeline.engines import Wanted
from wq_runner.system import RunPaths


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("a.cfg", ["a.cfg"]),
        (Path("a.cfg"), ["a.cfg"]),
        (["a.cfg", Path("b.root")], ["a.cfg", "b.root"]),
        ((Path(name) for name in ("a.root", "b.root")), ["a.root", "b.root"]),  # as of a glob
    ],
)
def test_one_or_several_names(given: Any, names: list[str]) -> None:
    assert call._names(given) == names


def test_a_fileset() -> None:
    [name] = call._names({"A": {"files": ["a.root"]}})
    assert json.loads(Path(name).read_text()) == {"A": {"files": ["a.root"]}}


def test_a_processor_is_none() -> None:
    with pytest.raises(UsageError, match="the samples are object: run\\(\\) takes the samples first"):
        call._names(object())  # type: ignore[arg-type]


def test_values_of_python_go_to_the_processor_as_they_are() -> None:
    given = {"syst": "False", "era": 2018}
    for form in (given, [given]):
        [found] = call._options({"processor_args": form}).processor_args
        assert (found, type(found)) == (given, dict)
    [found] = call._options({"processor_args": "syst=False"}).processor_args
    assert found == {"syst": False}


def test_numbers_mean_what_they_mean_elsewhere() -> None:
    found = call._options({"memory": 2000, "chunksize": 5000, "port": 9200, "task_time": 30, "workers": None})
    assert (found.memory, found.chunksize, found.port) == (2_000_000_000, 5000, (9200, 9200))
    with pytest.raises(UsageError, match="memory: 2 alone is not GB here but MB, which is too little"):
        call._options({"memory": 2})


def test_what_is_said_beside_test_counts() -> None:
    plain = defaulted(call._options({"test": True}), ("test",))
    assert (plain.executor, plain.limit_files, plain.limit_chunks) == ("iterative", 1, 1)
    said = {"test": True, "executor": "futures", "scaleout": 2, "limit_files": 3}
    found = defaulted(call._options(said), said)
    assert (found.executor, found.workers, found.limit_files) == ("futures", "2", 3)
    at = {"test": True, "executor": "work_queue@lpc", "scaleout": 2}
    assert defaulted(call._options(at), at).workers == "condor@lpc:2"


class Started(InlineEngine):
    """An engine that tells whether it runs, and fails at its start if it is told to."""

    def __init__(self, failing: bool) -> None:
        super().__init__()
        self.failing = failing
        self.runs = False

    def start(self) -> None:
        self.runs = True
        if self.failing:
            raise EngineError("it did not start")

    def close(self) -> None:
        self.runs = False


@pytest.fixture
def wanted(tmp_path: Path) -> Wanted:
    return Wanted(
        options=defaulted(RunOptions(executor="futures")),
        environment=WorkerEnvironment(command="", description="", reason=""),
        paths=RunPaths(root=tmp_path),
        journal=Journal(),
        console=PlainConsole(),
    )


def test_failed_starts_leave_nothing_that_nobody_reaches(
    wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Started] = []

    def make_session(_: Wanted) -> Session:
        made.append(Started(failing=len(made) < 3))
        return Session(engine=made[-1])

    monkeypatch.setattr(engines, "make_session", make_session)
    keeper = call.Keeper()
    for _ in range(3):
        with pytest.raises(EngineError):
            keeper.make_session(wanted)
    assert not any(engine.runs for engine in made)
    keeper.make_session(wanted)
    assert [engine.runs for engine in made] == [False, False, False, True]
    keeper.close()
    assert not made[-1].runs


def test_what_a_run_hooks_into_a_kept_session_ends_with_it(
    wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Session(engine=Started(failing=False))
    monkeypatch.setattr(engines, "make_session", lambda _: kept)
    keeper, own = call.Keeper(), kept.on_tick
    for _ in range(2):
        session = keeper.make_session(wanted)
        assert (session, session.on_tick) == (kept, own)
        session.on_tick = lambda: None
    keeper.close()
