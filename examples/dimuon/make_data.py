"""Make small NanoAOD-like files: a Z peak, top pairs, and "data" that is a mixture of the two.

    python make_data.py                         the files of samples.cfg: 3 datasets, 12 files, 1.2 M events
    python make_data.py --out DIR --files 40 --events 200000 --samples DIR     more, with a samples.cfg

The branches are named and shaped as in NanoAOD; the physics is good enough for a plot. The same seed gives
the same events in a file, however many files are made.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
VERSION = 1  # raise it when the same seed no longer gives the same events
MUON_MASS, Z_MASS, Z_WIDTH = 0.10566, 91.1876, 2.4952  # GeV

Rng = np.random.Generator
Floats = NDArray[np.floating]
Block = dict[str, ak.Array]
"""Events: a flat array, or a jagged one of records, for each branch or collection."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A dataset that can be made. `weight` is the size of genWeight, `negative` how often its sign is -1."""

    id: int
    top_fraction: float
    xsec: float = 1.0  # pb
    weight: float = 1.0
    negative: float = 0.0
    is_data: bool = False


DY_XSEC, TT_XSEC = 2025.74, 88.29
KINDS = {
    "DYJetsToLL": Kind(id=1, top_fraction=0.0, xsec=DY_XSEC, weight=6.25, negative=0.16),
    "TTTo2L2Nu": Kind(id=2, top_fraction=1.0, xsec=TT_XSEC, weight=72.5, negative=0.05),
    "DoubleMuon": Kind(id=3, top_fraction=TT_XSEC / (TT_XSEC + DY_XSEC), is_data=True),
}

# Collections that coffea's NanoAODSchema links to others: it warns where one is missing. Empty here.
EMPTY = {
    "Electron": ("jetIdx", "photonIdx"),
    "FatJet": ("subJetIdx1", "subJetIdx2"),
    "FsrPhoton": ("muonIdx",),
    "LowPtElectron": ("electronIdx", "photonIdx"),
    "Photon": ("electronIdx", "jetIdx"),
    "SubJet": ("nBHadrons",),
    "Tau": ("jetIdx",),
}


# -- the physics: arrays of a number of events --


