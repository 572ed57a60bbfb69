"""What makes the list of releases of the engine that were tried."""

from __future__ import annotations

import datetime
import subprocess
import sys

import nanoaod
import releases


def test_it_says_which_engine_when_and_what_became_of_the_tests() -> None:
    command = [sys.executable, "tests/tried.py", "unit/engine/test_release.py"]
    ended = subprocess.run(command, cwd=nanoaod.ROOT, capture_output=True, text=True, check=True)
    cells = [cell.strip() for cell in ended.stdout.strip().strip("|").split("|")]
    assert cells[0] == f"`ndcctools` {releases.RELEASE}"
    assert datetime.date.fromisoformat(cells[1]).year >= 2026
    assert cells[3:] == ["`tests/unit/engine/test_release.py`", "4 passed"]
