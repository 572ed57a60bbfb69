"""Tables: names are cut in the middle where a terminal is narrow, and never in a file."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from wq_runner.monitor import tables

NAMES = [f"QCD_HT{low}to{low + 100}_TuneCP5_13TeV-madgraphMLM-pythia8_{'v' * 60}" for low in (100, 200, 300)]
ROWS = {name: (f"{number:,}", "yes") for number, name in enumerate(NAMES, 1000)}


def printed(*, width: int, terminal: bool) -> list[str]:
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=terminal, color_system=None)
    tables.show(console, ("dataset", "events", "complete"), ROWS, texts=("complete",))
    return stream.getvalue().splitlines()


def test_a_log_file_has_whole_names() -> None:
    lines = printed(width=40, terminal=False)
    assert len(lines) == 1 + len(NAMES)
    assert [line.split()[0] for line in lines[1:]] == NAMES
    assert len({line.index("yes") for line in lines[1:]}) == 1


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_terminal_has_a_line_for_each_and_tells_them_apart(width: int) -> None:
    lines = printed(width=width, terminal=True)
    assert len(lines) == 1 + len(NAMES)
    assert all(len(line) <= width for line in lines)
    shown = [line.split()[0] for line in lines[1:]]
    assert len(set(shown)) == len(NAMES)
    assert all("…" in name and name.endswith("v") for name in shown)


def test_where_there_is_room_nothing_is_cut() -> None:
    assert [line.split()[0] for line in printed(width=200, terminal=True)[1:]] == NAMES
