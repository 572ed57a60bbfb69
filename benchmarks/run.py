"""wq-run against coffea's own executors: the same processor, data and chunk sizes, in turns.

    make bench                                     the quick profile
    python benchmarks/run.py --profile full        8 M events, 5 rounds
    python benchmarks/run.py --events 1000000 --files 10 --rounds 3 --peers futures dask

Everything is counted, from the start of the command to the written output. The machine's speed drifts, so
that ratios of runs of one round are what to quote. Results go to a JSON file and a picture beside it.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
DIMUON = HERE.parent / "examples" / "dimuon"
PACKAGES = {"dask": "distributed", "parsl": "parsl"}  # peers that may not be installed
OURS = "wq-run"


@dataclass(frozen=True, kw_only=True)
class Profile:
    events: int
    files: int
    rounds: int
    chunksizes: tuple[int, ...]
    peers: tuple[str, ...]


PROFILES = {
    "quick": Profile(events=1_200_000, files=12, rounds=3, chunksizes=(50_000,), peers=("futures",)),
    "full": Profile(
        events=8_000_000,
        files=40,
        rounds=5,
        chunksizes=(50_000, 20_000),
        peers=("iterative", "futures", "dask", "parsl"),
    ),
}


def make_samples(directory: Path, profile: Profile) -> Path:
    """Make one dataset of simulation with so many events in so many files; nothing if it is there."""
    command = [sys.executable, DIMUON / "make_data.py", "--out", directory, "--samples", directory]
    files = max(1, profile.files // 3)
    events = profile.events // (3 * files)
    subprocess.run([*command, "--files", str(files), "--events", str(events)], check=True)
    return directory / "samples.cfg"


def command_of(name: str, samples: Path, chunksize: int, workers: int, scratch: Path) -> list[str]:
    output = scratch / "output"
    if name == OURS:
        wq_run = Path(sys.executable).with_name("wq-run")
        return [
            str(wq_run),
            *("--chunksize", str(chunksize)),
            *("--workers", f"local:{workers}"),
            *("--processor", f"{DIMUON / 'processor.py'}:Dimuon"),
            *("--output", str(output)),
            str(samples),
        ]
    peer = [sys.executable, str(HERE / "peer.py"), name]
    return [*peer, str(samples), str(chunksize), str(workers), str(output)]


def measure(name: str, samples: Path, chunksize: int, workers: int) -> float:
    """Return the seconds of one run, in a directory and with a cache of its own."""
    with tempfile.TemporaryDirectory(prefix="wq-bench-") as directory:
        scratch = Path(directory)
        environ = {**os.environ, "XDG_CACHE_HOME": str(scratch / "cache"), "CATALOG_HOST": "127.0.0.1"}
        command = command_of(name, samples, chunksize, workers, scratch)
        began = time.perf_counter()
        done = subprocess.run(command, cwd=scratch, env=environ, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - began
        if done.returncode != 0:
            raise SystemExit(f"{name} failed:\n{done.stdout}\n{done.stderr}")
    return seconds


@dataclass(frozen=True, kw_only=True)
class Result:
    """Seconds of each run, by executor, for one chunk size."""

    chunksize: int
    seconds: dict[str, list[float]]

    @property
    def ratios(self) -> dict[str, float]:
        """The median of our seconds over theirs, round by round."""
        return {
            name: statistics.median(
                ours / theirs for ours, theirs in zip(self.seconds[OURS], spent, strict=True)
            )
            for name, spent in self.seconds.items()
            if name != OURS
        }


def compare(samples: Path, profile: Profile, workers: int) -> list[Result]:
    """Run all in turns; the first round only warms up."""
    results = []
    names = [OURS, *(peer for peer in profile.peers if _is_installed(peer))]
    for chunksize in profile.chunksizes:
        seconds: dict[str, list[float]] = {name: [] for name in names}
        for number in range(profile.rounds + 1):
            for name in names:
                spent = measure(name, samples, chunksize, workers)
                print(f"chunks of {chunksize:>7,}  {name:<10} {spent:6.1f} s{'  (warm-up)' * (not number)}")
                if number:
                    seconds[name].append(spent)
        results.append(Result(chunksize=chunksize, seconds=seconds))
    return results


def _is_installed(peer: str) -> bool:
    package = PACKAGES.get(peer)
    if package is None or importlib.util.find_spec(package):
        return True
    print(f"{peer} is left out: {package} is not installed")
    return False


def show(results: Sequence[Result]) -> None:
    print(f"\n{'chunksize':>9}  {'executor':<10}  {'median':>8}  {'min':>6}  {'max':>6}  {'wq-run / it':>11}")
    for result in results:
        for name, spent in result.seconds.items():
            ratio = f"{result.ratios[name]:11.2f}" if name in result.ratios else ""
            middle = statistics.median(spent)
            print(f"{result.chunksize:>9,}  {name:<10}  {middle:6.1f} s", end="")
            print(f"  {min(spent):6.1f}  {max(spent):6.1f}  {ratio}")


def draw(results: Sequence[Result], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(len(results), 1, figsize=(7, 2.2 * len(results)), squeeze=False)
    for axis, result in zip(axes[:, 0], results, strict=True):
        names = list(result.seconds)[::-1]
        axis.barh(names, [statistics.median(result.seconds[name]) for name in names])
        for place, name in enumerate(names):
            axis.plot(result.seconds[name], [place] * len(result.seconds[name]), "k.", alpha=0.5)
        axis.set_title(f"chunks of {result.chunksize:,} events", loc="left", fontsize=10)
        axis.set_xlabel("seconds, everything counted")
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", choices=PROFILES, default="quick")
    parser.add_argument("--events", type=int, help="in all files together")
    parser.add_argument("--files", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--chunksizes", type=int, nargs="+")
    parser.add_argument("--peers", nargs="+")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("wq-run-bench"), help="results, and the data")
    said = parser.parse_args()
    base = PROFILES[said.profile]
    profile = Profile(
        events=said.events or base.events,
        files=said.files or base.files,
        rounds=said.rounds or base.rounds,
        chunksizes=tuple(said.chunksizes or base.chunksizes),
        peers=tuple(said.peers or base.peers),
    )
    said.out.mkdir(parents=True, exist_ok=True)
    samples = make_samples((said.out / "data").resolve(), profile)
    results = compare(samples, profile, said.workers)
    show(results)
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "machine": platform.machine()}
    found = [{**asdict(result), "ratios": result.ratios} for result in results]
    (said.out / "results.json").write_text(json.dumps({"machine": machine, "results": found}, indent=2))
    draw(results, said.out / "results.png")
    print(f"\n{said.out}/results.json  results.png")


if __name__ == "__main__":
    main()
