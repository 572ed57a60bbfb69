"""A chunk finds what the import of the processor set, and draws its own numbers, in each executor."""

from __future__ import annotations

import ast
import functools
from pathlib import Path
from typing import Any

import nanoaod
import pytest
import running

FILES, EVENTS, CHUNK = 2, 100, 50
MINE = Path(running.__file__).with_name("asimported.py")
OPTIONS = ("--schema", "BaseSchema", "--chunksize", CHUNK, "-o", "out")
EXECUTORS = {
    "iterative": ("-e", "iterative"),
    "futures": ("-e", "futures", "-w", 1),
    "dask": ("-e", "dask", "-w", 1),
    "parsl": ("-e", "parsl", "-w", 1),
    "work_queue": ("-w", "local:1", "--task-time", 0),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("as-imported") / "data"
    for number in range(FILES):
        nanoaod.write_simple(directory / f"f{number}.root", EVENTS)
    return directory


@functools.cache
def found_by(executor: str, form: str, data: Path, directory: Path) -> dict[str, Any]:
    options = (*OPTIONS, "-p", form, *EXECUTORS[executor], data)
    path = str(MINE.parent)
    ended = running.run_well(*options, cwd=directory, CHANGED="here", REMOVED="still there", PYTHONPATH=path)
    assert "Traceback" not in ended.err, ended.err
    check_said(ended, directory / "out", apart=executor != "iterative")
    found: dict[str, Any] = running.output(directory / "out")
    assert found["events"] == FILES * EVENTS
    return found


def check_said(ended: running.Ended, directory: Path, *, apart: bool) -> None:
    """Look for what tasks print and warn of: at the end, in the log and in the report."""
    chunks = FILES * EVENTS // CHUNK
    (line,) = [line for line in ended.out.splitlines() if line.startswith("said ")]
    assert f"{chunks} warnings (UserWarning: no two are the same: " in line
    assert "printed something: out/wq-run.log" in line
    log, report = (directory / "wq-run.log").read_text(), (directory / "report.html").read_text()
    assert log.count("no two are the same") == 1
    assert "asimported.py:" in report
    for number in range(0, EVENTS, CHUNK):
        assert f"chunk at {number}\n" in log
        assert f"chunk at {number}\n" in report
        assert (f"chunk at {number}" in ended.out + ended.err) is not apart
    for text in ("an error of it", *(["as formatted: logged of it"] if apart else [])):
        assert log.count(text) == chunks
        assert (text in ended.out + ended.err) is not apart


@pytest.fixture(scope="module")
def expected(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return found_by("iterative", "asimported:Analysis", data, tmp_path_factory.mktemp("expected"))


@pytest.mark.parametrize("executor", EXECUTORS)
def test_chunks_find_what_the_import_set(
    executor: str, data: Path, tmp_path: Path, expected: dict[str, Any]
) -> None:
    found = found_by(executor, "asimported:Analysis", data, tmp_path)
    (seen,) = found["found"]  # one for all chunks
    seen = ast.literal_eval(seen)
    point, changed, removed = seen.pop("environment")
    assert (point, removed) == ("tight", None)
    assert changed.startswith("here more")
    assert seen == {
        "numpy": ("raise", "ignore"),
        "raises": (True, True, False),
        "level": 20,
        "precision": 11,
        "recursion": 4321,
        "gc": False,
    }
    drawn = sorted(found["drawn"])
    assert drawn == sorted(expected["drawn"])
    numbers = [number for one in drawn for number in one]
    assert len(set(numbers)) == 4 * FILES * EVENTS // CHUNK
