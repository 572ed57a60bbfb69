"""What can go wrong with a chunk, in every executor whose processes stay: the same is kept and said.

`tests/fitting` has the same list for Work Queue, and for all chunks in a pool.
"""

from __future__ import annotations

from pathlib import Path

import nanoaod
import pytest
import running

FILES, EVENTS, SIZE = 4, 100, 20
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


BOTH = {"f1": "hang", "f2": "devour"}


@pytest.mark.parametrize(
    ("executor", "ways"),
    # a crash is in test_executors, and for futures, with its neighbours, in test_causes
    [("futures", BOTH), ("dask", {"f1": "hang"}), ("parsl", BOTH)],
)
def test_each_trouble_costs_its_chunk_only(
    data: Path, tmp_path: Path, executor: str, ways: dict[str, str]
) -> None:
    """Those that run beside them are in the result, though processes of the pool end with them."""
    limits = ("--stall-time", 1.5, "--memory", "700MB", "--max-failed", "50%")
    cut = ("--chunksize", SIZE, "--min-chunk", SIZE, "-e", executor)
    ended = run(data, tmp_path, "Several", *limits, *cut, entry=70, **ways)
    assert ended.code == 3, ended.out + ended.err
    assert running.output(tmp_path / "out")["entries"] == FILES * EVENTS - len(ways) * SIZE
    missing = running.summary(tmp_path / "out")["missing"]
    reasons = {Path(one["path"]).stem: one["reason"] for one in missing}
    assert {(one["start"], one["stop"]) for one in missing} == {(60, 80)}
    assert reasons.keys() == ways.keys()
    assert "nothing happened for 2 s" in reasons["f1"]
    assert " MB allocated" in reasons.get("f2", " MB allocated")


@pytest.mark.parametrize(
    ("executor", "what", "said"),
    [
        ("dask", "leave", "there are no corrections for this era"),
        ("parsl", "segv", "the same way in 3 files"),
    ],
)
def test_trouble_in_all_chunks_stops_the_run(
    data: Path, tmp_path: Path, executor: str, what: str, said: str
) -> None:
    whole = ("--chunksize", EVENTS, "--min-chunk", EVENTS)
    ended = run(data, tmp_path, "Troubled", *whole, "-e", executor, what=what)
    assert ended.code == 6, ended.out + ended.err
    assert said in ended.error
    assert running.accepted(tmp_path / "out") == 0
