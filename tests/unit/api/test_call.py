"""What `wq_runner.run` takes for samples, and what it keeps from run to run."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import inspect
import json
import re
import runpy
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nanoaod
import pytest
from coffea.processor import ProcessorABC

import wq_runner
from wq_runner.api import call, given
from wq_runner.api.keeper import Keeper
from wq_runner.config.options import RunOptions, defaulted
from wq_runner.config.resolved import resolve
from wq_runner.engine.inline import InlineEngine
from wq_runner.environment import WorkerEnvironment
from wq_runner.errors import EngineError, UsageError
from wq_runner.executors import sessions
from wq_runner.executors.sessions import Wanted
from wq_runner.journal import Journal
from wq_runner.monitor.console import PlainConsole
from wq_runner.scheduler.session import Session
from wq_runner.system import RunPaths


@pytest.mark.parametrize(
    ("samples", "names"),
    [
        ("a.cfg", ["a.cfg"]),
        (Path("a.cfg"), ["a.cfg"]),
        (["a.cfg", Path("b.root")], ["a.cfg", "b.root"]),
        ((Path(name) for name in ("a.root", "b.root")), ["a.root", "b.root"]),  # as of a glob
    ],
)
def test_one_or_several_names(samples: Any, names: list[str]) -> None:
    assert given.sample_names(samples) == names


def test_a_fileset() -> None:
    [name] = given.sample_names({"A": {"files": ["a.root"]}})
    assert json.loads(Path(name).read_text()) == {"A": {"files": ["a.root"]}}


def test_a_processor_is_none() -> None:
    with pytest.raises(UsageError, match="the samples are object: run\\(\\) takes the samples first"):
        given.sample_names(object())


def test_values_of_python_go_to_the_processor_as_they_are() -> None:
    values = {"syst": "False", "era": 2018}
    for form in (values, [values]):
        [found] = given.options_of({"processor_args": form}).processor_args
        assert (found, type(found)) == (values, dict)
    [found] = given.options_of({"processor_args": "syst=False"}).processor_args
    assert found == {"syst": False}


def test_numbers_mean_what_they_mean_elsewhere() -> None:
    found = given.options_of(
        {"memory": 2000, "chunksize": 5000, "port": 9200, "task_time": 30, "workers": None}
    )
    assert (found.memory, found.chunksize, found.port) == (2000 * 2**20, 5000, (9200, 9200))
    with pytest.raises(UsageError, match="memory: 2 alone is not GB here but MB, which is too little"):
        given.options_of({"memory": 2})


def test_what_is_said_beside_test_counts() -> None:
    plain = defaulted(given.options_of({"test": True}), ("test",))
    assert (plain.executor, plain.limit_files, plain.limit_chunks) == ("iterative", 1, 1)
    said = {"test": True, "executor": "futures", "scaleout": 2, "limit_files": 3}
    found = defaulted(given.options_of(said), said)
    assert (found.executor, found.workers, found.limit_files) == ("futures", "2", 3)
    at = {"test": True, "executor": "work_queue@lpc", "scaleout": 2}
    assert defaulted(given.options_of(at), at).workers == "condor@lpc:2"


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
        settings=resolve(defaulted(RunOptions(executor="futures"))),
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

    monkeypatch.setattr(sessions, "make_session", make_session)
    keeper = Keeper()
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
    monkeypatch.setattr(sessions, "make_session", lambda _: kept)
    keeper, own = Keeper(), kept.on_tick
    for _ in range(2):
        session = keeper.make_session(wanted)
        assert (session.engine, session.on_tick) == (kept.engine, own)
        dataclasses.replace(session, on_tick=lambda: None)
    keeper.close()


def test_the_call_has_a_signature_of_all_options() -> None:
    parameters = inspect.signature(wq_runner.run).parameters
    options = {one.name for one in dataclasses.fields(RunOptions)}
    assert set(parameters) == {"samples", *options}
    assert parameters["chunksize"].default == RunOptions.chunksize
    assert parameters["workers"].annotation == "int | str | None"
    text = wq_runner.run.__doc__ or ""
    headings = re.findall(r"^([A-Z][A-Za-z ]+)\n-+$", text, re.MULTILINE)
    assert headings == ["Parameters", "Returns", "Other Parameters", "Raises"]
    assert all(f"\n{name}\n    " in text for name in options)


def test_the_keywords_that_editors_read_are_made_of_the_options() -> None:
    maker = runpy.run_path(str(nanoaod.ROOT / "docs" / "_ext" / "keywords.py"))
    assert maker["PLACE"].read_text() == maker["text"](), "make docs writes it anew"


def test_what_there_is_can_be_completed() -> None:
    assert {"run", "close", "Result", "WorkQueueExecutor", "__version__"} <= set(dir(wq_runner))
    assert wq_runner.__version__ == importlib.metadata.version("wq-runner")


@pytest.mark.parametrize(
    ("options", "workers"),
    [
        ({"workers": 2}, "local:2"),
        ({"workers": "2x4"}, "local:2x4"),
        ({"workers": "slurm:20"}, "slurm:20"),
        ({"workers": 2, "executor": "futures"}, "2"),
        ({"workers": "20x4", "executor": "work_queue@lpc"}, "20x4"),
    ],
)
def test_workers_of_python(options: dict[str, Any], workers: str) -> None:
    assert given.options_of(options).workers == workers


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"worker": 2}, "run() has no option worker. Did you mean workers?"),
        ({"workers": 2.5}, "workers: 2.5 is not understood"),
        ({"memory": "2XB"}, "memory: '2XB' is not a size such as 2GB"),
        ({"catalog": 5}, "catalog: 5 is not understood"),
        ({"only": "No*"}, "--only No*: no dataset of this name"),
    ],
)
def test_a_mistake_in_python_is_its_message_and_not_our_lines(
    here: Path, make_root: Callable[..., Path], options: dict[str, Any], said: str
) -> None:
    make_root("a.root")
    with pytest.raises(UsageError) as caught:
        wq_runner.run("a.root", executor="iterative", **options)
    error = caught.value
    assert error.message.startswith(said)
    assert error.__cause__ is None
    frames = traceback.extract_tb(error.__traceback__)
    assert [Path(one.filename).name for one in frames] == ["test_call.py", "call.py"]
    assert error._render_traceback_() == [f"{type(error).__name__}: {error}"]


class Own(ProcessorABC):
    """A processor that counts events."""

    def __init__(self, factor: int = 1) -> None:
        self.factor = factor

    def process(self, events: Any) -> Any:
        return {"events": self.factor * len(events)}

    def postprocess(self, accumulator: Any) -> Any:
        return accumulator


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (None, "the samples are NoneType: run() takes the samples first"),
        (b"a.root", "the samples are bytes: run() takes the samples first"),
        (Own(), "the samples are Own: run() takes the samples first"),
        ([], "the samples are empty"),
        (iter(()), "the samples are empty"),
        ([1, 2], "the samples hold 1, which is no name of a file"),
        ([Own()], "the samples hold <"),
        ({}, "the fileset has a problem\n  the fileset   expected a sample"),
        ({"DY": 5}, "the fileset has a problem\n  the fileset   no samples"),
    ],
)
def test_samples_that_are_none(here: Path, samples: Any, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        wq_runner.run(samples, Own(), executor="iterative")
    assert caught.value.message.startswith(said)
    assert "/tmp" not in str(caught.value)
    assert not list(here.iterdir())


@pytest.mark.parametrize(
    ("processor", "said"),
    [
        (5, "this is an int, not a processor"),
        ({"a": 1}, "this is an int, not a processor"),
        (call, "this is a module, not a processor"),
        ([Own()], "this is a list, not a processor"),
    ],
)
def test_processors_that_are_none(
    here: Path, make_root: Callable[..., Path], processor: Any, said: str
) -> None:
    make_root("a.root")
    with pytest.raises(UsageError) as caught:
        wq_runner.run("a.root", processor, executor="iterative")
    assert caught.value.message == said
    assert "ProcessorABC" in caught.value.hint
    assert [one.name for one in here.iterdir()] == ["a.root"]  # nothing was begun


def test_several_processors_are_named_and_built() -> None:
    chosen = given.options_of(
        {"processor": given.processor_option({"a": Own, "b": "x.py:B"}), "processor_args": {"a.factor": 3}}
    )
    assert chosen.processor == f"a={Own.__module__}:Own,b=x.py:B"
    built = given.built({"a": Own, "b": Own(factor=5)}, given.options_of({"processor_args": {"a.factor": 3}}))
    assert [built.named(name).factor for name in ("a", "b")] == [3, 5]
    with pytest.raises(UsageError, match="'a b'"):
        given.processor_option({"a b": Own})
    with pytest.raises(UsageError, match="for a processor called c"):
        given.built({"a": Own}, given.options_of({"processor_args": {"c.factor": 3}}))


def test_a_class_is_built_with_its_arguments() -> None:
    chosen = given.options_of({"processor_args": {"factor": 3}})
    assert given.built(Own, chosen).factor == 3
    assert given.built(Own, RunOptions()).factor == 1
    with pytest.raises(UsageError, match=r"Own cannot be built with .'times': 2"):
        given.built(Own, given.options_of({"processor_args": {"times": 2}}))
    built = Own()
    assert given.built(built, RunOptions()) is built
    with pytest.raises(UsageError, match="the processor is built already"):
        given.built(built, chosen)


@pytest.mark.parametrize(
    ("processor", "name"),
    [("mine:Own", "Own"), ("mine.py:Own", "Own"), ("", "samples"), ("m:f.<locals>.g", None)],
)
def test_a_fileset_is_called_after_the_processor(processor: str, name: str | None) -> None:
    [path] = given.sample_names({"A": {"files": ["a.root"]}}, processor)
    assert Path(path).parent.is_dir()
    assert name is None or Path(path).name == f"{name}.json"
