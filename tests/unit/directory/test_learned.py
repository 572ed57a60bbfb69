"""What chunks took is remembered by their processor, and never in the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wq_runner import checksums
from wq_runner.directory import learned
from wq_runner.scheduler.prior import NOTHING, Prior

TOOK = Prior(memory=((1000, 4e8), (2000, 6e8)), pace=1e-4)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "learned.json"


def test_what_was_remembered_is_known(path: Path) -> None:
    assert learned.recall(path, "a:B") == NOTHING
    learned.remember(path, "a:B", TOOK)
    learned.remember(path, "a:C", Prior(memory=((10, 1e8),), pace=None))
    assert learned.recall(path, "a:B") == TOOK
    learned.remember(path, "a:B", NOTHING)
    assert learned.recall(path, "a:B") == TOOK, "a run that measured nothing says nothing"


def test_the_newest_are_kept(path: Path) -> None:
    for number in range(learned.MOST + 5):
        learned.remember(path, f"a:{number}", TOOK)
        learned.remember(path, "a:first", TOOK)
    assert learned.recall(path, "a:0") == NOTHING
    assert learned.recall(path, "a:first") == TOOK


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"\xff",
        {"processors": []},
        {"processors": {"a:B": 3}},
        {"processors": {"a:B": {"memory": [[1]], "pace": 1}}},
        {"processors": {"a:B": {"memory": [[-1, 2.0]], "pace": 1}}},
        {"processors": {"a:B": {"memory": [[1, 2.0]], "pace": "soon"}}},
    ],
    ids=repr,
)
def test_whatever_is_in_the_file(path: Path, content: bytes | dict[str, Any]) -> None:
    path.parent.mkdir()
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        checksums.write_json(path, content)
    assert learned.recall(path, "a:B") == NOTHING
    learned.remember(path, "a:B", TOOK)
    assert learned.recall(path, "a:B") == TOOK


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    learned.remember(tmp_path / "cache" / "learned.json", "a:B", TOOK)
    assert learned.recall(tmp_path / "cache" / "learned.json", "a:B") == NOTHING
