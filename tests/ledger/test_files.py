"""Files that a processor writes beside its result: once for each chunk, whatever happened on the way."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import nanoaod
import pyarrow.parquet
import pytest
import running

from wq_runner.run_events import Accepted, Decided

FILES, EVENTS, CHUNK = 4, 1000, 250


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory of files of which two are copies, so that they have the same uuid."""
    directory = tmp_path_factory.mktemp("written") / "data"
    for number in range(FILES):
        nanoaod.write_simple(directory / f"f{number}.root", EVENTS)
    shutil.copy(directory / "f0.root", directory / "copy.root")
    return directory


def run(data: Path, cwd: Path, executor: str, *more: object) -> running.Ended:
    workers = () if executor == "iterative" else ("-w", "local:2" if executor == "work_queue" else 2)
    options = ("--schema", "BaseSchema", "--chunksize", CHUNK, "-e", executor, *workers, "-o", "out")
    return running.run_well("-p", f"{running.ANALYSIS}:Writer", *options, *more, data, cwd=cwd)


def check(out: Path, files: int = FILES + 1, chunks: int | None = 3) -> list[Path]:
    """Every event is in one file, but for those of the chunks that wrote none; and the journal knows all."""
    found = sorted(path for path in (out / "files").rglob("*") if path.is_file())
    values = [value for path in found for value in pyarrow.parquet.read_table(path)["x"].to_pylist()]
    # the chunks that begin at 500 write nothing
    once = [float(x) for x in range(EVENTS) if not 500 <= x < 750]
    assert sorted(values) == sorted(once * files)
    assert running.output(out)["entries"] == files * EVENTS
    listed = [
        file.name for event in running.events_of(out) if isinstance(event, Accepted) for file in event.files
    ]
    assert sorted(listed) == [str(path.relative_to(out / "files")) for path in found]
    assert running.output(out)["written"] == len(values)
    assert chunks is None or len(found) == files * chunks
    return found


@pytest.mark.parametrize("executor", ["iterative", "futures", "work_queue"])
def test_they_come_back(data: Path, tmp_path: Path, executor: str) -> None:
    run(data, tmp_path, executor)
    found = check(tmp_path / "out")
    uuid = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    for path in found:
        assert re.fullmatch(rf"data/([0-9a-f]{{8}}_)?skim_{uuid}_\d+-\d+\.parquet", "/".join(path.parts[-2:]))


def test_as_in_das(data: Path, tmp_path: Path) -> None:
    run(data, tmp_path, "iterative", "--naming", "das")
    names = ["/".join(path.parts[-3:]) for path in check(tmp_path / "out")]
    assert "data/skim/copy_Events_0-250.parquet" in names
    assert "data/skim/f3_Events_750-1000.parquet" in names


@pytest.mark.parametrize("executor", ["futures"])
def test_once_though_the_run_was_killed_and_cut_otherwise(data: Path, tmp_path: Path, executor: str) -> None:
    out = tmp_path / "out"
    options = (
        "--schema",
        "BaseSchema",
        "--chunksize",
        50,
        "--task-time",
        0,
        "-e",
        executor,
        "-w",
        2,
        "-o",
        out,
    )
    for count in (3, 20):
        with running.running("-p", f"{running.ANALYSIS}:Writer", *options, data, cwd=tmp_path) as process:
            running.accepts(out, count)
            process.kill()
            process.communicate()
    ended = run(data, tmp_path, executor, "--chunksize", 125)
    assert "resuming" in ended.out
    check(out, chunks=None)


def test_once_though_tasks_failed_and_were_split(data: Path, tmp_path: Path) -> None:
    """Each chunk fails once, after it wrote: what it left then is not what is kept."""
    ended = run(data, tmp_path, "work_queue", "--processor-args", f'fail_once="{tmp_path / "failed"}"')
    check(tmp_path / "out")
    decided = [event for event in running.events_of(tmp_path / "out") if isinstance(event, Decided)]
    assert decided, ended.out


def test_a_directory_of_ones_own_is_left_alone(data: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    samples = tmp_path / "samples.json"
    samples.write_text(
        json.dumps({"mine": {"files": [str(data / "f0.root")], "metadata": {"output_dir": str(own)}}})
    )
    options = ("--schema", "BaseSchema", "--chunksize", 1000, "-e", "iterative", "-o", "out")
    running.run_well("-p", f"{running.ANALYSIS}:Writer", *options, samples, cwd=tmp_path)
    assert [path.name for path in own.iterdir()] == ["skim.parquet"]
    assert not (tmp_path / "out" / "files").exists()
