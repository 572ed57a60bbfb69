"""Several processors in one pass: the eight queries of the ADL benchmark, together and one by one.

    python benchmarks/channels.py                  eight -p, one that holds all, eight runs, in turns
    python benchmarks/channels.py --events 800000 --rounds 5

The queries are those of https://github.com/iris-hep/adl-benchmarks-index, on generated events that have their
branches. What is quoted are the ratios of runs of one round.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import awkward as ak
import hist
import numpy as np
import uproot
from coffea import processor

HERE = Path(__file__).resolve()
FILES = 4


class Query(processor.ProcessorABC):  # type: ignore[misc] # coffea has no types
    """One of the queries; it returns a histogram."""

    def process(self, events: ak.Array) -> dict[str, Any]:
        values = ak.to_numpy(ak.flatten(self.values(events), axis=None))
        return {"h": hist.Hist.new.Reg(100, 0, 200, name="x").Double().fill(values)}

    def values(self, events: ak.Array) -> ak.Array:
        raise NotImplementedError

    def postprocess(self, accumulator: Any) -> Any:
        return accumulator


class Q1(Query):
    def values(self, events: ak.Array) -> ak.Array:
        return events.MET.pt


class Q2(Query):
    def values(self, events: ak.Array) -> ak.Array:
        return events.Jet.pt


class Q3(Query):
    def values(self, events: ak.Array) -> ak.Array:
        return events.Jet.pt[abs(events.Jet.eta) < 1]


class Q4(Query):
    def values(self, events: ak.Array) -> ak.Array:
        return events.MET.pt[ak.sum(events.Jet.pt > 40, axis=1) >= 2]


class Q5(Query):
    def values(self, events: ak.Array) -> ak.Array:
        one, two = ak.unzip(ak.combinations(events.Muon, 2))
        mass = (one + two).mass
        good = (one.charge != two.charge) & (mass > 60) & (mass < 120)
        return events.MET.pt[ak.any(good, axis=1)]


class Q6(Query):
    def values(self, events: ak.Array) -> ak.Array:
        jets = ak.zip(
            {name: events.Jet[name] for name in ("pt", "eta", "phi", "mass")}, with_name="Momentum4D"
        )
        one, two, three = ak.unzip(ak.combinations(events.Jet[ak.num(jets) >= 3], 3))
        trijet = one + two + three
        best = ak.argmin(abs(trijet.mass - 172.5), axis=1, keepdims=True)
        return trijet[best].pt


class Q7(Query):
    def values(self, events: ak.Array) -> ak.Array:
        jets = events.Jet[events.Jet.pt > 30]
        clean = jets.pt > 0
        for leptons in (events.Muon, events.Electron):
            clean = clean & ~ak.any(jets.metric_table(leptons[leptons.pt > 10]) < 0.4, axis=2)
        return ak.sum(jets.pt[clean], axis=1)


class Q8(Query):
    def values(self, events: ak.Array) -> ak.Array:
        names = ("pt", "eta", "phi", "mass", "charge")
        both = [
            ak.zip(
                {
                    **{name: leptons[name] for name in names},
                    "flavour": ak.ones_like(leptons.charge) * flavour,
                },
                with_name="PtEtaPhiMCandidate",
                behavior=events.behavior,
            )
            for leptons, flavour in ((events.Muon, 13), (events.Electron, 11))
        ]
        leptons = ak.concatenate(both, axis=1)
        enough = ak.num(leptons) >= 3
        leptons, met = leptons[enough], events.MET[enough]
        place = ak.local_index(leptons)
        one, two = ak.unzip(ak.combinations(ak.zip({"of": leptons, "place": place}, depth_limit=2), 2))
        fit = (one.of.flavour == two.of.flavour) & (one.of.charge != two.of.charge)
        mass = (one.of + two.of).mass
        best = ak.argmin(ak.where(fit, abs(mass - 91.2), np.inf), axis=1, keepdims=True)
        has = ak.any(fit, axis=1)
        others = (place != ak.firsts(one.place[best])) & (place != ak.firsts(two.place[best]))
        leading = ak.firsts(leptons[others & has][ak.argsort(leptons.pt[others & has], ascending=False)])
        turned = np.cos(leading.phi - met.phi)
        return ak.drop_none(np.sqrt(2 * leading.pt * met.pt * (1 - turned)))


QUERIES: tuple[type[Query], ...] = (Q1, Q2, Q3, Q4, Q5, Q6, Q7, Q8)


class All(processor.ProcessorABC):  # type: ignore[misc] # coffea has no types
    """One processor that holds all eight."""

    def process(self, events: ak.Array) -> dict[str, Any]:
        return {query.__name__: query().process(events) for query in QUERIES}

    def postprocess(self, accumulator: Any) -> Any:
        return accumulator


def _objects(random: np.random.Generator, events: int, mean: float, charged: bool) -> ak.Array:
    counts = random.poisson(mean, events)
    size = int(counts.sum())
    flat = {
        "pt": random.exponential(25, size) + 5,
        "eta": random.normal(0, 1.5, size),
        "phi": random.uniform(-np.pi, np.pi, size),
        "mass": random.exponential(5, size) if not charged else np.full(size, 0.105),
    }
    found = {name: ak.unflatten(values.astype("f4"), counts) for name, values in flat.items()}
    if charged:
        found["charge"] = ak.unflatten(random.choice(np.array([-1, 1], dtype="i4"), size), counts)
    return ak.zip(found)


def write(directory: Path, events: int) -> None:
    """Write files with the branches that the queries read, compressed as CMS compresses NanoAOD."""
    for number in range(FILES):
        random = np.random.default_rng(number)
        count = events // FILES
        data = {
            "run": np.ones(count, dtype="u4"),
            "luminosityBlock": np.ones(count, dtype="u4"),
            "event": np.arange(count, dtype="u8"),
            "MET_pt": random.exponential(30, count).astype("f4"),
            "MET_phi": random.uniform(-np.pi, np.pi, count).astype("f4"),
            "Jet": _objects(random, count, 4.0, charged=False),
            "Muon": _objects(random, count, 1.2, charged=True),
            "Electron": _objects(random, count, 1.0, charged=True),
        }
        with uproot.recreate(directory / f"{number}.root", compression=uproot.LZMA(6)) as file:
            file.mktree(
                "Events", {name: getattr(one, "dtype", None) or one.type for name, one in data.items()}
            )
            for start in range(0, count, 50_000):
                file["Events"].extend({name: one[start : start + 50_000] for name, one in data.items()})


def run(directory: Path, *processors: str, out: str) -> None:
    words = [word for one in processors for word in ("-p", one)]
    command = [
        str(Path(sys.executable).with_name("wq-run")),
        *words,
        "-w",
        "local:2",
        "--environment",
        "shared",
    ]
    more = ["--chunksize", "50000", "--fresh", "-o", str(directory / out), str(directory / "data")]
    subprocess.run(
        [*command, *more], check=True, stdout=subprocess.DEVNULL, cwd=directory, env=dict(os.environ)
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        (directory / "data").mkdir()
        write(directory / "data", chosen.events)
        ways = {
            "eight -p": [[f"{one.__name__}={HERE}:{one.__name__}" for one in QUERIES]],
            "one that holds all": [[f"{HERE}:All"]],
            "eight runs": [[f"{HERE}:{one.__name__}"] for one in QUERIES],
        }
        ratios: dict[str, list[float]] = {}
        for _ in range(chosen.rounds):
            seconds = {}
            for name, runs in ways.items():
                began = time.monotonic()
                for number, processors in enumerate(runs):
                    run(directory, *processors, out=f"{name.replace(' ', '')}{number}")
                seconds[name] = time.monotonic() - began
            print(", ".join(f"{name} {value:.1f} s" for name, value in seconds.items()), flush=True)
            for other in ("one that holds all", "eight runs"):
                ratios.setdefault(other, []).append(seconds["eight -p"] / seconds[other])
        for other, found in ratios.items():
            each = ", ".join(f"{one:.2f}" for one in found)
            print(f"eight -p / {other}: {statistics.median(found):.2f} of {each}")


if __name__ == "__main__":
    main()
