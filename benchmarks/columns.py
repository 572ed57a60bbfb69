"""Columns that workers keep: a run after an edit of the processor, beside coffea's futures.

    python benchmarks/columns.py                      files that LZMA and LZ4 compressed, in turns
    python benchmarks/columns.py --events 4000000 --rounds 5

In each round, on the same files: a run that keeps nothing, one that fills an empty directory, one after an
edit of the processor, one with another chunk size, and coffea's futures. What is quoted are the ratios of
runs of one round.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from wq_runner import journal
from wq_runner.run_events import ColumnsUsed

HERE = Path(__file__).resolve().parent
DIMUON = HERE.parent / "examples" / "dimuon"
WORKERS = 2
CHUNKSIZE, OTHER = 50_000, 70_000
FILES = 9
EDIT = ("--processor-args", "min_pt=25")  # what an edit changes, and no other branches


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=2_000_000, help="of all files together")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--codecs", nargs="+", default=["LZMA", "LZ4"])
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for codec in chosen.codecs:
            _compare(Path(scratch) / codec, codec, chosen.events, chosen.rounds)


def _compare(directory: Path, codec: str, events: int, rounds: int) -> None:
    """Run all ways in turns, and print the ratios."""
    directory.mkdir()
    samples = _make(directory, codec, events)
    ratios: dict[str, list[float]] = {}
    for _ in range(rounds):
        kept = directory / "kept"
        shutil.rmtree(kept, ignore_errors=True)
        cache = ("--column-cache", str(kept))
        seconds = {
            "without": _run(directory, samples, "without", CHUNKSIZE),
            "filling": _run(directory, samples, "filling", CHUNKSIZE, *cache),
            "edited": _run(directory, samples, "edited", CHUNKSIZE, *cache, *EDIT),
            "other chunks": _run(directory, samples, "other", OTHER, *cache),
            "futures": _futures(directory, samples),
        }
        print(
            f"{codec}: " + ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items()), flush=True
        )
        for one, other in (("edited", "futures"), ("edited", "without"), ("filling", "without")):
            ratios.setdefault(f"{one} / {other}", []).append(seconds[one] / seconds[other])
        share = _share(directory / "other")
        ratios.setdefault("bytes that came from what is kept, with other chunks", []).append(share)
    for name, found in ratios.items():
        each = ", ".join(f"{one:.2f}" for one in found)
        print(f"{codec}: {name}: {statistics.median(found):.2f} of {each}", flush=True)


def _make(directory: Path, codec: str, events: int) -> Path:
    """Write the files of three datasets, and return their samples."""
    command = [sys.executable, DIMUON / "make_data.py", "--out", directory, "--samples", directory]
    size = ("--files", str(FILES // 3), "--events", str(events // FILES))
    subprocess.run([*command, *size, "--compression", codec], check=True, stdout=subprocess.DEVNULL)
    return directory / "samples.cfg"


def _run(directory: Path, samples: Path, output: str, chunksize: int, *options: str) -> float:
    """Return the seconds of a run."""
    command = [str(Path(sys.executable).with_name("wq-run")), "-p", f"{DIMUON / 'processor.py'}:Dimuon"]
    more = ["-w", f"local:{WORKERS}", "-c", str(chunksize), "-o", output, "--fresh", *options, str(samples)]
    return _timed([*command, *more], directory)


def _futures(directory: Path, samples: Path) -> float:
    words = ("futures", str(samples), str(CHUNKSIZE), str(WORKERS), f"{DIMUON / 'processor.py'}:Dimuon")
    return _timed([sys.executable, str(HERE / "peer.py"), *words, "futures.coffea"], directory)


def _timed(command: list[str], directory: Path) -> float:
    environ = {**os.environ, "XDG_CACHE_HOME": str(directory / "cache"), "CATALOG_HOST": "127.0.0.1"}
    began = time.monotonic()
    subprocess.run(
        command, check=True, cwd=directory, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return time.monotonic() - began


def _share(directory: Path) -> float:
    """Return which part of the bytes that a run read came from what is kept."""
    events = [event for _, event in journal.read(directory / "journal.jsonl")]
    found = [one for one in events if isinstance(one, ColumnsUsed)]
    hit, missed = sum(one.hit for one in found), sum(one.missed for one in found)
    return hit / (hit + missed)


if __name__ == "__main__":
    main()
