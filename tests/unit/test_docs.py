"""What the documents say of the commands is true: every option they use exists."""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import nanoaod
import pytest

DOCUMENTS = [nanoaod.ROOT / "README.md", *sorted((nanoaod.ROOT / "docs").rglob("*.md"))]


def commands(path: Path) -> Iterator[list[str]]:
    """Yield the lines of code blocks that start one of our commands, without comments and variables."""
    for block in re.findall(r"^```\w*\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            text = re.split(r"\s{3,}|\s#\s", line.strip())[0]
            text = re.sub(r"^([A-Z_]+=\S+\s+)*", "", text)
            if re.match(r"wq-\w+ ", text):
                yield shlex.split(text)


def command(words: list[str]) -> click.Command:
    """Return the command, or subcommand, that would run."""
    if words[:2] == ["wq-run", "export"]:
        return importlib.import_module("wq_runner.cli.export").cli
    found: click.Command = importlib.import_module(f"wq_runner.cli.{words[0].removeprefix('wq-')}").cli
    if isinstance(found, click.Group):
        found = found.get_command(click.Context(found), words[1]) or found
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_options_exist(path: Path) -> None:
    for words in commands(path):
        known = {option for param in command(words).params for option in param.opts} | {"--help", "-h"}
        for word in words[1:]:
            if word.startswith("-") and not re.match(r"-\d", word):
                assert word.partition("=")[0] in known, shlex.join(words)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
        assert (path.parent / target).exists(), target
