"""The help of each command is a page of a manual, on any terminal."""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from wq_runner.cli import base, completion, manual
from wq_runner.errors import WqRunnerError

TOP = (*completion.COMMANDS, *(f"wq-run {part}" for part in ("export", "explain", "completion")))


def every_command() -> Iterator[tuple[str, click.Command]]:
    for name in TOP:
        module = importlib.import_module(f"wq_runner.cli.{name.split()[-1].removeprefix('wq-')}")
        yield from below(name, module.cli)


def below(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for word, one in command.commands.items():
            yield from below(f"{name} {word}", one)


COMMANDS = dict(every_command())


def help_of(name: str, width: int, monkeypatch: pytest.MonkeyPatch, option: str = "--help") -> str:
    """Return the help as a terminal of this width shows it."""
    monkeypatch.setenv("COLUMNS", str(width))
    first = next(one for one in (" ".join(name.split()[:2]), name.split(maxsplit=1)[0]) if one in TOP)
    words = name.removeprefix(first).split()
    shown = CliRunner().invoke(COMMANDS[first], [*words, option], prog_name=first, catch_exceptions=False)
    assert shown.exit_code == 0
    return shown.output


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_and_is_whole(name: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = help_of(name, width, monkeypatch)
    assert max(map(len, text.splitlines())) <= width
    assert "Other:" not in text
    assert not re.search(r"(INTEGER|FLOAT) RANGE", text)
    assert not re.search(r"\w-\n", text)  # an option is not broken in two
    assert manual._HYPHEN not in text
    if isinstance(COMMANDS[name], click.Group):
        commands = text.partition("Commands:")[2].partition("Exit codes:")[0]
        assert "..." not in commands  # each has a whole sentence


@pytest.mark.parametrize("width", [80, 120])
def test_the_help_of_a_run_is_short_and_tells_of_the_rest(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    short, whole = (help_of("wq-run", width, monkeypatch, one) for one in ("--help", "--help-all"))
    assert len(short.splitlines()) <= 66 < len(whole.splitlines())
    assert "Examples:" in short
    assert f"--help-all shows all {len(COMMANDS['wq-run'].params)} options" in " ".join(short.split())
    assert max(map(len, whole.splitlines())) <= width
    assert not re.search(r"\w-\n", whole)


@pytest.mark.parametrize("name", COMMANDS)
def test_exit_codes_are_said(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = "--help-all" if getattr(COMMANDS[name], "usual", ()) else "--help"
    text = help_of(name, 80, monkeypatch, whole)
    codes = re.findall(r"^  (\d+) ", text.partition("Exit codes:\n")[2], re.MULTILINE)
    assert {"0", "2"} <= set(codes)


def test_every_exit_code_is_explained() -> None:
    def codes(kind: type[WqRunnerError]) -> set[int]:
        return {kind.exit_code}.union(*(codes(one) for one in kind.__subclasses__()))

    assert codes(WqRunnerError) | {0} == set(manual.EXIT_CODES) | {1}  # 1 is a bug


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_are_of_options_that_exist(name: str) -> None:
    command = COMMANDS[name]
    examples = getattr(command, "examples", "").strip()
    if not isinstance(command, click.Group) and command.params:
        assert examples or name in {"wq-env show", "wq-env diff", "wq-workers sites show"}
    for line in examples.splitlines():
        words = shlex.split(re.split(r"\s{3,}", line.strip())[0])
        known = [one for one in COMMANDS if " ".join(words).startswith(one)]
        if known:  # else it is what the command wrote
            found = COMMANDS[max(known, key=len)]
            found = COMMANDS["wq-report page"] if found is COMMANDS["wq-report"] else found
            options = {option for param in found.params for option in param.opts}
            given = {word for word in words if re.match(r"-{1,2}[a-z]", word)}
            assert given <= options | {"-m"}, line


def test_options_are_in_groups_and_common_ones_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = [
        *("Input and processor", "Chunks and tasks", "Workers", "Environment", "Resources"),
        *("Selection", "Output", "Monitoring", "Options and help"),
    ]
    text = help_of("wq-run", 120, monkeypatch, "--help-all").partition("Examples:")[0]
    assert re.findall(r"^(\w[\w ]+):$", text, re.MULTILINE) == groups
    command = COMMANDS["wq-run"]
    assert isinstance(command, base.Command)
    common = command.usual
    for param in COMMANDS["wq-run"].params:
        if param.name in common and isinstance(param, click.Option):
            before = text[: text.index(f"{param.opts[0]}")].rpartition(":\n")[2]
            others = re.findall(r"^  (?:-\w+, )?--([\w-]+)", before, re.MULTILINE)
            assert {one.replace("-", "_") for one in others} <= set(common), param.name
