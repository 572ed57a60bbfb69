"""Places that results are staged out to have one owner, and hold what belongs there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from wq_runner.errors import OutputError, UsageError
from wq_runner.output import ownership, stageout
from wq_runner.output.ownership import NAME, OF_A_RUN, Owner
from wq_runner.output.stageout import Destination

ME = Owner(run="1", place="host:/mine")
YOU = Owner(run="2", place="host:/yours")


@pytest.fixture(params=["local", "memory"])
def place(request: Any, tmp_path: Path) -> Iterator[Destination]:
    memory = fsspec.filesystem("memory")
    yield stageout.destination(str(tmp_path / "there") if request.param == "local" else "memory://there/x")
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]


def bring(place: Destination, owner: Owner, tmp_path: Path, **texts: str) -> None:
    files = []
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        files.append((tmp_path / name, f"files/{name}"))
    ownership.bring(place, owner, files, OF_A_RUN, sleep=lambda _: None)


def there(place: Destination) -> dict[str, str]:
    start = len(place.root) + 1
    return {
        str(path)[start:]: place.filesystem.cat_file(path).decode()
        for path in place.filesystem.find(place.root)
        if not str(path).endswith(NAME)
    }


def test_the_same_run_again_leaves_nothing_of_before(place: Destination, tmp_path: Path) -> None:
    bring(place, ME, tmp_path, a="1", b="1")
    place.filesystem.pipe_file(f"{place.root}/notes", b"of somebody")
    bring(place, ME, tmp_path, b="2", c="2")
    assert there(place) == {"files/b": "2", "files/c": "2", "notes": "of somebody"}
    found = ownership.read(place)
    assert found is not None
    assert (found.owner, list(found.files), found.whole) == (ME, ["files/b", "files/c"], True)


def test_another_run_is_refused(place: Destination, tmp_path: Path) -> None:
    bring(place, ME, tmp_path, a="1")
    with pytest.raises(UsageError, match="has the result of another run: host:/mine") as caught:
        bring(place, YOU, tmp_path, a="2")
    assert "choose another place" in caught.value.hint
    assert there(place) == {"files/a": "1"}


def test_taken_before_anything_is_there(place: Destination, tmp_path: Path) -> None:
    assert ownership.claim(place, ME, OF_A_RUN) == ()
    with pytest.raises(UsageError, match="another run"):
        ownership.claim(place, YOU, OF_A_RUN)
    bring(place, ME, tmp_path, a="1")


@pytest.mark.parametrize("name", ["run.json", "files/x.parquet", "outputs/a.coffea"])
def test_what_nobody_owns_is_not_overwritten(place: Destination, name: str) -> None:
    place.filesystem.makedirs(f"{place.root}/{name}".rpartition("/")[0], exist_ok=True)
    place.filesystem.pipe_file(f"{place.root}/{name}", b"of an older version")
    with pytest.raises(UsageError, match="nothing says of which run"):
        ownership.claim(place, ME, OF_A_RUN)


def test_killed_on_the_way(place: Destination, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(place, ME, tmp_path, a="1", b="1")
    with monkeypatch.context() as patch:
        patch.setattr(ownership, "_remove", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            bring(place, ME, tmp_path, c="2")
    found = ownership.read(place)
    assert found is not None
    assert not found.whole
    bring(place, ME, tmp_path, c="3")
    assert there(place) == {"files/c": "3"}


def test_taken_meanwhile(place: Destination, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Destination,
        "stage",
        lambda self, files, sleep, stage=Destination.stage: (
            [*stage(self, files, sleep)]
            if files[0][1] == NAME
            else [*stage(self, files, sleep), *_taken(self, stage, tmp_path)]
        ),
    )
    with pytest.raises(OutputError, match="was taken by another run meanwhile"):
        bring(place, ME, tmp_path, a="1")


def _taken(place: Destination, stage: Any, tmp_path: Path) -> list[Any]:
    from wq_runner import checksums

    path = tmp_path / NAME
    checksums.write_json(path, {"run": "2", "place": "x", "whole": False, "files": []})
    stage(place, [(path, NAME)])
    return []


def test_what_is_written_there_is_damaged(place: Destination, tmp_path: Path) -> None:
    bring(place, ME, tmp_path, a="1", b="1")
    content = place.filesystem.cat_file(f"{place.root}/{NAME}")
    place.filesystem.pipe_file(f"{place.root}/{NAME}", content.replace(b'"1"', b'"3"'))
    with pytest.raises(UsageError, match="damaged"):
        ownership.claim(place, ME, OF_A_RUN)
    assert ownership.claim(place, ME, OF_A_RUN, known=["files/a", "files/b"]) == ["files/a", "files/b"]
    bring(place, ME, tmp_path, b="2")
    assert there(place) == {"files/b": "2"}
