"""What the documents say of the commands is true: each block of code is run by a test, or at least parsed.

Those that are run, are run by `tests/executors/test_documents.py`; see `tests/documents.py`.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import documents
import nanoaod
import pytest
import yaml
from documents import EVERY, FILE, PARSED, RUN, TESTED, Block

import wq_runner

CLI = nanoaod.ROOT / "wq_runner" / "cli"
GLOSSARY = nanoaod.ROOT / "docs" / "glossary.md"
ENGINE = ("work_queue_worker", "work_queue_factory", "work_queue_graph_log", "condor_submit_workers")


def which(*done: str) -> list[Any]:
    return [pytest.param(block, id=block.where) for block in EVERY if block.done in done]


@pytest.fixture
def scratch(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the files that commands name, and have commands do nothing once they are parsed."""
    for name in ("home.py", "config.py", "sf.json", "factory.json"):
        (here / name).touch()
    for name in ("jobs", "wq-run-samples", "wq-run-missing", "wq-run-monday", "wq-run-tuesday"):
        (here / name).mkdir()
    monkeypatch.setattr(click.Command, "invoke", lambda *_: None)
    return here


def parse(words: list[str]) -> None:
    """Have a command of ours parsed, as if it were started; options that do not exist are an error."""
    name = words[0].removeprefix("wq-")
    arguments = words[1:]
    if words[0] == "wq-run" and (CLI / f"{''.join(words[1:2])}.py").is_file():
        name, *arguments = words[1:]  # a command by itself, such as export
    cli: click.Command = importlib.import_module(f"wq_runner.cli.{name}").cli
    cli.main(arguments, standalone_mode=False)


@functools.cache
def help_of(program: str) -> str:
    found = shutil.which(program)
    assert found, f"{program} is not installed"
    ended = subprocess.run([found, "--help"], capture_output=True, text=True, check=False, timeout=60)
    return ended.stdout + ended.stderr


@pytest.mark.parametrize("block", which(PARSED, documents.SHOWN))
def test_commands_that_are_not_run_are_understood(block: Block, scratch: Path) -> None:
    if block.language == "python":
        calls_are_right(block.text)
        return
    for command in block.commands:
        words = documents.words(command)
        if words[0] in documents.PROGRAMS:
            parse(words)
        elif words[0] in ENGINE:
            for word in words[1:]:
                if word.startswith("--"):
                    assert word.partition("=")[0] in help_of(words[0]), command


def calls_are_right(text: str) -> None:
    """Check that what is called of `wq_runner` takes these arguments."""
    found = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    ours = [node for node in found if isinstance(node.func, ast.Name) and node.func.id in wq_runner.__all__]
    assert ours
    for node in ours:
        assert isinstance(node.func, ast.Name)
        names = {word.arg: None for word in node.keywords if word.arg}
        inspect.signature(getattr(wq_runner, node.func.id)).bind(*node.args, **names)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("sh", "wq-run --chunk-size 5 samples.cfg"),
        ("", "wq-run --chunksize five samples.cfg"),
        ("sh", "wq-workers start 5"),
        ("sh", "work_queue_worker --memry 5"),
        ("python", 'WorkQueueExecutor(worker="local:4")'),
    ],
)
def test_mistakes_are_found(language: str, text: str, scratch: Path) -> None:
    block = Block(page=documents.ROOT / "README.md", line=1, language=language, text=text, done=PARSED)
    with pytest.raises((click.ClickException, wq_runner.errors.WqRunnerError, AssertionError, TypeError)):
        test_commands_that_are_not_run_are_understood(block, scratch)


@pytest.mark.parametrize("block", which(TESTED))
def test_what_is_tested_elsewhere_is_tested_there(block: Block) -> None:
    assert block.page.name in (documents.ROOT / block.said).read_text(), f"{block.where}: {block.said}"


@pytest.mark.parametrize("block", [block for block in EVERY if block.language in {"yaml", "toml", "json"}])
def test_settings_can_be_read(block: Block) -> None:
    assert {"yaml": yaml.safe_load, "toml": toml, "json": json.loads}[block.language](block.text)


def toml(text: str) -> Any:
    tomllib = pytest.importorskip("tomllib")  # since Python 3.11
    return tomllib.loads(text)


def test_no_block_of_commands_is_forgotten() -> None:
    """A block that is neither run nor parsed nor a file nor tested has a language in which nothing runs."""
    shown = {block.language for block in EVERY if block.done == documents.SHOWN}
    assert shown <= {"", "text", "yaml", "toml", "json"}
    assert {block.done for block in EVERY} >= {RUN, PARSED, FILE, TESTED}


def test_there_is_a_page_for_who_comes_from_elsewhere() -> None:
    pages = (nanoaod.ROOT / "docs" / "migration").glob("*.md")
    assert {page.stem for page in pages} == {"btvnanocommissioning", "higgsdna", "pocketcoffea", "topcoffea"}


def slug(title: str) -> str:
    """Return the anchor of a title, as viewers of repositories make it."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("path", documents.PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^):]*))?\)", path.read_text()):
        there = path.parent / target if target else path
        assert there.exists(), target
        titles = re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE) if anchor else []
        assert not anchor or anchor in map(slug, titles), f"{target}#{anchor}"


def test_the_words_of_the_field_are_explained() -> None:
    words = [
        *("dataset", "fileset", "file", "chunk", "task", "batch", "portion", "partial result"),
        *("category", "allocation", "ledger", "worker", "factory", "foreman"),
    ]
    rows = re.findall(r"^\| ([\w ]+) \| .{20}", GLOSSARY.read_text(), re.MULTILINE)
    assert set(words) <= set(rows)
    assert len(rows) == len(set(rows))
