"""Processors for tests: what they return can be calculated by hand."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from coffea import processor

PATIENCE = 120.0


class Sums(processor.ProcessorABC):
    """Sums of trees that `nanoaod.write_simple` made: entries, the sum of x, and where it was read."""

    def process(self, events: Any) -> dict[str, Any]:
        x = np.asarray(events.x, dtype=np.float64)
        return {
            "entries": len(x),
            "sum": int(x.sum()),
            "chunks": 1,
            "files": {(events.metadata["filename"], len(x))},
            "by dataset": {events.metadata["dataset"]: len(x)},
        }

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        return {**accumulator, "postprocessed": True}


class Columns(processor.ProcessorABC):
    """Sums of every column, each of which is read when its turn comes."""

    def process(self, events: Any) -> dict[str, Any]:
        sums = {name: int(np.asarray(events[name], dtype=np.int64).sum()) for name in events.fields}
        return {"entries": len(events), "sums": sums}

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        return accumulator


class Gated(Sums):
    """Does chunks that start below `free` at once, and the others when the file `gate` appears."""

    def __init__(self, gate: str, free: int = 1) -> None:
        self.gate = gate
        self.free = free

    def process(self, events: Any) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while events.metadata["entrystart"] >= self.free and not Path(self.gate).exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        return super().process(events)


class Meeting(Sums):
    """Goes on with a chunk when so many have begun: each leaves a file in the directory `place`."""

    def __init__(self, place: str, number: int = 2) -> None:
        self.place = place
        self.number = number

    def process(self, events: Any) -> dict[str, Any]:
        place, metadata = Path(self.place), events.metadata
        (place / f"{Path(metadata['filename']).stem}-{metadata['entrystart']}").touch()
        end = time.monotonic() + PATIENCE
        while len(list(place.iterdir())) < self.number:
            assert time.monotonic() < end
            time.sleep(0.05)
        return super().process(events)


class Proxied(Gated):
    """Says with which X509 proxy each chunk was read, and who else may read it."""

    def process(self, events: Any) -> dict[str, Any]:
        found = Path(os.environ.get("X509_USER_PROXY", "/nowhere"))
        proxy = (found.read_text(), found.stat().st_mode & 0o077) if found.is_file() else ("", 0)
        return {**super().process(events), "proxies": {proxy}}


def count(events: Any) -> dict[str, int]:
    """Be the simplest processor, a function."""
    return {"entries": len(events)}


class Writer(Sums):
    """Writes the events of a chunk to a file, but for chunks that begin at 500.

    With `fail_once`, a directory, each chunk of f1.root fails the first time, after it wrote.
    """

    def __init__(self, fail_once: str = "") -> None:
        self.fail_once = fail_once

    def process(self, events: Any) -> dict[str, Any]:
        import pyarrow
        import pyarrow.parquet

        start = events.metadata["entrystart"]
        x = np.asarray(events.x, dtype=np.float64)
        written = 0
        if start // 250 != 2:
            path = Path(events.metadata["output_dir"]) / "skim.parquet"
            pyarrow.parquet.write_table(pyarrow.table({"x": x}), path)
            written = len(x)
        if self.fail_once and events.metadata["filename"].endswith("f1.root"):
            mark = Path(self.fail_once, f"{Path(events.metadata['filename']).stem}-{start}")
            if not mark.exists():
                mark.parent.mkdir(exist_ok=True)
                mark.touch()
                raise OSError("a disk that fills up at times")
        return {**super().process(events), "written": written}


class Large(Sums):
    """Returns so many megabytes for each chunk, which do not compress."""

    def __init__(self, megabytes: float = 10) -> None:
        self.megabytes = megabytes

    def process(self, events: Any) -> dict[str, Any]:
        block = np.random.default_rng(events.metadata["entrystart"]).random(int(self.megabytes * 1e6 / 8))
        return {**super().process(events), "block": block}
