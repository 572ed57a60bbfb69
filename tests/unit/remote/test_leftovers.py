"""Temporary directories of the dead are removed by the living, and no others."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from wq_runner.remote import leftovers

OWNER = """
import sys, tempfile
from pathlib import Path
from wq_runner.remote import leftovers
(Path(tempfile.mkdtemp(prefix=leftovers.prefix("workers"))) / "core").write_text("large")
tempfile.mkdtemp(prefix=leftovers.prefix())
print("made", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def owner(place: Path) -> Iterator[subprocess.Popen[str]]:
    """Return a process that has made two directories, and ends when it is told to."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", OWNER], stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "made\n"
        yield process
        process.kill()


def there(place: Path) -> list[Path]:
    return sorted(place.glob("wq-runner-*"))


def test_those_of_the_dead_are_removed(owner: subprocess.Popen[str], place: Path) -> None:
    others = [place / "wq-runner-of-an-older-version", place / "wq-runner-0123abcd-nobody-knows"]
    for other in others:
        other.mkdir()
    assert len(there(place)) == 5
    leftovers.remove_left(place)
    assert len(there(place)) == 5  # it lives
    owner.kill()
    owner.wait()
    leftovers.remove_left(place)
    assert there(place) == sorted(others)


def test_who_ends_well_leaves_nothing(owner: subprocess.Popen[str], place: Path) -> None:
    owner.communicate("end\n")
    assert owner.returncode == 0
    assert there(place) == []


def test_a_process_has_one_name(place: Path) -> None:
    first, second = leftovers.prefix("workers"), leftovers.prefix()
    assert first == second.replace("wq-runner-", "wq-runner-workers-")
    leftovers.remove_left(place)
    assert [one.suffix for one in there(place)] == [".lock"]
