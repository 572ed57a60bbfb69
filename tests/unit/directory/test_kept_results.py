"""Results are kept by what they are made of: nothing is lost, whatever moment a process is killed at."""

from __future__ import annotations

import io
import itertools
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from wq_runner import checksums, kept_results, summary
from wq_runner.config.options import RunOptions, defaulted
from wq_runner.config.resolved import resolve
from wq_runner.directory import resume
from wq_runner.directory.opening import open_directory
from wq_runner.errors import OutputError
from wq_runner.fingerprint.identity import Places
from wq_runner.journal import Journal
from wq_runner.kept_results import Identity
from wq_runner.run_events import Accepted, Fingerprint
from wq_runner.system import RunPaths


class Killed(BaseException):
    pass


def made_of(name: str, inputs: str = "all") -> Identity:
    return Identity(fingerprint={"the processor": name}, late={}, inputs=inputs)


def write(paths: RunPaths, name: str, *, complete: bool = True) -> None:
    """Leave what a run leaves: files and directories that all say whose they are."""
    paths.ledger.mkdir(parents=True, exist_ok=True)
    paths.files.mkdir()
    for path in (paths.output, paths.ledger / "part-1", paths.files / "a.root", paths.debug_log):
        path.write_text(name)
    journal = Journal(paths.journal)
    journal.record(Fingerprint(values={"the processor": name}))
    journal.record(
        Accepted(task=1, category="processing", dataset="A", events=1, items=(("a", "t", 0, 1, "u.i"),))
    )
    journal.close()
    record = {
        "state": "ended",
        "complete": complete,
        "fingerprint": {"the processor": name},
        "inputs": "all",
        "options": {"processor": {"value": f"p.py:{name}"}},
    }
    checksums.write_json(paths.summary, record)


def is_whole(paths: RunPaths, name: str) -> bool:
    """Whether a directory holds a result, all of it, and nothing of another one."""
    record = summary.look(paths)
    return (
        record is not None
        and record["fingerprint"] == {"the processor": name}
        and resume.identity_of(paths).fingerprint == {"the processor": name}
        and all(
            path.read_text() == name
            for path in (paths.output, paths.ledger / "part-1", paths.files / "a.root")
        )
    )


def whole(paths: RunPaths) -> list[str]:
    """Return the results that are there, at the top and kept."""
    places = [paths, *(one.paths for one in kept_results.kept(paths))]
    return [name for name in "ABCDE" for place in places if is_whole(place, name)]


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    found = RunPaths(root=tmp_path / "out")
    write(found, "A")
    return found


def open_again(paths: RunPaths) -> None:
    _, lock = open_directory(paths.root)
    with lock:
        pass


def switch(paths: RunPaths) -> None:
    """Keep the result that is there, and go back to the one that is kept."""
    (before,) = kept_results.kept(paths)
    kept_results.put_away(paths, made_of("B"))
    kept_results.bring_back(paths, before)


def moments(monkeypatch: pytest.MonkeyPatch, what: Any) -> Any:
    """Do it, killed before each change of a name, one after the other; yield each time."""
    rename, replace = Path.rename, Path.replace
    for moment in itertools.count():
        left = itertools.count(moment, -1)

        def counted(self: Path, target: Path, left: Any = left, how: Any = rename) -> Path:
            if next(left) == 0:
                raise Killed
            return Path(how(self, target))

        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", counted)
            patch.setattr(Path, "replace", lambda self, target, how=counted: how(self, target, how=replace))
            try:
                what()
            except Killed:
                yield moment
            else:
                return


def test_killed_between_any_two_renames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = itertools.count()

    def new() -> RunPaths:
        found = RunPaths(root=tmp_path / str(next(count)))
        write(found, "A")
        kept_results.put_away(found, made_of("A"))
        write(found, "B")
        return found

    new_ones, there = [new() for _ in range(25)], list[RunPaths]()

    def switch_anew() -> None:
        there.append(new_ones.pop())
        switch(there[-1])

    seen = 0
    for seen in moments(monkeypatch, switch_anew):  # noqa: B007 - counted
        paths = there[-1]
        if not is_whole(paths, "A") and not is_whole(paths, "B"):  # nobody takes a half for a result
            assert summary.look(paths) is None
        open_again(paths)
        assert whole(paths) == ["A", "B"]
        assert not [path for path in paths.kept.iterdir() if path.name.startswith(".")]
        if not kept_results.is_something(paths):  # it was killed in between
            kept_results.bring_back(paths, kept_results.kept(paths)[-1])
        assert is_whole(paths, "A") or is_whole(paths, "B")
    assert seen > 12
    assert is_whole(there[-1], "A")


