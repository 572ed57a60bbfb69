"""wq-run against coffea's own executors: the same processor, data and chunk sizes, in turns.

    make bench                                     the quick profile
    python benchmarks/run.py --profile full        8 M events, 5 rounds
    python benchmarks/run.py --profile full --cases small-files --peers futures --rounds 3

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
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
DIMUON = HERE.parent / "examples" / "dimuon"
PACKAGES = {"dask": "distributed", "parsl": "parsl"}  # peers that may not be installed
OURS = "wq-run"
AUTO = "auto"


@dataclass(frozen=True, kw_only=True)
class Case:
    """What all of them do. With chunks of `auto`, peers are tried with each of `chunksizes`.

    With `apart` each file is a dataset of its own.
    """

    events: int
    files: int
    chunksize: int | str
    processor: str = f"{DIMUON / 'processor.py'}:Dimuon"
    chunksizes: tuple[int, ...] = (50_000, 100_000, 200_000)
    peers: tuple[str, ...] = ("futures",)
    apart: bool = False

    @property
    def contestants(self) -> list[tuple[str, int | str]]:
        """Return who runs with which chunk size."""
        sizes = self.chunksizes if self.chunksize == AUTO else (self.chunksize,)
        return [(OURS, self.chunksize), *((peer, size) for peer in self.peers for size in sizes)]


@dataclass(frozen=True, kw_only=True)
class Profile:
    rounds: int
    cases: Mapping[str, Case]


_ALL = ("iterative", "futures", "dask", "parsl")
PROFILES = {
    "quick": Profile(rounds=3, cases={"chunks-50k": Case(events=1_200_000, files=12, chunksize=50_000)}),
    "full": Profile(
        rounds=5,
        cases={
            "chunks-50k": Case(events=8_000_000, files=40, chunksize=50_000, peers=_ALL),
            "chunks-20k": Case(events=8_000_000, files=40, chunksize=20_000),
            "chunks-auto": Case(events=8_000_000, files=40, chunksize=AUTO),
            "small-files": Case(events=2_000_000, files=2_000, chunksize=50_000),
            "datasets-40": Case(events=8_000_000, files=40, chunksize=50_000, apart=True),
            "datasets-300": Case(events=6_000_000, files=300, chunksize=20_000, apart=True),
            "large-results": Case(
                events=2_000_000, files=40, chunksize=10_000, processor=f"{HERE / 'large.py'}:Large"
            ),
        },
    ),
}


def make_samples(directory: Path, case: Case) -> Path:
    """Make datasets of so many events in so many files, of a kind each; nothing if they are there."""
    place = directory / f"{case.events}-in-{case.files}"
    command = [sys.executable, DIMUON / "make_data.py", "--out", place, "--samples", place]
    files = max(1, round(case.files / 3))
    events = case.events // (3 * files)
    subprocess.run([*command, "--files", str(files), "--events", str(events)], check=True)
    return _apart(place) if case.apart else place / "samples.cfg"


def _apart(place: Path) -> Path:
    """Write samples in which each file of these is a dataset of its own."""
    directory = place / "apart"
    directory.mkdir(exist_ok=True)
    names = []
    for line in (place / "samples.cfg").read_text().splitlines():
        if not line.endswith(".json"):
            continue
        path = place / line
        sample = json.loads(path.read_text())
        for number, file in enumerate(sample["files"]):
            names.append(f"{path.stem}_{number}.json")
            one = {**sample, "files": [str((path.parent / file).resolve())]}
            (directory / names[-1]).write_text(json.dumps(one))
    (directory / "samples.cfg").write_text("\n".join(names) + "\n")
    return directory / "samples.cfg"


def command_of(name: str, case: Case, samples: Path, chunksize: int | str, workers: int) -> list[str]:
    if name == OURS:
        wq_run = Path(sys.executable).with_name("wq-run")
        return [
            str(wq_run),
            *("--chunksize", str(chunksize)),
            *("--workers", f"local:{workers}"),
            *("--processor", case.processor),
            *("--output", "output"),
            str(samples),
        ]
    peer = [sys.executable, str(HERE / "peer.py"), name]
    return [*peer, str(samples), str(chunksize), str(workers), case.processor, "output"]


@dataclass(frozen=True, kw_only=True)
class Spent:
    """Seconds of a run, and the peak memory of its first process in MB: the manager, or the script."""

    seconds: float
    memory: float


def measure(name: str, case: Case, samples: Path, chunksize: int | str, workers: int) -> Spent:
    """Run in a directory and with a cache of its own."""
    with tempfile.TemporaryDirectory(prefix="wq-bench-") as directory:
        scratch = Path(directory)
        environ = {**os.environ, "XDG_CACHE_HOME": str(scratch / "cache"), "CATALOG_HOST": "127.0.0.1"}
        command = command_of(name, case, samples, chunksize, workers)
        began = time.perf_counter()
        with (scratch / "log").open("w+") as output:
            process = subprocess.Popen(command, cwd=scratch, env=environ, stdout=output, stderr=output)
            peak = _Peak(process.pid)
            code = process.wait()
            seconds = time.perf_counter() - began
            if code != 0:
                output.seek(0)
                raise SystemExit(f"{name} failed:\n{output.read()}")
    return Spent(seconds=seconds, memory=peak.stop())


class _Peak:
    """Looks at the peak memory of a process until it ends."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._found = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._ended.wait(0.05):
            try:
                peak = self._status.read_text().partition("VmHWM:")[2].split()
            except OSError:
                return
            if peak:
                self._found = int(peak[0]) / 1000

    def stop(self) -> float:
        self._ended.set()
        self._thread.join()
        return self._found