def make_block(kind: str, events: int, rng: Rng, *, first: int = 0, run: int = 1) -> Block:
    """Return `events` events as arrays to be written: flat ones, and jagged ones of records."""
    spec = KINDS[kind]
    is_top = rng.random(events) < spec.top_fraction
    number = np.arange(first, first + events)
    block = {
        "run": np.full(events, run, dtype=np.uint32),
        "luminosityBlock": (number // 1000 + 1).astype(np.uint32),
        "event": (number + 1).astype(np.uint64),
        "Muon": _muons(is_top, rng),
        "Jet": _jets(is_top, rng),
        "MET_pt": rounded(rng.gamma(np.where(is_top, 2.4, 2.0), np.where(is_top, 28.0, 9.0))),
        "MET_phi": rounded(rng.uniform(-np.pi, np.pi, events)),
    }
    none = np.zeros(events + 1, dtype=np.int64)
    nothing = np.zeros(0, dtype=np.int16)
    block |= {name: jagged(none, dict.fromkeys(fields, nothing)) for name, fields in EMPTY.items()}
    if not spec.is_data:
        block |= _weights(spec, events, rng)
    return block


def _muons(is_top: NDArray[np.bool_], rng: Rng) -> ak.Array:
    """Two muons of opposite sign in most events, somewhere a soft third one."""
    size = len(is_top)
    p = np.empty((2, 3, size))
    p[:, :, ~is_top] = _z_decays(np.count_nonzero(~is_top), rng)
    p[:, :, is_top] = _top_leptons(np.count_nonzero(is_top), rng)
    soft = rng.normal(0.0, 4.0, (1, 3, size))
    px, py, pz = np.concatenate([p, soft]).transpose(1, 2, 0)  # each events x 3
    true_pt = np.hypot(px, py)
    pt = true_pt * rng.normal(1.0, 0.012, true_pt.shape)
    eta = np.arcsinh(pz / true_pt)
    order = np.where(pt[:, :1] >= pt[:, 1:2], [0, 1, 2], [1, 0, 2])
    charge = rng.choice(np.array([-1, 1], dtype=np.int32), (size, 1)) * np.array([1, -1, 1], dtype=np.int32)
    charge[:, 1] *= np.where(rng.random(size) < 0.01, -1, 1).astype(np.int32)  # measured wrong
    seen = rng.random((size, 3)) < [0.96, 0.96, 0.04]
    seen[:, :2] &= (rng.random(size) < np.where(is_top, 0.6, 0.8))[:, None]  # the rest are other leptons
    seen &= (pt > 3.0) & (np.abs(eta) < 2.4)
    arrays = [np.take_along_axis(a, order, axis=1) for a in (pt, eta, np.arctan2(py, px), charge, seen)]
    seen = arrays.pop()
    pt, eta, phi, charge = (a[seen] for a in arrays)
    isolated = np.broadcast_to([True, True, False], (size, 3))[seen]
    fields = {
        "pt": rounded(pt),
        "eta": rounded(eta),
        "phi": rounded(phi),
        "mass": np.full(len(pt), MUON_MASS, dtype=np.float32),
        "charge": charge,
        "pfRelIso04_all": rounded(rng.exponential(np.where(isolated, 0.04, 0.8))),
        "tightId": rng.random(len(pt)) < np.where(isolated, 0.97, 0.3),
        "fsrPhotonIdx": np.full(len(pt), -1, dtype=np.int16),
        "jetIdx": np.full(len(pt), -1, dtype=np.int16),
    }
    return jagged(offsets(seen.sum(axis=1)), fields)


def _z_decays(size: int, rng: Rng) -> Floats:
    """Momenta (2, 3, size) of the muons from Z bosons: Breit-Wigner, boosted, on a little continuum."""
    low, high = (np.arctan((m - Z_MASS) * 2 / Z_WIDTH) for m in (50.0, 150.0))
    mass = Z_MASS + Z_WIDTH / 2 * np.tan(rng.uniform(low, high, size))
    continuum = rng.random(size) < 0.05
    mass[continuum] = 50.0 / np.sqrt(1 - rng.uniform(0, 0.9, np.count_nonzero(continuum)))
    # decay at rest with 1 + cos^2, by inverting its integral
    u = 4 * rng.random(size) - 2
    root = np.sqrt(u * u + 1)
    cos = np.cbrt(u + root) + np.cbrt(u - root)
    phi = rng.uniform(-np.pi, np.pi, size)
    sin, half = np.sqrt(np.maximum(0.0, 1 - cos * cos)), mass / 2
    rest = np.sqrt(half * half - MUON_MASS**2) * np.stack([sin * np.cos(phi), sin * np.sin(phi), cos])
    # the momentum of the boson, and the boost by it: p = q + P ((P.q) / (M (E + M)) + e / M)
    boson_pt, rapidity = rng.gamma(1.5, 10.0, size), rng.normal(0.0, 1.3, size)
    angle = rng.uniform(-np.pi, np.pi, size)
    transverse = np.hypot(mass, boson_pt)
    boson = np.stack([boson_pt * np.cos(angle), boson_pt * np.sin(angle), transverse * np.sinh(rapidity)])
    energy = transverse * np.cosh(rapidity)
    along = (boson * rest).sum(axis=0) / (mass * (energy + mass))
    return np.stack([rest + boson * (along + 0.5), boson * (0.5 - along) - rest])


def _top_leptons(size: int, rng: Rng) -> Floats:
    """Momenta (2, 3, size) of two leptons that know nothing of each other."""
    pt, eta = 5.0 + rng.gamma(2.0, 22.0, (2, size)), rng.normal(0.0, 1.1, (2, size))
    phi = rng.uniform(-np.pi, np.pi, (2, size))
    return np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], axis=1)


def _jets(is_top: NDArray[np.bool_], rng: Rng) -> ak.Array:
    """Jets in falling order of pt; in top events more of them, harder, the first two mostly from b quarks."""
    counts = rng.poisson(np.where(is_top, 1.6, 0.9)) + np.where(is_top, 2, 0)
    starts = offsets(counts)
    total = int(starts[-1])
    event = np.repeat(np.arange(len(counts)), counts)
    of_top = is_top[event]
    pt = np.minimum(20.0 + rng.exponential(np.where(of_top, 50.0, 22.0)), 2000.0)
    pt = 1e4 * (event + 1) - np.sort(1e4 * (event + 1) - pt)  # falling within each event: one sort for all
    tagged = rng.random(total) < np.where(of_top & (np.arange(total) - starts[event] < 2), 0.75, 0.05)
    fields = {
        "pt": rounded(pt),
        "eta": rounded(np.clip(rng.normal(0.0, 1.6, total), -4.7, 4.7)),
        "phi": rounded(rng.uniform(-np.pi, np.pi, total)),
        "mass": rounded(pt * rng.uniform(0.08, 0.2, total)),
        "btagDeepFlavB": rounded(
            np.where(tagged, 1 - rng.random(total) ** 2 * 0.7, rng.random(total) ** 2 * 0.3)
        ),
        "jetId": np.full(total, 6, dtype=np.int32),
    }
    for name in ("electronIdx1", "electronIdx2", "muonIdx1", "muonIdx2"):
        fields[name] = np.full(total, -1, dtype=np.int16)
    return jagged(starts, fields)


