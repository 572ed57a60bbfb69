"""Columns that workers keep: a second run reads them, but never those of a file that is another one."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import running
import uproot

from wq_runner.run_events import ColumnsUsed

PROCESSOR = """
import numpy as np


def process(events):
    return {"sum": float(np.asarray(events.x, "f8").sum() * FACTOR), "n": len(events)}
"""
ENTRIES, BASKET = 1000, 250


def _used(directory: Path) -> tuple[int, int, int]:
    found = [one for one in running.events_of(directory) if isinstance(one, ColumnsUsed)]
    assert [note for one in found for note in one.notes] == []
    return sum(one.hits for one in found), sum(one.misses for one in found), sum(one.kept for one in found)


def _write(path: Path) -> None:
    with uproot.recreate(path, compression=None) as file:
        file.mktree("Events", {"x": "f4"})
        for first in range(0, ENTRIES, BASKET):
            file["Events"].extend({"x": np.arange(first, first + BASKET, dtype="f4")})


def _command(place: Path, output: str, factor: int = 1, chunksize: int = 500) -> list[object]:
    """Return a run of samples in a place, with a processor that was edited to have this factor."""
    processor = place / f"total{factor}.py"
    processor.write_text(PROCESSOR.replace("FACTOR", str(factor)))
    options = ["-p", f"{processor}:process", "--schema", "BaseSchema", "--column-cache", place / "kept"]
    return [*options, "-w", "local:1", "-c", chunksize, "-o", output]


def test_a_second_run_reads_what_is_kept_and_never_of_another_file(tmp_path: Path) -> None:
    data = tmp_path / "f.root"
    _write(data)
    expected = float(np.arange(ENTRIES).sum())

    def run(factor: int, chunksize: int, output: str = "out") -> tuple[str, float]:
        ended = running.run_well(*_command(tmp_path, output, factor, chunksize), data, cwd=tmp_path)
        found = running.output(tmp_path / output)
        assert found["n"] == ENTRIES
        return ended.out, found["sum"]

    said, found = run(1, 500)
    assert found == expected
    hits, misses, kept = _used(tmp_path / "out")
    assert (hits, misses, kept) == (0, 4, 4 * ENTRIES)
    assert "workers keep what chunks read in" in said
    # an edit of the processor, and another chunk size
    said, found = run(2, 400)
    assert found == 2 * expected
    hits, misses, kept = _used(tmp_path / "out")
    assert (hits > 0, misses, kept) == (True, 0, 0)
    assert "(100%) came from what workers keep" in said
    # another number in its place: neither size, nor times, nor uuid tell
    facts, content = data.stat(), data.read_bytes()
    place = content.index(np.array([777], ">f4").tobytes())
    with data.open("r+b") as stream:
        stream.seek(place)
        stream.write(np.array([1777], ">f4").tobytes())
    os.utime(data, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    _, found = run(3, 400, "other")
    assert found == 3 * (expected + 1000)
    assert _used(tmp_path / "other")[1] >= 1
    listed = running.run("columns", "list", tmp_path / "kept", cwd=tmp_path, name="wq-workers")
    assert str(data) in listed.out
    cleaned = running.run("columns", "clean", tmp_path / "kept", cwd=tmp_path, name="wq-workers")
    assert "freed" in cleaned.out
    assert not list((tmp_path / "kept").rglob("*.columns"))


def test_two_runs_at_once_keep_the_same_and_each_is_right(tmp_path: Path) -> None:
    data = tmp_path / "f.root"
    _write(data)
    both = [
        running.start(*_command(tmp_path, f"out{factor}", factor), data, cwd=tmp_path) for factor in (1, 2)
    ]
    assert [running.finish(one).code for one in both] == [0, 0]
    running.run_well(*_command(tmp_path, "out3", 3), data, cwd=tmp_path)
    expected = float(np.arange(ENTRIES).sum())
    assert [running.output(tmp_path / f"out{factor}")["sum"] / factor for factor in (1, 2, 3)] == [
        expected
    ] * 3
    assert _used(tmp_path / "out3")[1:] == (0, 0)
