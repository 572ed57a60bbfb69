"""The migration guide: each command of ours in it runs, in the directory that the page describes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nanoaod
import pytest
import running

PAGES = sorted((nanoaod.ROOT / "docs" / "migration").glob("*.md"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"`([\w.]+\.yaml)`[^`]*\n\n```yaml\n(.*?)^```", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"\s+# exit code (\d+)$")


def commands(page: Path) -> Iterator[tuple[str, int]]:
    """Yield the commands of a page, with the exit code that each should have."""
    for language, block in BLOCK.findall(page.read_text()):
        for line in block.splitlines() if language == "sh" else []:
            match = CODE.search(line)
            yield CODE.sub("", line), int(match[1]) if match else 0


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Make the directory that the pages speak of: samples in each dialect, and a processor."""
    nanoaod.write_samples(tmp_path, files=2, events=400)
    shutil.copy(nanoaod.DIMUON / "processor.py", tmp_path)
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
    return tmp_path


def test_there_is_a_page_for_each() -> None:
    assert {page.stem for page in PAGES} == {
        "btvnanocommissioning",
        "higgsdna",
        "pocketcoffea",
        "topcoffea",
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_runs(page: Path, directory: Path) -> None:
    for name, content in NAMED.findall(page.read_text()):
        (directory / name).write_text(content)
    environ = {**os.environ, **running.SETTINGS}
    environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
    found = list(commands(page))
    assert len(found) >= 7
    for command, code in found:
        assert command.startswith("wq-"), command
        ended = subprocess.run(
            ["bash", "-c", command],
            cwd=directory,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=running.PATIENCE,
        )
        assert ended.returncode == code, f"{command}\n{ended.stdout}\n{ended.stderr}"
    for path in directory.glob("*/run.json"):
        assert json.loads(path.read_text())["complete"], path


def test_the_pages_use_every_named_file() -> None:
    page = next(page for page in PAGES if page.stem == "pocketcoffea").read_text()
    assert {name for name, _ in NAMED.findall(page)} == {"my_run_options.yaml", "setup.yaml", "answered.yaml"}
