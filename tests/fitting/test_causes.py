"""Each way in which a chunk can go wrong, on the real engine: what is kept, what is said, and how it ends."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nanoaod
import pytest
import running

from wq_runner.run_events import Accepted, Decided

FILES, ENTRIES = 10, 1000
TROUBLES = Path(__file__).parents[1] / "troubles.py"
MISSING = dict[tuple[str, int, int], str]


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory A with ten files of 1000 entries."""
    directory = tmp_path_factory.mktemp("trees") / "A"
    for number in range(FILES):
        nanoaod.write_simple(directory / f"f{number}.root", ENTRIES, basket=100)
    return directory


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    """Make the directory in which attempts leave their marks."""
    (tmp_path / "marks").mkdir()
    return tmp_path / "marks"


def run(
    samples: Path,
    cwd: Path,
    *options: object,
    what: str,
    files: int = FILES,
    executor: tuple[object, ...] = ("--workers", "local:2x1x1GB"),
    **arguments: object,
) -> running.Ended:
    """Run the processor that goes wrong, in `out`."""
    given = {"what": what, **arguments}
    return running.run(
        *("-p", f"{TROUBLES}:Troubled", "--schema", "BaseSchema", "-o", "out", "--limit-files", files),
        *(part for name, value in given.items() for part in ("--processor-args", f"{name}={value}")),
        *(*executor, *options, samples),
        cwd=cwd,
    )


def missing(cwd: Path) -> MISSING:
    """Return what run.json says is not in the result, and why."""
    found = running.summary(cwd / "out")["missing"]
    return {(Path(one["path"]).name, one.get("start", 0), one.get("stop", 0)): one["reason"] for one in found}


def assert_all_but(lost: int, cwd: Path, files: int = FILES) -> None:
    """Check that the result holds every entry once, but for those that are known to be lost."""
    wanted = files * ENTRIES - lost
    assert running.output(cwd / "out")["entries"] == wanted
    ranges: dict[str, list[tuple[int, int]]] = {}
    for event in running.events_of(cwd / "out"):
        if isinstance(event, Accepted) and event.category == "processing":
            for path, _, start, stop, _ in event.items:
                ranges.setdefault(path, []).append((start, stop))
    assert sum(stop - start for found in ranges.values() for start, stop in found) == wanted
    for found in ranges.values():
        assert all(one[1] <= two[0] for one, two in zip(sorted(found), sorted(found)[1:], strict=False))


def decisions(cwd: Path) -> list[Decided]:
    return [event for event in running.events_of(cwd / "out") if isinstance(event, Decided)]


# -- events that end more than themselves


@pytest.mark.parametrize(("what", "how"), [("exit", "exit code 3"), ("segv", "SIGSEGV")])
def test_events_that_end_the_interpreter_are_found(trees: Path, tmp_path: Path, what: str, how: str) -> None:
    ended = run(
        trees, tmp_path, "--chunksize", 500, "--min-chunk", 50, what=what, file="f1.root", entry=123, files=3
    )
    assert ended.code == 3, ended.out + ended.err
    ((name, start, stop),) = missing(tmp_path)
    assert name == "f1.root"
    assert start <= 123 < stop <= start + 50
    assert_all_but(stop - start, tmp_path, files=3)
    assert how in ended.error
    assert f"f1.root events {start}-{stop}" in ended.error


def test_events_that_end_their_workers_are_found(trees: Path, tmp_path: Path) -> None:
    options = ["--chunksize", 500, "--min-chunk", 250]
    ended = run(trees, tmp_path, *options, what="kill_worker", file="f1.root", entry=123, files=2)
    assert ended.code == 3, ended.out + ended.err
    assert list(missing(tmp_path)) == [("f1.root", 0, 250)]
    assert_all_but(250, tmp_path, files=2)
    assert "its worker was lost each time (these events end their workers)" in ended.error


LOCAL = ("--workers", "local:2x1x1GB")
FUTURES = ("-e", "futures", "-w", 2)


@pytest.mark.parametrize("executor", [LOCAL, FUTURES], ids=["work_queue", "futures"])
def test_an_interpreter_that_always_dies_stops_the_run(
    trees: Path, tmp_path: Path, marks: Path, executor: tuple[object, ...]
) -> None:
    ended = run(trees, tmp_path, "--chunksize", 500, what="segv", marks=marks, executor=executor)
    assert ended.code == 6, ended.out + ended.err
    assert "the same way in 3 files, and nothing was done" in ended.error
    assert len({mark.name.split("-")[0] for mark in marks.iterdir()}) <= 3