def test_a_copy_is_whole_or_not_there(paths: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in moments(monkeypatch, lambda: kept_results.put_copy(paths, made_of("A"))):
        open_again(paths)
        assert whole(paths) == ["A"]
    assert whole(paths) == ["A", "A"]
    journal = Journal(paths.journal)
    journal.record(Fingerprint(values={"the processor": "B"}))
    journal.close()
    (kept,) = kept_results.kept(paths)
    found = resume.earlier(kept.paths)
    assert found is not None
    assert found.fingerprint == {"the processor": "A"}  # what the newest goes on with is not in the copy


def test_a_copy_where_files_have_but_one_name(paths: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError("not here")

    monkeypatch.setattr("os.link", refused)
    kept_results.put_copy(paths, made_of("A"))
    assert whole(paths) == ["A", "A"]


def keep(paths: RunPaths, *names: str, complete: bool = True) -> None:
    for name in names:
        write(paths, name, complete=complete)
        kept_results.put_away(paths, made_of(name))


def test_the_oldest_go(paths: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    kept_results.put_away(paths, made_of("A"))
    monkeypatch.setattr("time.time", itertools.count(1e9, -3600).__next__)  # the clock goes backwards
    keep(paths, "B", "C", "D")
    write(paths, "E")
    kept_results.prune(paths, 2, made_of("E"), complete=True)
    assert [one.title for one in kept_results.kept(paths)] == ["D", "C"]
    kept_results.prune(paths, 0, made_of("E"), complete=True)
    assert not paths.kept.exists()
    assert whole(paths) == ["E"]


def test_what_is_complete_stays_until_something_is(paths: RunPaths) -> None:
    kept_results.put_away(paths, made_of("A"))
    keep(paths, "B", "C", complete=False)
    write(paths, "D", complete=False)
    kept_results.prune(paths, 1, made_of("D"), complete=False)
    assert [one.title for one in kept_results.kept(paths)] == ["C", "A"]
    kept_results.prune(paths, 0, made_of("D"), complete=False)
    assert [one.title for one in kept_results.kept(paths)] == ["A"]


def test_what_was_made_again_replaces_what_it_was(paths: RunPaths) -> None:
    kept_results.put_away(paths, made_of("A"))
    write(paths, "A")
    kept_results.prune(paths, 3, made_of("A", "fewer"), complete=True)
    assert len(kept_results.kept(paths)) == 1
    kept_results.prune(paths, 3, made_of("A"), complete=True)
    assert kept_results.kept(paths) == []


def start(paths: RunPaths, name: str) -> str:
    said = io.StringIO()
    settings, places = resolve(defaulted(RunOptions())).output, Places(base=paths.root)
    now = {"the processor": name}
    resume.start(paths, resume.earlier(paths), now, places, settings, Console(file=said, width=300))
    return said.getvalue()


def test_another_start_says_where_the_result_is(paths: RunPaths) -> None:
    said = start(paths, "B")
    (kept,) = kept_results.kept(paths)
    assert f"was moved to {kept.paths.root}/" in said
    assert "(A, complete" in said
    assert is_whole(kept.paths, "A")
    assert not kept_results.is_something(paths)


def test_a_start_that_did_nothing_is_not_kept(paths: RunPaths) -> None:
    start(paths, "B")
    journal = Journal(paths.journal)
    journal.record(Fingerprint(values={"the processor": "B"}))
    journal.close()
    assert "kept" not in start(paths, "C")
    assert [one.title for one in kept_results.kept(paths)] == ["A"]


def test_a_result_without_its_ledger_is_kept_as_well(paths: RunPaths) -> None:
    paths.journal.unlink()
    (paths.ledger / "part-1").unlink()
    start(paths, "B")
    (kept,) = kept_results.kept(paths)
    assert kept.paths.output.read_text() == "A"


def test_what_says_of_a_result_what_it_is_may_be_damaged(paths: RunPaths) -> None:
    kept = kept_results.put_away(paths, made_of("A"))
    kept.paths.kept_record.write_text("x")
    (found,) = kept_results.kept(paths)
    assert found.identity == made_of("A")
    assert found.complete


def test_who_reads_a_kept_result_keeps_it_where_it_is(paths: RunPaths) -> None:
    kept = kept_results.put_away(paths, made_of("A"))
    open_again(paths)
    with summary.held(kept.paths.root):
        assert summary.is_held(paths)


def test_nothing_runs_in_a_kept_result(paths: RunPaths) -> None:
    kept = kept_results.put_away(paths, made_of("A"))
    with pytest.raises(OutputError, match="keeps: nothing runs there"):
        open_directory(kept.paths.root)


def test_nobody_else_writes_to_kept_results(paths: RunPaths) -> None:
    before = os.umask(0)
    try:
        kept = kept_results.put_away(paths, made_of("A"))
    finally:
        os.umask(before)
    for directory in (paths.kept, kept.paths.root):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o755
