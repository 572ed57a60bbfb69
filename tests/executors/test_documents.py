"""The documents: what they tell to type is typed, page by page, in a directory as they speak of it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import documents
import nanoaod
import pytest
import running
from documents import EVERY, FILE, RUN, Block

PAGES = sorted({block.page for block in EVERY if block.done == RUN})
CODE = re.compile(r"\s+# exit code (\d+)$")

PATIENCE = 570.0
"""Seconds until a page is given up: the longest has two dozen commands, which take a minute together."""

READERS_OWN = """
from processor import Dimuon
processor = Dimuon()
fileset = {"DYJetsToLL": {"files": {"DATA/DYJetsToLL_0.root": "Events"}, "metadata": {"isData": False}}}
if __name__ == "__main__":
"""
"""What a page's Python takes as there: a fileset and a processor."""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Make the directory that the pages speak of: samples in each dialect, a processor, what a clone has."""
    nanoaod.write_samples(tmp_path, files=2, events=400)
    shutil.copy(nanoaod.DIMUON / "processor.py", tmp_path)
    (tmp_path / "analysis.py").write_text("from processor import Dimuon as Analysis\n")
    for dialect, name in (("pocketcoffea", "datasets.json"), ("higgsdna", "samples.json")):
        words = ("convert", "--to", dialect, "-o", name, "samples.cfg")
        assert running.run(*words, cwd=tmp_path, name="wq-samples").code == 0
    (tmp_path / "metadata").mkdir()
    shutil.copy(tmp_path / "samples.json", tmp_path / "metadata")
    # what HiggsDNA left: all of the first file of a dataset, half of its second
    parquet = tmp_path / "parquet" / "DoubleMuon" / "nominal"
    parquet.mkdir(parents=True)
    for part in ("DoubleMuon_0_Events_0-400", "DoubleMuon_1_Events_0-200"):
        (parquet / f"{part}.parquet").touch()
    shutil.copytree(
        nanoaod.ROOT / "examples",
        tmp_path / "examples",
        ignore=shutil.ignore_patterns("data", "*.png", "wq-run-*", "__pycache__"),
    )
    return tmp_path


def script(page: Path, directory: Path) -> Iterator[str]:
    """Yield a page as a script: its files are written and its commands run, until one fails."""
    yield "set -eu"
    for number, block in enumerate(documents.blocks(page)):
        if block.done == FILE:
            yield here_document(block.text, block.said)
        elif block.done == RUN:
            yield f"echo '--- {block.where}' >&2"
            yield block.after
            yield from (
                python(block, f"block_{number}.py", directory) if block.language == "python" else shell(block)
            )


def here_document(text: str, name: str) -> str:
    return f"cat >{shlex.quote(name)} <<'END OF FILE'\n{text.rstrip()}\nEND OF FILE"


def python(block: Block, name: str, directory: Path) -> Iterator[str]:
    """Yield a program of a block, below what makes it one that other processes may import."""
    own = READERS_OWN.replace("DATA", str(directory / "data"))
    inner = "".join(f"    {line}\n" if line.strip() else "\n" for line in block.text.splitlines())
    yield here_document(own + inner, name)
    yield f"{shlex.quote(sys.executable)} {name}"


def shell(block: Block) -> Iterator[str]:
    for command in block.commands:
        match = CODE.search(command)
        yield f"echo {shlex.quote(f'$ {command}')} >&2"
        if match:
            yield f"code=0; {CODE.sub('', command)} || code=$?; [ $code = {match[1]} ]"
        else:
            yield command


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_runs(page: Path, directory: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    environ = {**os.environ, **running.SETTINGS, "HOME": str(tmp_path_factory.mktemp("home"))}
    environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
    ended = subprocess.run(
        ["bash", "-c", "\n".join(script(page, directory))],
        cwd=directory,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert ended.returncode == 0, ended.stdout[-10_000:]