def test_a_neighbour_in_the_pool_is_not_blamed(trees: Path, tmp_path: Path) -> None:
    options = ["--chunksize", 500, "--min-chunk", 250]
    ended = run(trees, tmp_path, *options, what="exit", file="f1.root", entry=123, files=3, executor=FUTURES)
    assert ended.code == 3, ended.out + ended.err
    assert list(missing(tmp_path)) == [("f1.root", 0, 250)]
    assert_all_but(250, tmp_path, files=3)
    assert "exit code 3" in ended.error


# -- the processor


@pytest.mark.parametrize("executor", [LOCAL, FUTURES, ("-e", "iterative")], ids=lambda given: given[1])
def test_a_processor_that_leaves_failed(
    trees: Path, tmp_path: Path, marks: Path, executor: tuple[object, ...]
) -> None:
    ended = run(trees, tmp_path, "--chunksize", 500, what="leave", marks=marks, executor=executor)
    assert ended.code == 6
    assert ended.error.count("SystemExit: there are no corrections for this era") == 1
    assert len({mark.name.split("-")[0] for mark in marks.iterdir()}) <= 3


@pytest.mark.parametrize(("share", "reason"), [("0", "attempt 2 of 2"), ("50%", "the same way in 3 files")])
def test_an_error_in_every_chunk_is_shown_once(
    trees: Path, tmp_path: Path, marks: Path, share: str, reason: str
) -> None:
    options = ["--chunksize", 500, "--max-failed", share]
    ended = run(trees, tmp_path, *options, what="error", marks=marks)
    assert ended.code == 6
    assert reason in ended.error
    assert ended.error.count("ValueError: on purpose") == 1
    assert ended.error.count("raise ValueError") == 1
    assert "--select A:f" in ended.error
    assert len({mark.name.split("-")[0] for mark in marks.iterdir()}) <= 3


def test_an_error_in_every_chunk_of_one_file(trees: Path, tmp_path: Path, marks: Path) -> None:
    ended = run(trees, tmp_path, "--chunksize", 50, "--max-failed", "50%", what="error", marks=marks, files=1)
    assert ended.code == 6
    assert "the same way in 3 chunks" in ended.error
    assert len({mark.name.rpartition("-")[0] for mark in marks.iterdir()}) <= 5


def test_an_error_in_one_chunk_of_a_hundred_stops_the_run(trees: Path, tmp_path: Path, marks: Path) -> None:
    ended = run(trees, tmp_path, "--chunksize", 100, what="error", file="f4.root", entry=250, marks=marks)
    assert ended.code == 6
    assert "A, f4.root, events 200-300" in ended.error
    assert len(list(marks.glob("f4-200-*"))) == 2, "once more, elsewhere"


@pytest.mark.parametrize(("share", "code"), [("1%", 3), ("0.5%", 6)])
def test_as_many_may_fail_as_is_said(trees: Path, tmp_path: Path, share: str, code: int) -> None:
    ended = run(
        trees, tmp_path, "--chunksize", 100, "--max-failed", share, what="error", file="f4.root", entry=250
    )
    assert ended.code == code
    if code == 3:
        ((place, reason),) = missing(tmp_path).items()
        assert place == ("f4.root", 200, 300)
        assert reason == "ValueError: on purpose, from entry 200 (attempt 2 of 2; within --max-failed)"
        assert_all_but(100, tmp_path)


def test_an_error_that_does_not_come_again_costs_nothing(trees: Path, tmp_path: Path, marks: Path) -> None:
    ended = run(trees, tmp_path, what="error", file="f4.root", marks=marks, times=1)
    assert ended.code == 0
    assert_all_but(0, tmp_path)


def test_a_result_that_cannot_be_pickled(trees: Path, tmp_path: Path) -> None:
    ended = run(trees, tmp_path, "--chunksize", 100, what="lock", file="f4.root", entry=250)
    assert ended.code == 6
    assert "cannot pickle '_thread.lock' object" in ended.error
    assert "A, f4.root, events 200-300" in ended.error
    ended = run(
        trees, tmp_path, "--chunksize", 100, "--max-failed", "1%", what="lock", file="f4.root", entry=250
    )
    assert ended.code == 3
    assert list(missing(tmp_path)) == [("f4.root", 200, 300)]
    assert_all_but(100, tmp_path)


