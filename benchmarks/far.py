"""Files of a far server: without `--preload`, with it, and with columns that an earlier run kept.

    python benchmarks/far.py                       each answer of an XRootD server comes 25 ms later
    python benchmarks/far.py --events 1800000 --rounds 5

The server is a real one on this machine (`apt install xrootd-server`), behind a proxy of the tests that keeps
each answer back. What is quoted are the ratios of runs of one round, and the requests of the first round.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
DIMUON = HERE.parent / "examples" / "dimuon"
sys.path[:0] = [str(HERE.parent / "tests"), str(HERE.parent / "tests" / "batch")]

import delays  # noqa: E402 - of the tests
import xrootd  # noqa: E402

FILES = 9
CHUNKSIZE = 20_000
WORKERS = 2
EDIT = ("--processor-args", "min_pt=25")  # what an edit changes, and no other branches


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=900_000, help="of all files together")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--delay", type=float, default=0.025, help="seconds")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        _compare(Path(scratch), chosen)


def _compare(directory: Path, chosen: argparse.Namespace) -> None:
    """Run all ways in turns, and print the ratios."""
    data = directory / "data"
    size = ("--files", str(FILES // 3), "--events", str(chosen.events // FILES))
    subprocess.run(
        [sys.executable, DIMUON / "make_data.py", "--out", data, *size],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    ratios: dict[str, list[float]] = {"preload": [], "kept": []}
    with xrootd.xrootd(data) as server, delays.delayed(server.port, chosen.delay) as far:
        names = sorted(path.name for path in data.glob("*.root"))
        (directory / "sample.json").write_text(json.dumps({"files": names, "treeName": "Events"}))
        samples = directory / "samples.cfg"
        samples.write_text(f"root://127.0.0.1:{far.port}//\nsample.json\n")
        _run(directory, "first")  # counts the events of the files
        for number in range(chosen.rounds):
            cache = ("--column-cache", str(directory / f"kept{number}"))
            seconds, requests = {}, {}
            for name, options in {
                "without": ("--preload", "off"),
                "preload": (),
                "filling": cache,
                "kept": (*cache, *EDIT),
            }.items():
                before = far.requests
                seconds[name] = _run(directory, name, *options)
                requests[name] = far.requests - before
            print(
                ", ".join(f"{name} {seconds[name]:.1f} s, {requests[name]} requests" for name in seconds),
                flush=True,
            )
            for name, found in ratios.items():
                found.append(seconds[name] / seconds["without"])
    for name, found in ratios.items():
        each = ", ".join(f"{one:.2f}" for one in found)
        print(f"{name} / without: {statistics.median(found):.2f} of {each}")


def _run(directory: Path, output: str, *options: str) -> float:
    """Return the seconds of a run."""
    command = [str(Path(sys.executable).with_name("wq-run")), "-p", f"{DIMUON / 'processor.py'}:Dimuon"]
    more = ["-w", f"local:{WORKERS}", "-c", str(CHUNKSIZE), "-o", output, "--fresh", *options, "samples.cfg"]
    environ = {**os.environ, "XDG_CACHE_HOME": str(directory / "cache"), "CATALOG_HOST": "127.0.0.1"}
    began = time.monotonic()
    subprocess.run(
        [*command, *more],
        check=True,
        cwd=directory,
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.monotonic() - began


if __name__ == "__main__":
    main()
