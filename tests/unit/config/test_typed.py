"""A command that was typed, taken apart, and others made of it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click
import pytest

from wq_runner.cli.run import cli
from wq_runner.config import commands
from wq_runner.config.commands import Typed
from wq_runner.config.layers import TABLE
from wq_runner.config.options import RunOptions
from wq_runner.config.typed import known, parts
from wq_runner.config.written import as_words
from wq_runner.model import PerDataset

REST = "-o out-rest out/missing.json"
RUN = {one.name for one in cli.params}


def typed(words: str, *, directory: Path | None = None, **options: Any) -> Typed:
    origins = {name: options.pop(f"{name}_from", "command line") for name in tuple(options)}
    return Typed(
        words=shlex.split(words), options=options, origins=origins, directory=directory or Path.cwd()
    )


def rest(given: Typed, *datasets: str) -> str:
    text = commands.rest(given, Path.cwd() / "out" / "missing.json", datasets or ("A",), Path.cwd() / "out")
    return text.splitlines()[0].removeprefix("the rest: ")


def test_every_option_is_known_as_click_knows_it() -> None:
    assert set(dict(known().values())) == {*RUN, "help"} - {"samples"}
    for param in cli.params:
        if isinstance(param, click.Option):
            assert all(known()[name] == (param.name, param.is_flag) for name in param.opts)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("a.cfg -p x.py:X b.cfg", [("", "a.cfg"), ("processor", "-p x.py:X"), ("", "b.cfg")]),
        ("-px.py:X --seed=5", [("processor", "-px.py:X"), ("seed", "--seed=5")]),
        ("-lf 3 a.cfg", [("limit_files", "-lf 3"), ("", "a.cfg")]),
        ("-tw local:2 -ll debug", [("test", "-t"), ("workers", "-w local:2"), ("loglevel", "-ll debug")]),
        ("--http a.cfg --http 80", [("http", "--http"), ("", "a.cfg"), ("http", "--http 80")]),
        ("--http=81 --", [("http", "--http=81"), ("--", "--")]),
        ("--only -x -- -t", [("only", "--only -x"), ("--", "--"), ("", "-t")]),
    ],
)  # fmt: skip
def test_words_that_belong_together(words: str, found: list[tuple[str, str]]) -> None:
    assert [(one.option, " ".join(one.words)) for one in parts(shlex.split(words))] == found


@pytest.mark.parametrize(
    ("words", "options", "expected"),
    [
        ("wq-run -p x.py:X -o out s.cfg", {}, f"wq-run -p x.py:X {REST}"),
        (
            "wq-run 'a b.cfg' -p x.py:X --only A --limit-files 2 -- t.cfg",
            {},
            f"wq-run -p x.py:X {REST}",
        ),
        (
            "wq-run -tp x.py:X s.cfg",
            {"test": True},
            "wq-run -p x.py:X -o out-rest -e iterative out/missing.json",
        ),
        (
            "wq-run -p x.py:X --stage-out /store s.cfg",
            {"stage_out": "/store"},
            "wq-run -p x.py:X -o out-rest --stage-out none out/missing.json",
        ),
        ("wq-run -c default=9,A=5,B=6 s.cfg", {}, f"wq-run --chunksize default=9,A=5 {REST}"),
        ("wq-run -cB=6 s.cfg", {}, f"wq-run {REST}"),
    ],
)
def test_the_rest_has_the_options_of_the_run(words: str, options: dict[str, Any], expected: str) -> None:
    assert rest(typed(words, **options)) == expected


def test_what_is_no_command_is_words() -> None:
    for words in ("wq-run export slurm s.cfg", "wq_runner.run"):
        assert rest(typed(words)).startswith("out/missing.json has the rest, as samples: the same with")


def test_variables_are_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WQ_RUNNER_SEED", "5 6")
    monkeypatch.setenv("WQ_RUNNER_SELECT", "A")
    given = typed(
        "wq-run s.cfg", seed=5, seed_from="WQ_RUNNER_SEED", select=("A",), select_from="WQ_RUNNER_SELECT"
    )
    expected = f"env -u WQ_RUNNER_SELECT 'WQ_RUNNER_SEED=5 6' wq-run {REST}"
    assert rest(given) == expected


def test_what_stands_beside_the_samples_is_told(tmp_path: Path) -> None:
    origin = f"{tmp_path}/pyproject.toml [tool.{TABLE}]"
    given = typed("wq-run s.cfg", seed=5, seed_from=origin, in_place=True, in_place_from=origin)
    assert rest(given) == f"wq-run --seed=5 --in-place {REST}"


def test_elsewhere_it_goes_there_first(tmp_path: Path) -> None:
    given = typed("wq-run s.cfg", directory=tmp_path / "my runs")
    assert rest(given).startswith(f"cd '{tmp_path}/my runs' && wq-run -o out-rest ")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("chunksize", PerDataset(default=5, patterns=(("A", 6),)), ["--chunksize=default=5,A=6"]),
        ("memory", 2 * 2**30, ["--memory=2GB"]),
        ("redirector", (("a/", "b/"),), ["--redirector=a/=b/"]),
        ("processor_args", ({"a": [1, None]},), ["--processor-args={'a': [1, None]}"]),
        ("port", (9, 10), ["--port=9-10"]),
        ("test", False, []),
        ("fresh", True, ["--fresh"]),
        ("seed", None, []),
    ],
)
def test_a_value_is_typed_as_it_is_read(name: str, value: Any, words: list[str]) -> None:
    assert as_words(name, value) == words
    context = cli.make_context("wq-run", ["s.cfg", *words], resilient_parsing=False)
    read = context.params[name]
    assert read == (getattr(RunOptions(), name) if not words else value)
