"""What others wrote is no more than text on a terminal: names, messages, what a processor says."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

import wq_runner
from wq_runner.cli import base
from wq_runner.errors import ProcessorError
from wq_runner.monitor.console import PlainConsole
from wq_runner.plain import plain

EVIL = "\x1b]0;title\x1b[2J\x9b1mA\u202eB"
SHOWN = r"\x1b]0;title\x1b[2J\x9b1mA\u202eB"


def test_what_a_terminal_would_obey_is_written_out() -> None:
    assert plain(EVIL) == SHOWN
    assert plain("two\nlines\tand µ, é, 日本") == "two\nlines\tand µ, é, 日本"


@given(st.text())
def test_nothing_is_left_that_a_terminal_obeys(text: str) -> None:
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", plain(text))


def printed(*what: object) -> str:
    console = PlainConsole(file=io.StringIO(), force_terminal=True, width=80)
    console.print(*what)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def test_a_console_has_its_own_styles_and_nobody_elses() -> None:
    table = Table("name")
    table.add_row(EVIL)
    for what in (table, Text(EVIL, style="bold")):
        assert SHOWN[:12] in printed(what)
        assert "\x1b]" not in printed(what)
    assert "\x1b[1m" in printed(Text("A", style="bold"))


def test_an_error_is_printed_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    base.report(ProcessorError(f"it said {EVIL}"))
    assert SHOWN in capsys.readouterr().err


def test_nothing_is_printed_past_it() -> None:
    """Text of ours alone is coloured by click: help and the pages about errors."""
    ours = {"base.py", "explain.py", "completion.py", "manual.py", "plain.py"}
    for path in Path(wq_runner.__file__).parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert path.name in ours or "click.echo(" not in text, path
        assert path.name in ours or not re.search(r"(?<!Plain)\bConsole\(", text), path
