"""What CONTRIBUTING.md shows is short, and works as it stands there: each addition, with its own test."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nanoaod
import pytest
import running

TEXT = (nanoaod.ROOT / "CONTRIBUTING.md").read_text()


def blocks(section: str) -> dict[str, str]:
    """Return the files that a section shows: the first line of each names it."""
    found = re.findall(r"^```\w+\n(# (\S+)\n.*?)^```", section, re.DOTALL | re.MULTILINE)
    return {name: text for text, name in found}


SECTIONS = {
    section.partition("\n")[0]: section
    for section in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]
    if blocks(section)
}


@pytest.mark.parametrize("title", SECTIONS)
def test_an_addition_and_its_test(title: str, tmp_path: Path) -> None:
    files = blocks(SECTIONS[title])
    tests = [name for name in files if name.startswith("test_")]
    assert len(tests) == 1
    assert len(files) == 2
    for name, text in files.items():
        assert len(text.splitlines()) < 50, name
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    config = tmp_path / "config" / "wq-runner"
    config.mkdir(parents=True)
    if "sites.yaml" in files:
        (config / "sites.yaml").write_text(files["sites.yaml"])
    environ = {
        **os.environ,
        "XDG_CONFIG_HOME": str(config.parent),
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(nanoaod.ROOT / "tests")]),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(tmp_path), *tests]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert re.search(r"[1-9] passed", done.stdout)


def test_common_additions_are_shown() -> None:
    assert list(SECTIONS) == ["A site", "An executor", "A builder of environments", "A dialect of samples"]


def test_where_a_change_goes_is_there() -> None:
    section = TEXT.partition("## Where a change goes\n")[2].partition("\n\nThe most common")[0]
    named = set(re.findall(r"`([\w/]+(?:\.\w+|/))`", section)) - {"docs/"}
    assert len(named) > 10
    assert not [name for name in named if not (nanoaod.ROOT / "wq_runner" / name).exists()]


def test_the_python_in_it_is_formatted() -> None:
    """As ruff would have it, but for the line that names the file."""
    for section in SECTIONS.values():
        for name, text in blocks(section).items():
            if name.endswith(".py"):
                command = [running.program("ruff"), "format", "--check", "--line-length", "110", "-"]
                done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
                assert done.returncode == 0, name