def _weights(spec: Kind, events: int, rng: Rng) -> Block:
    """Return generator weights and, relative to them, their variations in the order NanoAOD documents.

    LHEScaleWeight: (muR, muF) = (0.5, 0.5) (0.5, 1) (0.5, 2) (1, 0.5) ... (2, 2);
    PSWeight: ISR=2, FSR=2, ISR=0.5, FSR=0.5.
    """
    sign = np.where(rng.random(events) < spec.negative, -1, 1)
    ren, fac, isr, fsr = rng.normal(
        [[0.10], [0.04], [0.05], [0.02]], [[0.02], [0.02], [0.05], [0.05]], (4, events)
    )
    scale = [1 - r * ren - f * fac for r in (-1, 0, 1) for f in (-1, 0, 1)]
    shower = [1 + isr, 1 + fsr, 1 - isr, 1 - fsr]
    return {
        "genWeight": (sign * rng.normal(spec.weight, 0.01 * spec.weight, events)).astype(np.float32),
        "LHEScaleWeight": regular(np.stack(scale, axis=1)),
        "PSWeight": regular(np.stack(shower, axis=1)),
    }


# -- arrays --


def rounded(values: Floats) -> NDArray[np.float32]:
    """Return float32 with 12 bits of mantissa, as NanoAOD stores them, so that they can be compressed."""
    return (values.astype(np.float32).view(np.uint32) & np.uint32(0xFFFFF800)).view(np.float32)


