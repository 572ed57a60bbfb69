from __future__ import annotations

from pathlib import Path

import journals
import pytest

from wq_runner.monitor.view import RunView


@pytest.fixture
def run_directory(tmp_path: Path) -> Path:
    """Return the directory of a run that left its journal and nothing else."""
    return journals.write(tmp_path / "wq-run-samples", journals.simple())


@pytest.fixture
def simple() -> RunView:
    """Return the state of the simple run at its end."""
    return journals.view_of(journals.simple())
