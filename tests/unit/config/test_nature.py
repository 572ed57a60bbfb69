"""What each option is, as it is declared: every one decides all of it, wherever its value comes from."""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from wq_runner.cli import run as command
from wq_runner.config import commands, nature, resolved
from wq_runner.config.commands import Typed
from wq_runner.config.executors import EXECUTORS
from wq_runner.config.nature import Dropped, Nature, Place
from wq_runner.config.options import NATURES, RunOptions, named
from wq_runner.config.settings import ExecutorSettings
from wq_runner.executors import backends
from wq_runner.ledger.items import Item
from wq_runner.model import Dataset, InputFile
from wq_runner.results import comparison
from wq_runner.steps import reproduce

FILES = {
    "processor": "analysis.py:Analysis",
    "executor": "parsl@config.py",
    "executor_custom_setup": "setup.py",
    "password_file": "secret",
    "proxy": "proxy.pem",
    "environment": "environment.yml",
    "extra_file": "table.json",
}
"""How each option that names a file does so."""

WORDS = {
    "password_file": ("auto", "none"),
    "proxy": ("auto", "none"),
    "environment": ("auto", "packed", "shared", "none"),
    "executor": ("futures", "dask@lpc", "work_queue@lpc", "dask@tcp://here:1"),
}
"""What is no file, though one of this name lies beside the settings."""

NAMES = ["processor", "output", "schema", "queue", "name", "stage_out", "batch_options", "channel"]
SOURCES = ("pyproject", "run-options", "variable", "command line")


@pytest.fixture
def resolve(here: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., RunOptions]:
    """Return the options that a value from a source makes, in the directory `here`/sub of a project."""
    found: list[RunOptions] = []
    monkeypatch.setattr(command, "_run", lambda _ctx, _samples, options, **_: found.append(options))
    (here / "sub").mkdir()
    monkeypatch.chdir(here / "sub")

    def resolved(source: str, name: str, value: str) -> RunOptions:
        key, many = name.replace("_", "-"), isinstance(getattr(RunOptions(), name), tuple)
        content = [value] if many else value
        words = []
        match source:
            case "pyproject":
                (here / "pyproject.toml").write_text(f"[tool.wq-runner]\n{key} = {json.dumps(content)}\n")
            case "run-options":
                (here / "options.yaml").write_text(yaml.safe_dump({key: content}))
                words = ["-ro", "../options.yaml"]
            case "variable":
                monkeypatch.setenv(f"WQ_RUNNER_{name.upper()}", value)
            case _:
                words = [f"--{key}", value]
        monkeypatch.setattr(sys, "argv", ["wq-run", *words, "s.cfg"])
        with pytest.raises(SystemExit) as caught:
            command.main()
        assert caught.value.code == 0
        return found.pop()

    return resolved


def text_of(options: RunOptions, name: str) -> str:
    value = getattr(options, name)
    return str(value[0] if isinstance(value, tuple) else value)


def test_every_option_decides_what_it_is() -> None:
    """A new one that leaves something open cannot even be imported; this says what it has to decide."""
    assert [one.name for one in dataclasses.fields(Nature) if one.default is not dataclasses.MISSING] == []
    for name, one in NATURES.items():
        assert one.heed, f"no executor heeds {name}: what is it for?"
        assert not one.limits or Dropped.REST in one.drop, f"{name} limits the input, and so not its rest"
    assert set(named(lambda one: one.path is not None)) == set(FILES), "say here how it names a file"


def test_every_executor_is_told_apart() -> None:
    for name in EXECUTORS:
        assert RunOptions(executor=name).place is Place[name.upper()]
    assert RunOptions(executor="dask@lpc").place is Place.DASK_SITE
    assert RunOptions(executor="dask@tcp://here:1").place is Place.DASK_SCHEDULER
    assert RunOptions(executor="parsl@config.py").place is Place.PARSL_CONFIG
    assert RunOptions(executor="dask", executor_custom_setup=Path("setup.py")).place is Place.CUSTOM


# -- files are looked for beside what names them


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("source", SOURCES)
def test_a_file_is_beside_what_names_it(
    here: Path, resolve: Callable[..., RunOptions], source: str, name: str
) -> None:
    file = FILES[name].partition("@")[2] or FILES[name].partition(":")[0]
    in_file = source in {"pyproject", "run-options"}
    there = (here if in_file else here / "sub") / file
    there.touch()
    found = text_of(resolve(source, name, FILES[name]), name)
    assert found == (FILES[name].replace(file, str(there)) if in_file else FILES[name])


@pytest.mark.parametrize(("name", "word"), [(name, one) for name, words in WORDS.items() for one in words])
def test_a_word_is_no_file(here: Path, resolve: Callable[..., RunOptions], name: str, word: str) -> None:
    (here / word.partition("@")[2].partition(":")[0]).mkdir(exist_ok=True)
    (here / word.partition(":")[0]).mkdir(exist_ok=True)
    for source in ("pyproject", "run-options"):
        assert text_of(resolve(source, name, word), name) == word


