"""Tests are divided among processes as tests/scheduling.py says: pytest-xdist drops what it does not know."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nanoaod
import scheduling

TESTS = """
import os, time
import pytest

@pytest.mark.parametrize("number", range({count}))
def test(number):
    with open("began", "a") as log:
        print(__name__, os.environ["PYTEST_XDIST_WORKER"], file=log)
    time.sleep(0.1)
"""


def test_files_begin_in_the_order_of_their_names_and_those_of_one_environment_share_a_process(
    tmp_path: Path,
) -> None:
    counts = {"test_a.py": 1, "test_b.py": 9, **dict.fromkeys(scheduling.ONE_ENVIRONMENT, 2)}
    for name, count in counts.items():
        (tmp_path / name).write_text(TESTS.format(count=count))
    command = [sys.executable, "-m", "pytest", "-p", "scheduling", "-n", "2", "--dist", "loadfile"]
    environ = {**os.environ, "PYTHONPATH": str(nanoaod.ROOT / "tests")}
    done = subprocess.run(
        [*command, "-c", os.devnull, "--rootdir", "."],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    began = [line.split() for line in (tmp_path / "began").read_text().splitlines()]
    assert len(began) == sum(counts.values())
    assert {name for name, _ in began[:2]} == {"test_a", "test_b"}
    shared = {process for name, process in began if f"{name}.py" in scheduling.ONE_ENVIRONMENT}
    assert len(shared) == 1
