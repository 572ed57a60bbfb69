"""How many cores one manager keeps busy: a model of its costs, fitted to runs, checked by a simulation.

    python benchmarks/scaling.py fit        run benchmarks of several sizes, and fit the three costs
    python benchmarks/scaling.py check      the model against a simulation of up to 10,000 cores
    python benchmarks/scaling.py table      cores kept busy, by the length of tasks and the size of results

The manager does one thing at a time: it takes a result and sends the next task. That costs `task` seconds
and `byte` for each byte that moves; each worker that is connected costs `worker` seconds a second, whatever
it does.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

CORES_OF_A_WORKER = 8


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Seconds of the manager: for each task, for each byte, and a second for each worker."""

    task: float
    byte: float
    worker: float

    def service(self, size: float) -> float:
        """Return the seconds that a task with so many bytes takes of the manager."""
        return self.task + self.byte * size

    def rate(self, size: float, workers: float) -> float:
        """Return how many tasks a second the manager does at the most."""
        return max(0.0, 1.0 - self.worker * workers) / self.service(size)

    def busy(self, cores: int, seconds: float, size: float) -> float:
        """Return how many of the cores are busy with tasks of so many seconds."""
        alone = cores * seconds / (seconds + self.service(size))  # nobody waits for anybody else
        return min(alone, seconds * self.rate(size, cores / CORES_OF_A_WORKER))

    def most(self, seconds: float, size: float) -> int:
        """Return how many cores are kept busy at 90 %, by one manager."""
        low, high = 1, 10_000_000
        while high - low > max(1, low // 100):
            middle = (low + high) // 2
            low, high = (middle, high) if self.busy(middle, seconds, size) >= 0.9 * middle else (low, middle)
        return low


@dataclass(frozen=True, kw_only=True)
class Point:
    """What was measured: workers, tasks a second, bytes of each, and the cores that the manager used."""

    workers: float
    rate: float
    size: float
    cores: float


def fit(points: Iterable[Point]) -> Costs:
    """Find the costs that explain what was measured: least squares of relative errors, none negative."""
    import numpy as np
    from scipy.optimize import nnls

    rows = [(np.array([one.rate, one.rate * one.size, one.workers]) / one.cores, 1.0) for one in points]
    matrix = np.array([row for row, _ in rows])
    scale = matrix.max(axis=0)
    found, _ = nnls(matrix / scale, np.array([value for _, value in rows]))
    task, byte, worker = found / scale
    return Costs(task=float(task), byte=float(byte), worker=float(worker))


def simulate(costs: Costs, *, cores: int, seconds: float, size: float, tasks: int, seed: int = 1) -> float:
    """Return how many cores are busy amid a run: tasks of log-normal length, first come first served."""
    dice = random.Random(seed)
    spread = 0.5
    slow = max(1e-9, 1.0 - costs.worker * cores / CORES_OF_A_WORKER)  # what workers leave of the manager
    service = costs.service(size) / slow
    asked = [(0.0, core) for core in range(cores)]  # when each core has a result, or nothing yet
    free = 0.0
    ran: list[tuple[float, float]] = []
    for _ in range(tasks):
        when, core = heapq.heappop(asked)
        free = max(free, when) + service
        end = free + seconds * dice.lognormvariate(-(spread**2) / 2, spread)
        ran.append((free, end))
        heapq.heappush(asked, (end, core))
    first, last = 0.3 * free, 0.9 * free  # without the start, and while there is more to come
    return sum(max(0.0, min(end, last) - max(start, first)) for start, end in ran) / (last - first)


def check(costs: Costs) -> list[dict[str, float]]:
    """Compare the model with the simulation, for sizes of pools on both sides of where it ends."""
    rows = []
    for seconds in (10.0, 60.0):
        for cores in (100, 1000, 3000, 10_000):
            model = costs.busy(cores, seconds, 1e6)
            found = simulate(costs, cores=cores, seconds=seconds, size=1e6, tasks=max(20_000, 30 * cores))
            rows.append({"seconds": seconds, "cores": cores, "model": model, "simulation": found})
    return rows


def measure(directory: Path) -> list[Point]:
    """Run the manager with pools and results of several sizes."""
    import manager

    points = []
    for workers, tasks, size in ((5, 1000, 0), (50, 5000, 0), (5, 400, 2_000_000), (10, 400, 8_000_000)):
        found = manager.crowd(workers=workers, tasks=tasks, size=size)
        points.append(
            Point(
                workers=workers,
                rate=found["tasks"] / found["seconds"],
                size=found["bytes"],
                cores=found["cores"],
            )
        )
        print(points[-1], flush=True)
    (directory / "points.json").write_text(json.dumps([asdict(point) for point in points], indent=2))
    return points


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("fit", "check", "table"))
    parser.add_argument("--out", type=Path, default=Path("wq-run-bench"))
    said = parser.parse_args(arguments)
    said.out.mkdir(parents=True, exist_ok=True)
    place = said.out / "costs.json"
    if said.what == "fit":
        place.write_text(json.dumps(asdict(fit(measure(said.out)))))
    costs = Costs(**json.loads(place.read_text()))
    print(f"task {1e3 * costs.task:.2f} ms   MB {1e9 * costs.byte:.2f} ms", end="   ")
    print(f"worker {1e3 * costs.worker:.2f} ms a second")
    if said.what == "check":
        for row in check(costs):
            print("  ".join(f"{name} {value:9.1f}" for name, value in row.items()))
    if said.what == "table":
        for seconds in (10, 30, 60, 300):
            sizes = (1e5, 1e6, 1e7, 4e7)
            print(f"{seconds:>4} s", *(f"{costs.most(seconds, size):>9,}" for size in sizes))


if __name__ == "__main__":
    main()
