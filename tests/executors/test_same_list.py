"""What can go wrong with a chunk, in every executor whose processes stay: the same is kept and said.

`tests/fitting` has the same list for Work Queue, crashes in a pool, and `sys.exit` in most of them; crashes
in Dask and Parsl are in `test_executors.py`.
"""

from __future__ import annotations

from pathlib import Path

import nanoaod
import pytest
import running

from wq_runner.run_events import Decided

FILES, EVENTS = 4, 100
TROUBLES = Path(running.__file__).with_name("troubles.py")
CUT = ("--schema", "BaseSchema", "--task-time", 0, "-o", "out", "-w", 2)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("list") / "data"
    for number in range(FILES):
        nanoaod.write_simple(directory / f"f{number}.root", EVENTS)
    return directory


def run(data: Path, cwd: Path, name: str, *options: object, **given: object) -> running.Ended:
    """Run a processor that goes wrong."""
    arguments = [word for key, value in given.items() for word in ("--processor-args", f"{key}={value}")]
    return running.run("-p", f"{TROUBLES}:{name}", *arguments, *CUT, *options, data, cwd=cwd)


@pytest.mark.parametrize("executor", ["futures", "dask", "parsl"])
def test_a_chunk_that_hangs_is_ended_and_costs_nothing(data: Path, tmp_path: Path, executor: str) -> None:
    """Those that run beside it are in the result, though processes of the pool end with it."""
    marks = tmp_path / "marks"
    marks.mkdir()
    given = {"what": "hang", "file": "f1.root", "marks": marks, "times": 1}
    whole = ("--chunksize", EVENTS, "--stall-time", 3)
    ended = run(data, tmp_path, "Troubled", *whole, "-e", executor, **given)
    assert ended.code == 0, ended.out + ended.err
    assert running.output(tmp_path / "out")["entries"] == FILES * EVENTS
    decided = [one for one in running.events_of(tmp_path / "out") if isinstance(one, Decided)]
    assert [(one.action, one.cause) for one in decided] == [("retry", "stalled")]


def test_a_chunk_that_takes_too_much_memory_costs_itself_only(data: Path, tmp_path: Path) -> None:
    limits = ("--memory", "700MB", "--max-failed", "50%", "--chunksize", EVENTS, "--min-chunk", EVENTS)
    given = {"what": "devour", "file": "f1.root"}
    ended = run(data, tmp_path, "Troubled", *limits, "-e", "futures", **given)
    assert ended.code == 3, ended.out + ended.err
    assert running.output(tmp_path / "out")["entries"] == (FILES - 1) * EVENTS
    (missing,) = running.summary(tmp_path / "out")["missing"]
    assert missing["path"].endswith("f1.root")
    assert " MB allocated" in missing["reason"]


def test_sys_exit_in_all_chunks_stops_the_run(data: Path, tmp_path: Path) -> None:
    ended = run(data, tmp_path, "Troubled", "--chunksize", EVENTS, "-e", "dask", what="leave")
    assert ended.code == 6, ended.out + ended.err
    assert "there are no corrections for this era" in ended.error
    assert running.accepted(tmp_path / "out") == 0