def test_a_processor_that_returns_nothing(trees: Path, tmp_path: Path) -> None:
    ended = run(trees, tmp_path, what="nothing")
    assert ended.code == 6
    assert ended.error.count("returned None, so that there is nothing to add up") == 1


def test_a_chunk_that_returns_nothing(trees: Path, tmp_path: Path) -> None:
    options = ["--chunksize", 100, "--max-failed", "1%"]
    ended = run(trees, tmp_path, *options, what="nothing", file="f4.root", entry=250)
    assert ended.code == 3
    ((place, reason),) = missing(tmp_path).items()
    assert place == ("f4.root", 200, 300)
    assert "returned None, so that there is nothing to add up" in reason
    assert_all_but(100, tmp_path)


def test_a_chunk_without_an_event_that_passes(trees: Path, tmp_path: Path) -> None:
    ended = run(trees, tmp_path, "--chunksize", 100, what="cut", file="f4.root", entry=250)
    assert ended.code == 0
    assert running.output(tmp_path / "out")["entries"] == FILES * ENTRIES - 100
    assert running.summary(tmp_path / "out")["datasets"]["A"]["events_processed"] == FILES * ENTRIES


def test_files_without_events(tmp_path: Path) -> None:
    for number, entries in enumerate((0, ENTRIES, 0)):
        nanoaod.write_simple(tmp_path / "A" / f"f{number}.root", entries)
    ended = run(tmp_path / "A", tmp_path, what="error", file="none")
    assert ended.code == 0, ended.out + ended.err
    assert_all_but(0, tmp_path, files=1)


# -- the input


@pytest.fixture
def copies(trees: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trees, tmp_path / "copies" / "A"))


def test_a_file_that_is_cut_in_half(copies: Path, tmp_path: Path) -> None:
    nanoaod.cut_in_half(copies / "f4.root")
    ended = run(copies, tmp_path, what="process")
    assert ended.code == 2
    assert "f4.root" in ended.error
    assert "--skip-bad-files" in ended.error
    ended = run(copies, tmp_path, "--skip-bad-files", what="error", file="none")
    assert ended.code == 3
    assert list(missing(tmp_path)) == [("f4.root", 0, 0)]
    assert_all_but(ENTRIES, tmp_path)


@pytest.mark.parametrize("skip", [True, False])
def test_a_file_that_disappears(copies: Path, tmp_path: Path, skip: bool) -> None:
    gate = tmp_path / "gate"
    options = ["--skip-bad-files"] if skip else []
    with running.running(
        *("-p", f"{TROUBLES.with_name('analysis.py')}:Gated", "--processor-args", f"gate={gate}"),
        *(
            "--schema",
            "BaseSchema",
            "-o",
            "out",
            "--chunksize",
            500,
            "--workers",
            "local:2",
            *options,
            copies,
        ),
        cwd=tmp_path,
    ) as process:
        running.until(lambda: running.accepted(tmp_path / "out"), "the first chunk")
        (copies / "f8.root").unlink()
        gate.touch()
        ended = running.finish(process)
    assert "f8.root" in ended.error
    assert ended.code == (3 if skip else 2), ended.out + ended.err
    if skip:
        lost = missing(tmp_path)
        assert {name for name, _, _ in lost} == {"f8.root"}
        assert all("unreadable 3 of 3 times" in reason for reason in lost.values())
        assert_all_but(sum(stop - start for _, start, stop in lost), tmp_path)


@pytest.mark.parametrize("what", ["hang", "read_fifo"])
def test_a_chunk_that_never_ends(copies: Path, tmp_path: Path, what: str) -> None:
    os.mkfifo(copies / "fifo")
    ended = run(
        copies,
        tmp_path,
        "--chunksize",
        500,
        "--stall-time",
        1.5,
        what=what,
        file="f1.root",
        entry=123,
        files=3,
    )
    assert ended.code == 3, ended.out + ended.err
    assert missing(tmp_path) == {("f1.root", 0, 500): "nothing happened for 2 s (attempt 3 of 3)"}
    assert_all_but(500, tmp_path, files=3)


def test_a_chunk_that_hangs_once(trees: Path, tmp_path: Path, marks: Path) -> None:
    ended = run(trees, tmp_path, "--stall-time", 1.5, what="hang", file="f1.root", marks=marks, times=1)
    assert ended.code == 0
    assert [(one.action, one.cause) for one in decisions(tmp_path)] == [("retry", "stalled")]
    assert_all_but(0, tmp_path)