def offsets(counts: NDArray[np.integer]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


def jagged(offsets: NDArray[np.int64], fields: dict[str, NDArray[np.generic]]) -> ak.Array:
    return ak.unflatten(ak.zip(fields), np.diff(offsets))


def regular(values: Floats) -> ak.Array:
    events, width = values.shape
    return ak.unflatten(rounded(values).reshape(-1), np.full(events, width))


# -- the files --


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much to make: `events` in each file, `basket` between two common boundaries of its branches.

    CMS compresses NanoAOD with LZMA, which takes far longer to read than LZ4.
    """

    files: int = 4
    events: int = 100_000
    seed: int = 1
    basket: int = 25_000
    compression: str = "LZ4"


@dataclass(frozen=True, kw_only=True)
class Made:
    """A dataset on disk. `sum_of_weights` is the number of events where they have no weight."""

    kind: str
    files: tuple[Path, ...]
    events: int
    sum_of_weights: float


def make_blocks(kind: str, plan: Plan, *, index: int = 0) -> Iterator[Block]:
    """Yield the events of file number `index`, one basket at a time."""
    rng = np.random.default_rng([plan.seed, KINDS[kind].id, index])
    for start in range(0, plan.events, plan.basket):
        size = min(plan.basket, plan.events - start)
        yield make_block(kind, size, rng, first=index * plan.events + start, run=index + 1)


def write_file(path: str | os.PathLike[str], kind: str, plan: Plan, *, index: int = 0) -> float:
    """Write a file, and return its sum of weights."""
    return write_blocks(
        path,
        make_block(kind, 0, np.random.default_rng(0)),
        make_blocks(kind, plan, index=index),
        plan.compression,
    )


def write_blocks(
    path: str | os.PathLike[str], empty: Block, blocks: Iterable[Block], compression: str = Plan.compression
) -> float:
    """Write blocks of events like `empty` under the name once all are there; return the sum of weights."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    total = 0.0
    try:
        with uproot.recreate(unfinished, compression=getattr(uproot, compression)(1)) as file:
            tree = file.mktree("Events", {name: _branch_type(array) for name, array in empty.items()})
            for block in blocks:
                tree.extend(block)
                total += _sum_of_weights(block)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return total


def _branch_type(array: ak.Array | NDArray[np.generic]) -> object:
    if not isinstance(array, ak.Array):
        return array.dtype
    kind = ak.type(array)
    return kind.content if hasattr(kind, "content") else kind.type  # of awkward 1


def _sum_of_weights(block: Block) -> float:
    weights = block.get("genWeight")
    return float(len(block["event"]) if weights is None else np.sum(weights, dtype=np.float64))


def write_dataset(
    directory: str | os.PathLike[str],
    kind: str,
    plan: Plan,
    *,
    progress: Callable[[str], object] | None = None,
) -> Made:
    """Write the dataset as DIRECTORY/KIND_0.root and so on, unless it is there already.

    A stamp beside the files tells what they were made with; files made with something else are replaced.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    stamp = directory / f".{kind}.json"
    wanted = {"version": VERSION, **asdict(plan)}
    paths = tuple(directory / f"{kind}_{index}.root" for index in range(plan.files))
    found = json.loads(stamp.read_text()) if stamp.exists() else {}
    is_there = found.get("made") == wanted and all(path.exists() for path in paths)
    if not is_there:
        stamp.unlink(missing_ok=True)
        for index in range(plan.files, found.get("made", wanted)["files"]):
            (directory / f"{kind}_{index}.root").unlink(missing_ok=True)
        weights = [write_file(path, kind, plan, index=index) for index, path in enumerate(paths)]
        found = {"made": wanted, "sum_of_weights": float(np.sum(weights))}
        _replace_text(stamp, json.dumps(found))
    events = plan.files * plan.events
    if progress:
        progress(
            f"{kind:<12} {'there already' if is_there else 'made'}: {plan.files} files, {events:,} events"
        )
    return Made(kind=kind, files=paths, events=events, sum_of_weights=found["sum_of_weights"])


def write_samples(directory: str | os.PathLike[str], datasets: Sequence[Made]) -> Path:
    """Write samples.cfg and sample_jsons/*.json for the datasets, and return the path of samples.cfg."""
    directory = Path(directory)
    jsons = directory / "sample_jsons"
    jsons.mkdir(parents=True, exist_ok=True)
    for made in datasets:
        _replace_text(jsons / f"{made.kind}.json", json.dumps(sample(made, jsons), indent=2) + "\n")
    lines = ["# Made by make_data.py. One sample per line; paths are relative to this file.", ""]
    lines += [f"sample_jsons/{made.kind}.json" for made in datasets]
    _replace_text(directory / "samples.cfg", "\n".join(lines) + "\n")
    return directory / "samples.cfg"


def sample(made: Made, beside: Path) -> dict[str, object]:
    """Return the sample JSON, with file names relative to the directory `beside`."""
    spec = KINDS[made.kind]
    return {
        "xsec": spec.xsec,
        "year": "2018",
        "treeName": "Events",
        "histAxisName": made.kind,
        "options": "",
        "WCnames": [],
        "files": [os.path.relpath(path, beside) for path in made.files],
        "nEvents": made.events,
        "nGenEvents": made.events,
        "nSumOfWeights": made.sum_of_weights,
        "isData": spec.is_data,
    }


def _replace_text(path: Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    unfinished.write_text(text)
    unfinished.replace(path)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Make NanoAOD-like files with a Z peak.")
    parser.add_argument("--out", type=Path, default=HERE / "data", help="directory of the files")
    parser.add_argument(
        "--files", type=int, default=Plan.files, help="files of each dataset (default %(default)s)"
    )
    parser.add_argument(
        "--events", type=int, default=Plan.events, help="events of each file (default %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=Plan.seed)
    parser.add_argument(
        "--compression",
        choices=("LZ4", "ZLIB", "LZMA"),
        default=Plan.compression,
        help="CMS takes LZMA (default %(default)s)",
    )
    parser.add_argument(
        "--samples", type=Path, help="write samples.cfg and sample_jsons/ into this directory"
    )
    options = parser.parse_args(arguments)
    plan = Plan(
        files=options.files, events=options.events, seed=options.seed, compression=options.compression
    )
    made = [write_dataset(options.out, kind, plan, progress=print) for kind in KINDS]
    if options.samples:
        print(f"samples      {write_samples(options.samples, made)}")


if __name__ == "__main__":
    main()
