"""Events in are events out, whatever the files are like; and what is wrong with them is said clearly."""

from __future__ import annotations

import json
import os
from pathlib import Path

import nanoaod
import pytest
import running

from wq_runner.run_events import PhaseStarted, TaskSubmitted

SUMS = ("-p", f"{running.ANALYSIS}:Sums", "--schema", "BaseSchema")
ODD_FILES = {
    "first/nano.root": 25,
    "second/nano.root": 11,
    "with spaces/mu + e (1).root": 7,
    "größer/données_π.root": 16,
    "empty.root": 0,
    "one.root": 1,
}


@pytest.fixture(scope="session")
def odd_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write files with odd names and sizes, and return their fileset."""
    directory = tmp_path_factory.mktemp("odd files")
    paths = [nanoaod.write_simple(directory / name, size) for name, size in ODD_FILES.items()]
    fileset = {"odd": [str(path) for path in paths[:-1]], "größte Ausnahme": [str(paths[-1])]}
    (directory / "odd.json").write_text(json.dumps(fileset))
    return directory / "odd.json"


@pytest.mark.parametrize(
    ("chunksize", "executor"),
    [(1, "work_queue"), (7, "futures"), (7, "work_queue"), (1000, "iterative"), (10**9, "work_queue")],
)
def test_events_in_are_events_out(odd_files: Path, tmp_path: Path, chunksize: int, executor: str) -> None:
    workers = [] if executor == "iterative" else ["-w", "local:2"]
    options = (*SUMS, "--chunksize", chunksize, "-e", executor, *workers, "-o", "out")
    running.run_well(*options, odd_files, cwd=tmp_path)
    found = running.output(tmp_path / "out")
    sizes = ODD_FILES.values()
    assert found["entries"] == sum(sizes)
    assert found["sum"] == sum(size * (size - 1) // 2 for size in sizes)
    assert found["chunks"] == sum(max(1, -(-size // chunksize)) for size in sizes)
    assert found["by dataset"] == {"odd": sum(sizes) - 1, "größte Ausnahme": 1}
    assert {Path(path).relative_to(odd_files.parent).as_posix() for path, _ in found["files"]} == set(
        ODD_FILES
    )
    assert found["postprocessed"] is True
    datasets = running.summary(tmp_path / "out")["datasets"]
    assert {name: one["events_processed"] for name, one in datasets.items()} == found["by dataset"]


@pytest.fixture(scope="session")
def many_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write 300 files of 10 entries each, and return their directory."""
    directory = tmp_path_factory.mktemp("many")
    one = nanoaod.write_simple(directory / "0.root", 10).read_bytes()
    for number in range(1, 300):
        (directory / f"{number}.root").write_bytes(one)
    return directory


def test_300_files_and_then_none_is_opened_again(many_files: Path, tmp_path: Path) -> None:
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    ended = running.run_well(*SUMS, "-w", "local:2", "-o", "first", many_files, cwd=tmp_path, **cache)
    assert "1 dataset, 300 files, 3,000 events (300 opened in " in ended.out
    found = running.output(tmp_path / "first")
    assert (found["entries"], found["sum"], len(found["files"])) == (3000, 300 * 45, 300)
    assert phases(tmp_path / "first") == ["preprocessing", "processing"]
    batches = [
        event
        for event in running.events_of(tmp_path / "first")
        if isinstance(event, TaskSubmitted) and event.category == "preprocessing"
    ]
    assert len(batches) < 100  # many files a task

    ended = running.run_well("--dry-run", *SUMS, many_files, cwd=tmp_path, **cache)
    assert "1 dataset, 300 files, 3,000 events (300 files known from before)" in ended.out
    options = ("-e", "iterative", "--limit-files", 30, "-o", "second")
    ended = running.run_well(*SUMS, *options, many_files, cwd=tmp_path, **cache)
    assert "(30 files known from before)" in ended.out
    assert phases(tmp_path / "second") == ["processing"]
    assert running.output(tmp_path / "second")["entries"] == 300


