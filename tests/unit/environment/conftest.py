from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from repositories import Repository

from wq_runner.environment.gitstate import GitTree, open_git
from wq_runner.environment.store import Store


@pytest.fixture
def repository(tmp_path: Path) -> Callable[[str], Repository]:
    def make(name: str = "analysis") -> Repository:
        root = tmp_path / name
        root.mkdir(parents=True)
        found = Repository(root)
        found.git("init", "-q", "-b", "main")
        return found

    return make


@pytest.fixture
def look(tmp_path: Path) -> Callable[..., GitTree]:
    """Open a repository anew, as a later run does."""
    numbers = iter(range(1000))

    def open_(directory: Path) -> GitTree:
        scratch = tmp_path / f"scratch{next(numbers)}"
        scratch.mkdir()
        found = open_git(directory, scratch)
        assert found is not None
        return found

    return open_


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=tmp_path / "store")
