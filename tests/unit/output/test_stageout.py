"""Copies that are read back, and made again until they are right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from wq_runner.errors import OutputError, UsageError
from wq_runner.output import stageout
from wq_runner.output.stageout import Destination


@pytest.fixture
def memory() -> Iterator[Any]:
    """Return a file system in memory, which stands for one behind a URL."""
    filesystem = fsspec.filesystem("memory")
    yield filesystem
    filesystem.store.clear()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "output.coffea"
    path.write_bytes(b"result" * 1000)
    return path


def stage(place: Destination, file: Path) -> Any:
    pauses: list[float] = []
    (found,) = place.stage([(file, "sub/output.coffea")], sleep=pauses.append)
    return found, pauses


def test_to_a_url(memory: Any, file: Path) -> None:
    found, pauses = stage(stageout.destination("memory://store/me"), file)
    assert found.path == "/store/me/sub/output.coffea"
    assert memory.cat_file(found.path) == file.read_bytes()
    assert memory.find("/store") == [found.path]  # nothing temporary is left
    assert pauses == []


def test_what_is_there_is_replaced_if_it_differs(memory: Any, file: Path) -> None:
    place = stageout.destination("memory://store/me")
    stage(place, file)
    file.write_bytes(b"another")
    found, _ = stage(place, file)
    assert memory.cat_file(found.path) == b"another"


@pytest.mark.parametrize("kind", ["short", "altered", "refused"])
def test_tried_again_until_it_is_right(
    memory: Any, file: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []
    put = memory.put_file

    def badly(local: str, remote: str, **more: Any) -> None:
        tries.append(remote)
        if len(tries) > 2:
            put(local, remote)
        elif kind == "refused":
            raise OSError("try again later")
        else:
            content = file.read_bytes()
            memory.pipe_file(remote, content[:-1] if kind == "short" else content[:-1] + b"X")

    monkeypatch.setattr(memory, "put_file", badly)
    found, pauses = stage(Destination(url="memory://s", filesystem=memory, root="/s"), file)
    assert memory.cat_file(found.path) == file.read_bytes()
    assert memory.find("/s") == [found.path]
    assert pauses == [2.0, 4.0]


def test_given_up_with_what_to_do(memory: Any, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(local: str, remote: str, **more: Any) -> None:
        raise OSError("quota exceeded")

    monkeypatch.setattr(memory, "put_file", never)
    with pytest.raises(OutputError, match="4 tries: OSError: quota exceeded") as caught:
        stage(Destination(url="memory://s", filesystem=memory, root="/s"), file)
    assert "safe where it is" in caught.value.hint


def test_nothing_that_writes_there() -> None:
    with pytest.raises(UsageError, match="nosuch"):
        stageout.destination("nosuch://host/path")