def phases(directory: Path) -> list[str]:
    return [one.category for one in running.events_of(directory) if isinstance(one, PhaseStarted)]


def test_one_file(tmp_path: Path) -> None:
    path = nanoaod.write_simple(tmp_path / "one.root", 12)
    running.run_well(*SUMS, "-w", "local:1", path, cwd=tmp_path)
    assert running.output(tmp_path / "wq-run-one")["entries"] == 12


def test_limits_open_only_what_they_need(tmp_path: Path) -> None:
    nanoaod.write_simple(tmp_path / "data" / "a.root", 30)
    nanoaod.write_simple(tmp_path / "data" / "b.root", 30)
    for name in "cdef":
        nanoaod.write_garbage(tmp_path / "data" / f"{name}.root")
    options = (*SUMS, "-e", "iterative", "--chunksize", 10, "-o", "out")
    running.run_well(*options, "--limit-files", 2, "data", cwd=tmp_path)
    assert running.output(tmp_path / "out")["entries"] == 60
    running.run_well(*options, "--limit-chunks", 2, "data", cwd=tmp_path)
    assert running.output(tmp_path / "out")["entries"] == 20


# -- what is wrong with files --


def write_cut(path: Path) -> Path:
    return nanoaod.cut_in_half(nanoaod.write_simple(path, 5000))


def write_other_tree(path: Path) -> Path:
    return nanoaod.write_simple(path, 10, tree="Event")


@pytest.mark.parametrize(
    ("write", "said", "executor"),
    [
        (nanoaod.write_garbage, "not a ROOT file", "iterative"),
        (write_cut, "cut short: ", "iterative"),
        (write_cut, "cut short: ", "work_queue"),
        (write_other_tree, "no tree Events; it has Event", "iterative"),
    ],
    ids=["not ROOT", "cut in half", "cut in half, seen by a worker", "another tree"],
)
def test_a_bad_file_stops_the_run_unless_it_may_be_left_out(
    tmp_path: Path, write: object, said: str, executor: str
) -> None:
    assert callable(write)
    bad = write(tmp_path / "data" / "bad.root")
    nanoaod.write_simple(tmp_path / "data" / "good.root", 20)
    workers = ["-w", "local:1"] if executor == "work_queue" else []
    options = (*SUMS, "-e", executor, *workers, "-o", "out", "data")
    ended = running.run(*options, cwd=tmp_path)
    assert ended.code == 2
    assert f"{bad}" in ended.error
    assert said in ended.error
    assert "--skip-bad-files" in ended.error
    assert not (tmp_path / "out" / "output.coffea").exists()
    assert running.summary(tmp_path / "out")["exit_code"] == 2
    if executor == "work_queue":
        return

    ended = running.run(*options, "--skip-bad-files", cwd=tmp_path)
    assert ended.code == 3
    assert said in ended.error
    assert running.output(tmp_path / "out")["entries"] == 20
    found = running.summary(tmp_path / "out")
    assert (found["exit_code"], found["complete"]) == (3, False)
    assert found["datasets"]["data"]["files_unreadable"] == 1
    assert [one["path"] for one in found["missing"]] == [str(bad)]


def test_a_file_that_goes_bad_after_it_was_counted(tmp_path: Path) -> None:
    nanoaod.write_simple(tmp_path / "data" / "good.root", 20)
    bad = nanoaod.write_simple(tmp_path / "data" / "bad.root", 5000)
    size, times = bad.stat().st_size, (bad.stat().st_atime_ns, bad.stat().st_mtime_ns)
    options = (*SUMS, "-e", "iterative", "data")
    running.run_well(*options, cwd=tmp_path)
    bad.write_bytes(bad.read_bytes()[: size // 2] + bytes(size - size // 2))
    os.utime(bad, ns=times)  # the cache takes it for the file that it was
    ended = running.run(*options, "--skip-bad-files", "-o", "out", cwd=tmp_path)
    assert ended.code == 3, ended.err
    found = running.summary(tmp_path / "out")["datasets"]["data"]
    assert (found["events_planned"], found["events_processed"], found["complete"]) == (5020, 20, False)
