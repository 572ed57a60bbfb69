"""Make data that differ from simulation, and the file that corrects it.

    python make_data.py                         the files of samples.cfg, and corrections.json
    python make_data.py --events 1000 --out DIR --samples DIR     fewer events, with a samples.cfg

Events are those of the dimuon example with the pileup of each. In data there is more of it, and muons are
found less often; corrections.json says how much. The same seed gives the same events.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import awkward as ak
import correctionlib
import correctionlib.schemav2 as schema
import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))

from dimuon.make_data import KINDS, Block, Made, Rng, make_block, write_blocks, write_samples  # noqa: E402

FILES = 2  # of each dataset
PILEUP = {"simulation": (27.0, 9.0), "data": (32.0, 7.0), "up": (33.5, 7.0), "down": (30.5, 7.0)}
"""Mean and width of the number of interactions, in data also as it may be within its error."""
ETA = [0.0, 0.9, 1.2, 2.1, 2.4]
PT = [20.0, 30.0, 45.0, "inf"]
EFFICIENCY = [[0.95, 0.98, 0.99], [0.89, 0.92, 0.94], [0.93, 0.95, 0.96], [0.76, 0.80, 0.83]]
EFFICIENCY_ERROR = 0.01


# -- the corrections --


def corrections() -> schema.CorrectionSet:
    """Return the corrections, as groups that measure them hand them out."""
    return schema.CorrectionSet(schema_version=2, corrections=[_pileup(), _muon_id()])


def _pileup() -> schema.Correction:
    edges = np.arange(0.0, 81.0)
    number = (edges[:-1] + edges[1:]) / 2

    def shape(name: str) -> NDArray[np.floating]:
        mean, width = PILEUP[name]
        density = np.exp(-(((number - mean) / width) ** 2) / 2)
        return density / density.sum()

    ratios = {"nominal": "data", "up": "up", "down": "down"}
    content = {
        key: _binned("n", edges, np.minimum(shape(name) / shape("simulation"), 20.0))
        for key, name in ratios.items()
    }
    return schema.Correction(
        name="pileup",
        description="Weight of a simulated event by its true number of interactions",
        version=1,
        inputs=[
            schema.Variable(name="n", type="real", description="Pileup.nTrueInt"),
            schema.Variable(name="systematic", type="string"),
        ],
        output=schema.Variable(name="weight", type="real"),
        data=_by_key(content),
    )


def _muon_id() -> schema.Correction:
    content = {
        key: schema.MultiBinning(
            nodetype="multibinning",
            inputs=["abseta", "pt"],
            edges=[ETA, PT],
            content=[round(value + shift, 4) for row in EFFICIENCY for value in row],
            flow="clamp",
        )
        for key, shift in {"nominal": 0.0, "up": EFFICIENCY_ERROR, "down": -EFFICIENCY_ERROR}.items()
    }
    return schema.Correction(
        name="muon_id",
        description="Efficiency of the tight selection of muons in data over simulation",
        version=1,
        inputs=[
            schema.Variable(name="abseta", type="real"),
            schema.Variable(name="pt", type="real", description="GeV"),
            schema.Variable(name="systematic", type="string"),
        ],
        output=schema.Variable(name="scale", type="real"),
        data=_by_key(content),
    )


def _binned(name: str, edges: NDArray[np.floating], values: NDArray[np.floating]) -> schema.Binning:
    return schema.Binning(
        nodetype="binning",
        input=name,
        edges=edges.tolist(),
        content=[round(value, 6) for value in values.tolist()],
        flow="clamp",
    )


def _by_key(content: dict[str, schema.Content]) -> schema.Category:
    items = [schema.CategoryItem(key=key, value=value) for key, value in content.items()]
    return schema.Category(nodetype="category", input="systematic", content=items)


# -- the events --


def make_events(kind: str, size: int, rng: Rng, scales: correctionlib.highlevel.Correction) -> Block:
    """Return events of the dimuon example, with their pileup, as seen by a detector that is not perfect."""
    is_data = KINDS[kind].is_data
    block = make_block(kind, size, rng)
    interactions = np.maximum(rng.normal(*PILEUP["data" if is_data else "simulation"], size), 0.5)
    for axis, width in (("x", 0.001), ("y", 0.001), ("z", 3.5)):
        block[f"PV_{axis}"] = rng.normal(0.0, width, size).astype(np.float32)
    block["PV_npvs"] = rng.poisson(0.7 * interactions).astype(np.int32)
    if is_data:
        muons = block["Muon"]
        scale = scales.evaluate(abs(muons.eta), muons.pt, "nominal")
        found = rng.random(ak.count(scale)) < ak.to_numpy(ak.flatten(scale))
        tight = muons.tightId & ak.unflatten(found, ak.num(muons))
        block["Muon"] = ak.with_field(muons, tight, "tightId")
    else:
        block["Pileup_nTrueInt"] = interactions.astype(np.float32)
    return block


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Make NanoAOD-like files, and corrections of them.")
    parser.add_argument("--out", type=Path, default=HERE / "data", help="directory of the files")
    parser.add_argument(
        "--samples", type=Path, default=HERE, help="where samples.cfg and sample_jsons/ are written"
    )
    parser.add_argument("--events", type=int, default=60_000, help="of each file (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    options.samples.mkdir(parents=True, exist_ok=True)
    text = corrections().model_dump_json(exclude_unset=True, indent=1)
    (options.samples / "corrections.json").write_text(text + "\n")
    scales = correctionlib.CorrectionSet.from_string(text)["muon_id"]
    made = []
    for kind, spec in KINDS.items():
        paths = [options.out / f"{kind}_{index}.root" for index in range(FILES)]
        sumw = 0.0
        for index, path in enumerate(paths):
            rng = np.random.default_rng([options.seed, spec.id, index])
            block = make_events(kind, options.events, rng, scales)
            sumw += write_blocks(path, {name: array[:0] for name, array in block.items()}, [block])
        made.append(
            Made(kind=kind, files=tuple(paths), events=FILES * options.events, sum_of_weights=float(sumw))
        )
    print(f"made         {len(made)} samples: {write_samples(options.samples, made)}")


if __name__ == "__main__":
    main()