@pytest.mark.parametrize("name", [one for one in NAMES if NATURES[one].path is None])
def test_what_names_no_file_is_left_alone(here: Path, resolve: Callable[..., RunOptions], name: str) -> None:
    (here / "thing").mkdir()
    for source in SOURCES:
        assert text_of(resolve(source, name, "thing"), name) == "thing"


# -- what has no effect is said


SAID = {
    Place.ITERATIVE: "iterative",
    Place.FUTURES: "futures",
    Place.DASK: "dask",
    Place.DASK_SITE: "dask@lpc",
    Place.DASK_SCHEDULER: "dask@tcp://here:1",
    Place.PARSL: "parsl",
    Place.PARSL_CONFIG: "parsl@config.py",
    Place.WORK_QUEUE: "work_queue",
}


def at(executor: str) -> ExecutorSettings:
    return resolved.resolve(
        RunOptions(executor=executor, workers=None if executor == "work_queue" else "1")
    ).executor


@pytest.mark.parametrize("place", SAID, ids=str)
def test_options_without_effect_are_named(here: Path, place: Place) -> None:
    (here / "config.py").touch()
    settings = at(SAID[place])
    for name, one in NATURES.items():
        for origin in ("command line", "/here/pyproject.toml [tool.wq-runner]", "one.yaml", "WQ_RUNNER_X"):
            note = backends.limits(settings, {name: origin})
            option = f"--{name.replace('_', '-')}"
            assert note.endswith(f"without effect: {option}") == (place not in one.heed), (name, note)
        assert "without effect" not in backends.limits(settings, {name: "default"})


@pytest.mark.parametrize(
    ("executor", "names"),
    [
        ("futures", ("queue", "batch_options", "channel", "proxy", "cores_per_worker", "name")),
        ("iterative", ("workers", "scaleout", "task_time", "treereduction", "wait_time", "max_cache")),
        ("dask@tcp://here:1", ("workers", "stall_time", "memory")),
        ("work_queue", ("in_place",)),
    ],
)
def test_those_that_were_passed_over_in_silence(executor: str, names: tuple[str, ...]) -> None:
    note = backends.limits(at(executor), dict.fromkeys(NATURES, "command line"))
    said = note.rpartition("without effect: ")[2].split(", ")
    assert {f"--{name.replace('_', '-')}" for name in names} <= set(said)


def test_what_is_heeded_is_not_named() -> None:
    note = backends.limits(at("dask@lpc"), dict.fromkeys(NATURES, "command line"))
    for name in ("queue", "batch_options", "workers", "mem_per_worker", "stall_time", "processor"):
        assert f"--{name.replace('_', '-')}" not in note.split(", ")


# -- reasons for another result


def test_only_what_changes_a_result_is_a_reason_for_another() -> None:
    def run(**values: str) -> dict[str, Any]:
        return {
            "fingerprint": {},
            "environment_details": {},
            "options": {name: {"value": values.get(name, "as it was")} for name in NATURES},
            "versions": {},
            "files": [],
            "datasets": {},
            "complete": True,
            "outputs": [],
        }

    for name, one in NATURES.items():
        found = comparison.compare(run(), run(**{name: "another"}))
        assert found == ({"options": [f"{name}: as it was and another"]} if one.result else {}), name
    for name in ("batch_options", "catalog", "proxy", "queue", "keep_results"):
        assert not NATURES[name].result


# -- what a notebook keeps


def test_what_needs_another_manager() -> None:
    kept = resolved.lasting(RunOptions())
    for name, one in NATURES.items():
        other = dataclasses.replace(RunOptions(), **dict[str, Any]({name: ("another",)}))
        assert (resolved.lasting(other) != kept) == one.session, name


# -- commands that are made of a run's own


def typed(name: str) -> Typed:
    (field,) = (one for one in dataclasses.fields(RunOptions) if one.name == name)
    option = next(one for one in field.metadata["names"] if one.startswith("--"))
    words = [option] if field.metadata["click"].get("is_flag") else [option, "1"]
    return Typed(words=("wq-run", *words, "s.cfg"), options={}, origins={}, directory=Path.cwd())


@pytest.mark.parametrize("name", NATURES)
def test_what_is_not_repeated(name: str) -> None:
    fileset = (Dataset(name="A", files=(InputFile(path="/one/n.root"),)),)
    item = Item(value=None, dataset="A", path="/one/n.root", start=0, stop=10)
    options = [one for one in typed(name).words if one.startswith("-")]
    alone = shlex.split(reproduce.command(typed(name), item, fileset, Path("out")))
    if name not in {"executor", "select", "output"}:  # which say where and what
        assert (options[0] in alone) == (Dropped.ALONE not in NATURES[name].drop)
    rest = commands.rest(typed(name), Path("missing.json"), ["A"], Path("out")).splitlines()[0]
    assert (options[0] in shlex.split(rest)) == (Dropped.REST not in NATURES[name].drop)


def test_a_form_of_paths_touches_the_file_alone() -> None:
    assert nature.before_colon("a.py:B", str.upper) == "A.PY:B"
    assert nature.of_parsl("parsl/a.py", str.upper) == "parsl/A.PY"
    assert nature.of_environment("a/", str.upper) == "A/"
