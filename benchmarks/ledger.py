"""How fast the ledger takes over results, and what it needs: memory of the manager, files on disk.

    python benchmarks/ledger.py                      20,000 results of 1 MB
    python benchmarks/ledger.py --chunks 500         a quick look

A result is a histogram of float64 in coffea's wrapping; it is made and written as a worker does, in
a process of its own, which never is more than a few hundred results ahead.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.synchronize import Semaphore
from pathlib import Path

AHEAD = 200


@dataclass(frozen=True, kw_only=True)
class Found:
    """Sizes in MB, rates per second; `files` is the most that the ledger's directory held."""

    chunks: int
    seconds: float
    rate: float
    memory: float
    files: int
    disk: float


def measure(directory: Path, chunks: int, size: int, datasets: int = 4) -> Found:
    """Take over so many results of so many bytes."""
    from wq_runner.journal import Journal
    from wq_runner.ledger.reducer import Reducer

    ledger, staging = directory / "ledger", directory / "staging"
    for place in (ledger, staging):
        place.mkdir()
    context = multiprocessing.get_context("spawn")
    ahead = context.Semaphore(AHEAD)
    maker = context.Process(target=_make, args=(staging, chunks, size, ahead), daemon=True)
    maker.start()
    journal = Journal(directory / "journal.jsonl")
    reducer = Reducer(journal, ledger)
    files = disk = 0
    began = None
    for number in range(chunks):
        path = _await(staging / f"{number}.result", maker)
        began = began or time.monotonic()
        reducer.add(path, [_accepted(number, datasets)])
        ahead.release()
        if number % 25 == 0:
            sizes = list(_sizes(ledger))
            files, disk = max(files, len(sizes)), max(disk, sum(sizes))
    sums = reducer.finish()
    seconds = time.monotonic() - (began or 0.0)
    maker.join()
    journal.close()
    assert sum(one["out"]["chunks"] for one in sums.values()) == chunks
    assert sum(one["out"]["h"][0] for one in sums.values()) == chunks
    assert sum(len(one["processed"]) for one in sums.values()) == chunks
    # not ru_maxrss, which begins with what the process had that started this one
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1000
    return Found(
        chunks=chunks, seconds=seconds, rate=chunks / seconds, memory=peak, files=files, disk=disk / 1e6
    )


def _make(staging: Path, chunks: int, size: int, ahead: Semaphore) -> None:
    import cloudpickle
    import lz4.frame
    import numpy as np
    from coffea.processor.executor import WorkItem

    from wq_runner.remote import wire

    values = np.ones(size // 8)
    values[1:] = np.random.default_rng(1).normal(size=len(values) - 1)
    for number in range(chunks):
        ahead.acquire()
        item = WorkItem(f"d{number % 4}", f"/data/f{number}.root", "Events", 0, 100_000, b"u" * 16, {})
        result = {"out": {"h": values, "chunks": 1}, "processed": {item}}
        blob = lz4.frame.compress(cloudpickle.dumps(result, protocol=5))
        wire.write(staging / f"{number}.result", {"host": "", "wall": 1.0, "done": [0]}, [blob, b""])


def _accepted(number: int, datasets: int) -> object:
    from wq_runner.run_events import Accepted

    return Accepted(
        task=number,
        category="processing",
        dataset=f"d{number % datasets}",
        events=100_000,
        items=((f"/data/f{number}.root", "Events", 0, 100_000, "75" * 16),),
    )


def _await(path: Path, maker: multiprocessing.process.BaseProcess) -> Path:
    while not path.exists():
        assert maker.exitcode in {None, 0}, "the process that makes results ended"
        time.sleep(0.0005)
    return path


def _sizes(directory: Path) -> Iterator[int]:
    for path in directory.iterdir():
        try:
            yield path.stat().st_size
        except FileNotFoundError:  # merged meanwhile
            continue


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--chunks", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=1_000_000, help="bytes of a result")
    parser.add_argument("--directory", type=Path, help="where to write; a temporary one by default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as name:
        found = measure(Path(name), arguments.chunks, arguments.size)
    print(json.dumps({key: round(value, 1) for key, value in vars(found).items()}, indent=2))


if __name__ == "__main__":
    main()
