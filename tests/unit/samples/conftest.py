from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import uproot


@pytest.fixture
def make_root(tmp_path: Path) -> Callable[..., Path]:
    """Write a ROOT file with one tree of so many entries."""

    def make(name: str, *, entries: int = 10, tree: str = "Events") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with uproot.recreate(path) as file:
            file.mktree(tree, {"x": "f8"}).extend({"x": np.arange(entries, dtype="f8")})
        return path

    return make


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty directory the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
