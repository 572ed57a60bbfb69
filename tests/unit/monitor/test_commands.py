"""The command lines of what shows runs."""

from __future__ import annotations

import json
from pathlib import Path

import click
import journals
import pytest
from click.testing import CliRunner

from wq_runner.cli import report, run, status
from wq_runner.errors import UsageError
from wq_runner.system import RunPaths
from wq_runner.units import port


def call(command: click.Command, *arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(command, [str(one) for one in arguments], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.output


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ((), "-"),
        (("--http",), "8787"),
        (("--http", "samples.cfg"), "8787"),
        (("--http", "9000"), "9000"),
        (("--http=9000", "samples.cfg"), "9000"),
        (("--http", "--fresh"), "8787"),
        (("--", "--http"), "-"),
    ],
    ids=str,
)
def test_the_port_of_the_page_may_be_left_out(here: Path, arguments: tuple[str, ...], value: str) -> None:
    lines = call(run.cli, "--show-options", *arguments).splitlines()
    assert next(line.split()[1] for line in lines if line.startswith("http ")) == value


@pytest.mark.parametrize(("given", "value"), [(True, 8787), ("true", 8787), (9000, 9000), ("9000", 9000)])
def test_the_port_in_settings_files(given: object, value: int) -> None:
    assert port(given) == value  # type: ignore[arg-type]


def test_status_of_a_run(run_directory: Path) -> None:
    out = call(status.cli, run_directory)
    assert out.startswith("partial")
    assert "the result is partial" in out
    assert "9 attempts, 2 failures" in out
    assert json.loads(call(status.cli, "--json", run_directory))["total"]["done"] == 700
    assert "700" in call(status.cli, "--watch", run_directory)  # it has ended: one look


def test_list_of_runs(run_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run_directory.parent)
    assert "wq-run-samples/" in call(status.cli)
    assert "partial" in call(status.cli)
    monkeypatch.chdir(journals.write(run_directory.parent / "empty", []))
    assert "no runs in or below" in call(status.cli)


def test_status_of_nothing(here: Path) -> None:
    with pytest.raises(UsageError, match="is not the directory of a run"):
        call(status.cli, here)
    with pytest.raises(UsageError, match="name the directory"):
        call(status.cli, "--watch")


def test_report_of_a_run(run_directory: Path, tmp_path: Path) -> None:
    assert "report.html" in call(report.cli, run_directory)
    assert call(report.cli, "page", run_directory, "-o", tmp_path / "mine.html")
    assert (tmp_path / "mine.html").read_text() == RunPaths(root=run_directory).report.read_text()
    with pytest.raises(UsageError, match="cannot write"):
        call(report.cli, run_directory, "-o", tmp_path / "no" / "such.html")


def test_help_names_all_commands() -> None:
    out = call(report.cli, "--help")
    for name in ("page", "plot", "show"):
        assert f"  {name} " in out
