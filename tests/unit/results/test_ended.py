"""Runs that are read: their record and their ledger agree, and nothing goes on in them meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wq_runner import checksums, summary
from wq_runner.directory import earlier
from wq_runner.directory.opening import open_directory
from wq_runner.directory.record import Record
from wq_runner.errors import UsageError
from wq_runner.ledger.ledger import Holding, Recovered
from wq_runner.results import ended
from wq_runner.system import RunPaths


def recovered(**events: tuple[int, int]) -> Recovered:
    held = tuple(
        Holding(
            name=f"part-{number}",
            dataset="A",
            tasks=(number,),
            items=((f"/{name}.root", "Events", start, stop, "ab"),),
        )
        for number, (name, (start, stop)) in enumerate(events.items())
    )
    return Recovered(holdings=held)


def record(*missing: dict[str, Any], **planned: int) -> dict[str, Any]:
    return {
        "files": [{"dataset": "A", "path": f"/{name}.root", "planned": n} for name, n in planned.items()],
        "missing": [{"dataset": "A", "reason": "", **one} for one in missing],
    }


PART = {"path": "/a.root", "start": 60, "stop": 100}


@pytest.mark.parametrize(
    ("planned", "held"),
    [
        (record(a=100, b=50), recovered(a=(0, 100), b=(0, 50))),
        (record(PART, a=100), recovered(a=(0, 60))),
        (record({"path": "/c.root"}, a=100, c=0), recovered(a=(0, 100))),
        (record(a=0), recovered(a=(0, 0))),
    ],
    ids=["whole", "a part is missing", "a file is missing", "empty"],
)
def test_they_agree(planned: dict[str, Any], held: Recovered) -> None:
    assert ended.disagreement(planned, held) == ""


@pytest.mark.parametrize(
    ("planned", "held"),
    [
        (record(a=100, b=50), recovered(a=(0, 100))),
        (record(a=100), recovered(a=(0, 60))),
        (record(PART, a=100), recovered(a=(0, 100))),
        (record(a=100), recovered(a=(0, 100), b=(0, 50))),
    ],
    ids=["a file is not there", "less", "more", "another file"],
)
def test_they_do_not(planned: dict[str, Any], held: Recovered) -> None:
    assert "events are in the result by run.json, and" in ended.disagreement(planned, held)


def test_nobody_goes_on_with_a_run_that_is_read(tmp_path: Path) -> None:
    _, lock = open_directory(tmp_path)
    with lock, pytest.raises(UsageError, match="a wq-run works in"), summary.held(tmp_path):
        pass
    with summary.held(tmp_path):
        assert summary.is_held(RunPaths(root=tmp_path))
    assert not summary.is_held(RunPaths(root=tmp_path))


@pytest.mark.parametrize("going_on", [True, False])
def test_a_run_that_has_not_ended_has_no_result(tmp_path: Path, going_on: bool) -> None:
    paths, lock = open_directory(tmp_path)
    checksums.write_json(paths.summary, {"state": "running", "complete": False})
    if not going_on:
        with lock:
            pass
    with pytest.raises(UsageError, match="a wq-run works in" if going_on else "was killed before its end"):
        ended.read_run(tmp_path)
    if going_on:
        with lock:
            pass
    with pytest.raises(UsageError, match="was killed before its end"), ended.held([tmp_path]):
        pass


def test_a_run_that_was_not_accounted_for_has_none(tmp_path: Path) -> None:
    checksums.write_json(tmp_path / "run.json", {"state": "ended", "datasets": {}, "exit_code": 6})
    (tmp_path / "journal.jsonl").touch()
    with pytest.raises(UsageError, match=r"ended before it was accounted for \(exit code 6\)"):
        ended.read_run(tmp_path)


def test_a_run_named_twice(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match="is named twice"),
        ended.held([tmp_path, tmp_path / ".." / tmp_path.name]),
    ):
        pass


def a_record() -> Record:
    return Record(command=[], options={}, samples=[], started=1.0, run="r")


@pytest.fixture
def quiet() -> Any:
    import io

    from rich.console import Console

    return Console(file=io.StringIO())


def finish(paths: RunPaths, text: str, *, complete: bool) -> None:
    paths.output.write_text(text)
    outputs = [{"path": "output.coffea"}]
    checksums.write_json(
        paths.summary, {"run": "r", "state": "ended", "complete": complete, "outputs": outputs}
    )


def test_put_aside_whatever_moment_it_is_killed_at(
    tmp_path: Path, quiet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = RunPaths(root=tmp_path)
    finish(paths, "whole", complete=True)
    with monkeypatch.context() as patch:
        patch.setattr(earlier, "_move", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            earlier.put_aside(paths, a_record(), quiet)
    assert summary.is_running(summary.look(paths))
    earlier.put_aside(paths, a_record(), quiet)
    assert not paths.output.exists()
    assert (paths.earlier / "output.coffea").read_text() == "whole"
    paths.output.write_text("of a process that was killed before it said so")
    earlier.put_aside(paths, a_record(), quiet)
    assert not paths.output.exists()
    assert (paths.earlier / "output.coffea").read_text() == "whole"


def test_what_is_complete_is_kept_until_something_is(tmp_path: Path, quiet: Any) -> None:
    paths = RunPaths(root=tmp_path)
    finish(paths, "whole", complete=True)
    for _ in range(2):
        earlier.put_aside(paths, a_record(), quiet)
        finish(paths, "part", complete=False)
    earlier.put_aside(paths, a_record(), quiet)
    assert (paths.earlier / "output.coffea").read_text() == "whole"
    assert summary.id_of(paths) == "r"
    finish(paths, "new", complete=True)
    earlier.put_aside(paths, a_record(), quiet)
    assert (paths.earlier / "output.coffea").read_text() == "new"
