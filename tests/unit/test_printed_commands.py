"""What is printed to be typed is one word of a shell where it has to be, whatever the user's names are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import wq_runner

PACKAGE = Path(wq_runner.__file__).parent
COMMAND = re.compile(
    r"\b(wq-(run|workers|status|report|samples|env)|work_queue_\w+|condor_submit_workers)\s(?!works)"
)
ENDS = re.compile(r"[(),:;]\s")  # here a sentence goes on

BY_ITSELF = ("error.page", "key", "entry.key", "NAMES", "chosen.name")
"""What is put into commands that needs no quotes: names of pages and of batch systems, and hashes."""


def pieces(text: str) -> Iterator[tuple[str, str]]:
    """Yield what an f-string has before each of its values, and the value."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.JoinedStr):
            before = ""
            for part in node.values:
                if isinstance(part, ast.FormattedValue):
                    yield before, ast.unparse(part.value)
                elif isinstance(part, ast.Constant):
                    before += str(part.value)


def unquoted(text: str) -> list[str]:
    found = []
    for before, value in pieces(text):
        last = [match.start() for match in COMMAND.finditer(before)]
        if (
            last
            and not ENDS.search(before[last[-1] :])
            and not value.startswith("shlex.")
            and value not in BY_ITSELF
        ):
            found.append(f"{before[last[-1] :]}{{{value}}}")
    return found


def test_names_in_commands_are_quoted() -> None:
    """They are built in config/commands.py and workers/starting.py, which do so."""
    found = {path.stem: unquoted(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}
    assert not {name: texts for name, texts in found.items() if texts}


def test_a_name_that_is_not_quoted_is_found() -> None:
    assert unquoted('f"see wq-status {root}"') == ["wq-status {root}"]
    assert unquoted('f"work_queue_worker {host} {port}"')
    assert not unquoted('f"wq-status {shlex.quote(root)}, {root}"')
