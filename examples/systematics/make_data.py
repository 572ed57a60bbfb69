"""Make small NanoAOD-like files for a search for H -> ZZ -> 4 muons, of two years.

    python make_data.py                         the files of samples.cfg: 8 datasets, 14 files
    python make_data.py --events 1000 --out DIR --samples DIR     fewer simulated events, with a samples.cfg

Data are as many events as the cross sections and the luminosity of a year let expect, and nothing else. The
same seed gives the same events.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import awkward as ak
import numpy as np
import vector
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))

from dimuon.make_data import (  # noqa: E402 - examples are no package
    EMPTY,
    MUON_MASS,
    Z_MASS,
    Z_WIDTH,
    Block,
    Floats,
    Rng,
    jagged,
    offsets,
    regular,
    rounded,
    write_blocks,
)

LUMINOSITY = {"2017": 41.5, "2018": 59.8}  # 1/fb
FILES = 2  # of each simulated dataset


@dataclass(frozen=True, kw_only=True)
class Process:
    """What can happen. `scale` is how much its cross section depends on the scales of the calculation."""

    id: int
    xsec: float  # pb, with four muons near the detector
    weight: float = 1.0
    negative: float = 0.0
    scale: float = 0.05


PROCESSES = {
    "ggHTo4Mu": Process(id=1, xsec=0.00125, weight=3.1, negative=0.02, scale=0.10),
    "ZZTo4Mu": Process(id=2, xsec=0.0094, weight=1.3, negative=0.08, scale=0.04),
    "DYJetsToLL": Process(id=3, xsec=0.0028, weight=6.2, negative=0.16, scale=0.15),
}


# -- the physics: four momenta of the muons --


def decays(process: str, size: int, rng: Rng) -> vector.VectorNumpy4D:
    """Return the momenta (4, size) of the muons: +, -, +, -."""
    if process == "DYJetsToLL":  # a Z, and two muons from jets
        first = _two_muons(_boosted(_breit_wigner(size, rng, 60.0, 120.0), rng), rng)
        pt, eta = 5.0 + rng.exponential(11.0, (2, size)), rng.normal(0.0, 1.2, (2, size))
        second = _momenta(pt, eta, rng.uniform(-np.pi, np.pi, (2, size)), np.full((2, size), MUON_MASS))
    else:
        mass, heavy, light = (_higgs if process == "ggHTo4Mu" else _continuum)(size, rng)
        heavy, light = _two_bodies(_boosted(mass, rng), heavy, light, rng)
        first, second = _two_muons(heavy, rng), _two_muons(light, rng)
    return _momenta(
        *(
            np.concatenate([getattr(first, name), getattr(second, name)])
            for name in ("pt", "eta", "phi", "mass")
        )
    )


def _higgs(size: int, rng: Rng) -> tuple[Floats, Floats, Floats]:
    """Masses of the Higgs boson, and of its two Z, of which one cannot be real."""
    return np.full(size, 125.0), _breit_wigner(size, rng, 70.0, 96.0), rng.triangular(12.0, 27.0, 28.5, size)


def _continuum(size: int, rng: Rng) -> tuple[Floats, Floats, Floats]:
    """Masses of two Z, or of a Z and a photon, and of all; for some of them together that of one Z."""
    heavy, light = _breit_wigner(size, rng, 60.0, 120.0), _breit_wigner(size, rng, 60.0, 120.0)
    kind = rng.random(size)
    photon = kind < 0.35
    light[photon] = 4.0 * (100.0 / 4.0) ** rng.random(np.count_nonzero(photon))
    mass = (heavy + light) * (1 + rng.exponential(0.22, size))
    single = kind < 0.12  # Z -> 2 mu gamma*
    mass[single] = _breit_wigner(np.count_nonzero(single), rng, 80.0, 102.0)
    heavy[single] = mass[single] * rng.uniform(0.45, 0.75, np.count_nonzero(single))
    light[single] = (mass[single] - heavy[single]) * rng.uniform(0.3, 0.9, np.count_nonzero(single))
    return mass, heavy, light


def _breit_wigner(size: int, rng: Rng, low: float, high: float) -> Floats:
    edges = np.arctan((np.array([low, high]) - Z_MASS) * 2 / Z_WIDTH)
    return Z_MASS + Z_WIDTH / 2 * np.tan(rng.uniform(*edges, size))


def _boosted(mass: Floats, rng: Rng) -> vector.VectorNumpy4D:
    """Return what was produced with such masses, on the way through the detector."""
    size = len(mass)
    pt, rapidity = rng.gamma(1.6, 14.0, size), rng.normal(0.0, 0.9, size)
    pz = np.hypot(mass, pt) * np.sinh(rapidity)
    return _momenta(pt, np.arcsinh(pz / pt), rng.uniform(-np.pi, np.pi, size), mass)


def _two_bodies(
    parent: vector.VectorNumpy4D, first: Floats, second: Floats, rng: Rng
) -> tuple[vector.VectorNumpy4D, vector.VectorNumpy4D]:
    """Let `parent` decay, in any direction, to two with these masses."""
    mass = parent.mass
    p = np.sqrt((mass**2 - (first + second) ** 2) * (mass**2 - (first - second) ** 2)) / (2 * mass)
    eta = np.arctanh(rng.uniform(-1.0, 1.0, len(mass)))
    phi = rng.uniform(-np.pi, np.pi, len(mass))
    pt = p / np.cosh(eta)
    return tuple(
        _momenta(pt, sign * eta, phi + (sign < 0) * np.pi, m).boost_p4(parent)
        for sign, m in ((1, first), (-1, second))
    )


def _two_muons(parent: vector.VectorNumpy4D, rng: Rng) -> vector.VectorNumpy4D:
    mass = np.full(len(parent), MUON_MASS)
    pair = _two_bodies(parent, mass, mass, rng)
    return _momenta(*(np.stack([getattr(m, name) for m in pair]) for name in ("pt", "eta", "phi", "mass")))


def _momenta(pt: Floats, eta: Floats, phi: Floats, mass: Floats) -> vector.VectorNumpy4D:
    return vector.array({"pt": pt, "eta": eta, "phi": phi, "mass": mass})


# -- the events --


def make_block(processes: Sequence[str], sizes: Sequence[int], rng: Rng, *, run: int = 1) -> Block:
    """Return events of one process, with weights, or of several in any order, as data."""
    parts = [
        (decays(process, size, rng), process) for process, size in zip(processes, sizes, strict=True) if size
    ]
    size = sum(sizes)
    order = rng.permutation(size)
    kinematics = [
        np.concatenate([np.asarray(getattr(p4, name)) for p4, _ in parts] or [np.zeros((4, 0))], axis=1)
        for name in ("pt", "eta", "phi")
    ]
    fake = np.concatenate([np.full(p4.shape[1], process == "DYJetsToLL") for p4, process in parts] or [[]])
    number = np.arange(size)
    block = {
        "run": np.full(size, run, dtype=np.uint32),
        "luminosityBlock": (number // 1000 + 1).astype(np.uint32),
        "event": (number + 1).astype(np.uint64),
        "Muon": _muons(*(array[:, order].T for array in kinematics), fake[order].astype(bool), rng),
        "MET_pt": rounded(rng.gamma(2.0, 9.0, size)),
        "MET_phi": rounded(rng.uniform(-np.pi, np.pi, size)),
    }
    none, nothing = np.zeros(size + 1, dtype=np.int64), np.zeros(0, dtype=np.int16)
    empty = EMPTY | {"Jet": ("electronIdx1", "electronIdx2", "muonIdx1", "muonIdx2")}
    block |= {name: jagged(none, dict.fromkeys(fields, nothing)) for name, fields in empty.items()}
    if len(processes) == 1:
        block |= _weights(PROCESSES[processes[0]], size, rng)
    return block


def _muons(pt: Floats, eta: Floats, phi: Floats, fake: NDArray[np.bool_], rng: Rng) -> ak.Array:
    """The muons that are seen, in falling order of pt; all arrays are events x 4."""
    size = len(pt)
    pt = pt * rng.normal(1.0, 0.012, pt.shape)
    charge = rng.choice(np.array([-1, 1], dtype=np.int32), (size, 1)) * np.array([1, -1, 1, -1], np.int32)
    isolation = rng.exponential(np.where(fake[:, None] & (np.arange(4) >= 2), 0.12, 0.04), pt.shape)
    seen = (rng.random(pt.shape) < 0.97) & (pt > 3.0) & (np.abs(eta) < 2.4)
    order = np.argsort(-pt, axis=1)
    pt, eta, phi, charge, isolation, seen = (
        np.take_along_axis(array, order, axis=1) for array in (pt, eta, phi, charge, isolation, seen)
    )
    total = np.count_nonzero(seen)
    fields = {
        "pt": rounded(pt[seen]),
        "eta": rounded(eta[seen]),
        "phi": rounded(phi[seen]),
        "mass": np.full(total, MUON_MASS, dtype=np.float32),
        "charge": charge[seen],
        "pfRelIso04_all": rounded(isolation[seen]),
        "tightId": rng.random(total) < 0.98,
        "fsrPhotonIdx": np.full(total, -1, dtype=np.int16),
        "jetIdx": np.full(total, -1, dtype=np.int16),
    }
    return jagged(offsets(seen.sum(axis=1)), fields)


def _weights(process: Process, size: int, rng: Rng) -> Block:
    """Generator weights, and relative to them those of other scales: (muR, muF) = (0.5, 0.5) ... (2, 2)."""
    sign = np.where(rng.random(size) < process.negative, -1, 1)
    ren, fac = rng.normal([[process.scale], [process.scale / 3]], 0.02, (2, size))
    scale = [1 - r * ren - f * fac for r in (-1, 0, 1) for f in (-1, 0, 1)]
    return {
        "genWeight": (sign * rng.normal(process.weight, 0.01 * process.weight, size)).astype(np.float32),
        "LHEScaleWeight": regular(np.stack(scale, axis=1)),
    }


# -- the files --


def write_simulation(out: Path, jsons: Path, process: str, year: str, events: int, seed: int) -> None:
    """Write a simulated dataset and its sample JSON."""
    sumw, paths = 0.0, []
    spec = PROCESSES[process]
    for index in range(FILES):
        rng = np.random.default_rng([seed, spec.id, int(year), index])
        paths.append(out / f"{process}_{year}_{index}.root")
        sumw += write_blocks(paths[-1], *_empty_and(make_block([process], [events], rng, run=index + 1)))
    _write_sample(
        jsons / f"{process}_{year}.json",
        xsec=spec.xsec,
        year=year,
        process=process,
        files=paths,
        events=FILES * events,
        sumw=sumw,
    )


def write_data(out: Path, jsons: Path, year: str, seed: int) -> None:
    """Write what was measured in a year, and its sample JSON."""
    rng = np.random.default_rng([seed, int(year)])
    sizes = [int(rng.poisson(spec.xsec * 1000 * LUMINOSITY[year])) for spec in PROCESSES.values()]
    path = out / f"DoubleMuon_{year}.root"
    sumw = write_blocks(path, *_empty_and(make_block(list(PROCESSES), sizes, rng)))
    _write_sample(
        jsons / f"DoubleMuon_{year}.json",
        xsec=1.0,
        year=year,
        process="data",
        files=[path],
        events=sum(sizes),
        sumw=sumw,
    )


def _empty_and(block: Block) -> tuple[Block, list[Block]]:
    return {name: array[:0] for name, array in block.items()}, [block]


def _write_sample(
    path: Path, *, xsec: float, year: str, process: str, files: list[Path], events: int, sumw: float
) -> None:
    sample = {
        "xsec": xsec,
        "year": year,
        "treeName": "Events",
        "histAxisName": process,
        "options": "",
        "WCnames": [],
        "files": [os.path.relpath(file, path.parent) for file in files],
        "nEvents": events,
        "nGenEvents": events,
        "nSumOfWeights": sumw,
        "isData": process == "data",
    }
    path.write_text(json.dumps(sample, indent=2) + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Make NanoAOD-like files with four muons.")
    parser.add_argument("--out", type=Path, default=HERE / "data", help="directory of the files")
    parser.add_argument(
        "--samples", type=Path, default=HERE, help="where samples.cfg and sample_jsons/ are written"
    )
    parser.add_argument(
        "--events", type=int, default=10_000, help="of each simulated file (default %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    jsons = options.samples / "sample_jsons"
    for directory in (options.out, jsons):
        directory.mkdir(parents=True, exist_ok=True)
    for year in LUMINOSITY:
        for process in PROCESSES:
            write_simulation(options.out, jsons, process, year, options.events, options.seed)
        write_data(options.out, jsons, year, options.seed)
    lines = ["# Made by make_data.py. One sample per line; paths are relative to this file.", ""]
    lines += [
        f"sample_jsons/{name}_{year}.json" for year in LUMINOSITY for name in (*PROCESSES, "DoubleMuon")
    ]
    (options.samples / "samples.cfg").write_text("\n".join(lines) + "\n")
    print(f"made         {len(lines) - 2} samples: {options.samples / 'samples.cfg'}")


if __name__ == "__main__":
    main()
