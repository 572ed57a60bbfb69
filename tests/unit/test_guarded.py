"""Code of the user's in our process: whatever it raises, it is its own failure, with only its lines."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wq_runner import guarded
from wq_runner.code.processor import load_processor, load_schema
from wq_runner.code.task_function import write_function
from wq_runner.config.options import RunOptions, defaulted
from wq_runner.config.resolved import resolve
from wq_runner.engine import answer
from wq_runner.errors import ProcessorError, UsageError
from wq_runner.executors import custom
from wq_runner.ledger import ledger
from wq_runner.remote.pinned import Code
from wq_runner.system import RunPaths
from wq_runner.workers import sites
from wq_runner.workers.batch.job import Job
from wq_runner.workers.provided import ProvidedWorkers

RAISES = {
    "an error of the system": "open('/nowhere/weights.json')",
    "the end of Python": "raise SystemExit('no weights.json for this era')",
    "no memory": "raise MemoryError('weights.json')",
    "arguments of its own": "len(3, 'weights.json')",
}

WHOLE = """
from coffea.processor import ProcessorABC

class Base(ProcessorABC):
    def process(self, events): return {}
    def postprocess(self, accumulator): pass
"""


def in_import(directory: Path, what: str) -> None:
    (directory / "imported_one.py").write_text(what)
    load_processor(f"{directory}/imported_one.py:Base", {})


def in_attribute(directory: Path, what: str) -> None:
    (directory / "lazy_one.py").write_text(f"def __getattr__(name):\n    if name[0] != '_': {what}")
    load_processor(f"{directory}/lazy_one.py:Base", {})


def in_init(directory: Path, what: str) -> None:
    (directory / "built_one.py").write_text(f"{WHOLE}    def __init__(self): {what}")
    load_processor(f"{directory}/built_one.py:Base", {})


def in_schema(directory: Path, what: str) -> None:
    (directory / "schema_one.py").write_text(what)
    load_schema("schema_one:Mine")


class Fails:
    """Does something wherever it is called."""

    def __init__(self, what: str) -> None:
        self.what = what

    def act(self, *_: Any, **__: Any) -> Any:
        exec(self.what)

    start = scale = describe = close = get = act


class Unsendable(Fails):
    def __reduce_ex__(self, protocol: Any) -> Any:
        self.act()


class Lost(Fails):
    def __setstate__(self, state: Any) -> None:
        exec(state["what"])


def in_pickling(directory: Path, what: str) -> None:
    write_function(Unsendable(what).act, directory, Code())


def in_unpickling(directory: Path, what: str) -> None:
    ledger.write_sum(directory / "sum", {"out": Lost(what)})
    answer.read_result(directory / "sum")


def in_setup(directory: Path, what: str) -> None:
    in_factory(directory, f"def get_executor_factory(name, **_):\n    {what}")


def in_setup_file(directory: Path, what: str) -> None:
    in_factory(directory, what)


def in_factory(directory: Path, text: str) -> None:
    (directory / "mine.py").write_text(text)
    options = defaulted(RunOptions(executor="mine", executor_custom_setup=directory / "mine.py"))
    custom.make_factory(resolve(options).executor, RunPaths(root=directory))


def in_executor(_: Path, what: str) -> None:
    custom.make_engine(Fails(what))


def in_site(directory: Path, what: str) -> None:
    workers = ProvidedWorkers("mine", Fails(what), Job(count=1), directory=directory)
    workers.prepare()
    try:
        workers.start(9123)
    finally:
        workers.stop()  # which says that close() failed, and raises nothing


PLACES: list[Callable[[Path, str], None]] = [
    in_import,
    in_attribute,
    in_init,
    in_schema,
    in_pickling,
    in_unpickling,
    in_setup,
    in_setup_file,
    in_executor,
    in_site,
]


CASES = [
    pytest.param(place, what, id=f"{place.__name__}: {name}")
    for place in PLACES
    for name, what in RAISES.items()
    # there it is this machine that has no memory
    if place is not in_unpickling or "MemoryError" not in what
]


@pytest.mark.parametrize(("place", "what"), CASES)
def test_its_failures_are_its_own(
    place: Callable[[Path, str], None], what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [str(tmp_path), *sys.path])
    with pytest.raises(ProcessorError) as caught:
        place(tmp_path, what)
    text = str(caught.value)
    assert caught.value.exit_code == 6
    assert "weights.json" in text or "takes exactly one argument" in text
    assert "wq_runner/" not in text
    assert "importlib" not in text


def test_what_does_not_fit_a_call_is_no_failure_of_what_is_called(tmp_path: Path) -> None:
    (tmp_path / "called_one.py").write_text(f"{WHOLE}    def __init__(self, era): pass")
    with pytest.raises(UsageError, match=r"cannot be built with {}"):
        load_processor(f"{tmp_path}/called_one.py:Base", {})


@pytest.mark.parametrize("name", ["NanoEventsFactory", "json:JSONDecoder", "os:path", "json:loads"])
def test_a_schema_that_is_none(name: str) -> None:
    with pytest.raises(UsageError, match="not a schema") as caught:
        load_schema(name)
    assert "BaseSchema" in caught.value.hint


def test_an_interrupt_is_nobodys_failure() -> None:
    with pytest.raises(KeyboardInterrupt), guarded.code("it failed"):
        raise KeyboardInterrupt


def test_a_plug_in_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    point = importlib.metadata.EntryPoint("farm", "no_such_module:site", sites.GROUP)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [point])
    with pytest.raises(UsageError, match="the entry point no_such_module:site"):
        sites.known()