@dataclass(frozen=True, kw_only=True)
class Result:
    """What each contestant spent in each round."""

    case: str
    spent: dict[str, list[Spent]] = field(default_factory=dict)

    def seconds(self, name: str) -> list[float]:
        return [one.seconds for one in self.spent[name]]

    def memory(self, name: str) -> float:
        return max(one.memory for one in self.spent[name])

    @property
    def ratios(self) -> dict[str, float]:
        """The median of our seconds over theirs, round by round."""
        ours = self.seconds(OURS)
        return {
            name: statistics.median(
                mine / theirs for mine, theirs in zip(ours, self.seconds(name), strict=True)
            )
            for name in self.spent
            if name != OURS
        }


def compare(name: str, case: Case, samples: Path, rounds: int, workers: int) -> Result:
    """Run all in turns; the first round only warms up."""
    result = Result(case=name)
    for number in range(rounds + 1):
        for who, chunksize in case.contestants:
            label = who if chunksize == case.chunksize else f"{who} {chunksize // 1000}k"  # type: ignore[operator]
            spent = measure(who, case, samples, chunksize, workers)
            print(f"{name:<14} {label:<14} {spent.seconds:6.1f} s{'  (warm-up)' * (not number)}", flush=True)
            if number:
                result.spent.setdefault(label, []).append(spent)
    return result


def _is_installed(peer: str) -> bool:
    package = PACKAGES.get(peer)
    if package is None or importlib.util.find_spec(package):
        return True
    print(f"{peer} is left out: {package} is not installed")
    return False


def show(results: Sequence[Result]) -> None:
    print(
        f"\n{'case':<14}  {'executor':<14}  {'median':>8}  {'min':>6}  {'max':>6}  {'memory':>8}  wq-run / it"
    )
    for result in results:
        for name in result.spent:
            seconds = result.seconds(name)
            ratio = f"{result.ratios[name]:11.2f}" if name in result.ratios else ""
            print(f"{result.case:<14}  {name:<14}  {statistics.median(seconds):6.1f} s", end="")
            print(f"  {min(seconds):6.1f}  {max(seconds):6.1f}  {result.memory(name):5.0f} MB  {ratio}")


def draw(results: Sequence[Result], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(len(results), 1, figsize=(7, 2.2 * len(results)), squeeze=False)
    for axis, result in zip(axes[:, 0], results, strict=True):
        names = list(result.spent)[::-1]
        axis.barh(names, [statistics.median(result.seconds(name)) for name in names])
        for place, name in enumerate(names):
            axis.plot(result.seconds(name), [place] * len(result.spent[name]), "k.", alpha=0.5)
        axis.set_title(result.case, loc="left", fontsize=10)
        axis.set_xlabel("seconds, everything counted")
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", choices=PROFILES, default="quick")
    parser.add_argument("--cases", nargs="+", help="only these of the profile")
    parser.add_argument("--events", type=int, help="in all files together")
    parser.add_argument("--files", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--chunksize", type=int)
    parser.add_argument("--peers", nargs="+")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("wq-run-bench"), help="results, and the data")
    said = parser.parse_args()
    profile = PROFILES[said.profile]
    changes = {name: getattr(said, name) for name in ("events", "files", "chunksize", "peers")}
    changes = {name: value for name, value in changes.items() if value is not None}
    said.out.mkdir(parents=True, exist_ok=True)
    results = []
    for name, case in profile.cases.items():
        if said.cases is None or name in said.cases:
            wanted = replace(case, **changes)
            wanted = replace(wanted, peers=tuple(peer for peer in wanted.peers if _is_installed(peer)))
            samples = make_samples((said.out / "data").resolve(), wanted)
            results.append(compare(name, wanted, samples, said.rounds or profile.rounds, said.workers))
    show(results)
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "machine": platform.machine()}
    found = [{**asdict(result), "ratios": result.ratios} for result in results]
    (said.out / "results.json").write_text(json.dumps({"machine": machine, "results": found}, indent=2))
    draw(results, said.out / "results.png")
    print(f"\n{said.out}/results.json  results.png")


if __name__ == "__main__":
    main()
