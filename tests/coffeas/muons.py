"""An analysis for every coffea from 0.7 on, its inputs, and what coffea's own Runner makes of them."""

from __future__ import annotations

import contextlib
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import awkward as ak
import hist
import numpy as np
import uproot
from coffea import processor, util
from coffea.nanoevents import NanoAODSchema

DATASETS = {"a": 1700, "b": 1500}
CHUNKSIZE = 500
PATIENCE = 90.0
_BRANCHES = {"pt": 30.0, "eta": 1.0, "phi": 3.0, "mass": 0.1, "charge": 1.0}
_IDS = ("run", "luminosityBlock", "event")


class Muons(processor.ProcessorABC):
    """`trouble` is what happens in each chunk; all but the first of a file wait for the file `gate`."""

    def __init__(self, trouble: str = "", gate: str = "") -> None:
        self.trouble = trouble
        self.gate = gate

    def process(self, events: Any) -> Any:
        if self.trouble == "oserror":
            raise OSError(5, "of the processor")
        end = time.monotonic() + PATIENCE
        while self.gate and events.metadata["entrystart"] and not Path(self.gate).exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        pairs = events.Muon[ak.num(events.Muon) >= 2]
        mass = ak.to_numpy((pairs[:, 0] + pairs[:, 1]).mass)
        found = hist.Hist.new.Reg(20, 0, 200, name="mass").Double()
        found.fill(mass)
        return {events.metadata["dataset"]: {"mass": found, "events": len(events), "pairs": len(mass)}}

    def postprocess(self, accumulator: Any) -> Any:
        accumulator["ended"] = 1
        return accumulator


def count(events: Any) -> Any:
    return {"events": len(events)}


def write(directory: Path) -> None:
    """Write the files of the datasets, compressed as every uproot reads them."""
    rng = np.random.default_rng(1)
    for name, size in DATASETS.items():
        counts = rng.integers(0, 4, size)
        muons = {one: rng.normal(5, scale, counts.sum()).astype("f4") for one, scale in _BRANCHES.items()}
        jagged = ak.zip({one: ak.unflatten(values, counts) for one, values in muons.items()})
        with uproot.recreate(directory / f"{name}.root", compression=uproot.ZLIB(1)) as file:
            # what is assigned is an RNTuple in newer uproots, which not every coffea reads
            file.mktree("Events", {"Muon": jagged.type, "genWeight": "f4", **dict.fromkeys(_IDS, "u8")})
            ids = dict.fromkeys(_IDS, np.arange(size, dtype="u8"))
            file["Events"].extend({"Muon": jagged, "genWeight": rng.normal(1, 0.1, size), **ids})


def by_coffea(executor: Any, trouble: str = "", bad: tuple[str, ...] = ()) -> Any:
    """Run it in coffea's own Runner, which skips `bad` files."""
    runner = processor.Runner(
        executor=executor, schema=NanoAODSchema, chunksize=CHUNKSIZE, skipbadfiles=bool(bad)
    )
    fileset = {name: [f"{name}.root", *bad] for name in DATASETS}
    return runner(fileset, treename="Events", processor_instance=Muons(trouble))


def plain(output: Any) -> Any:
    """Return a result as what can be compared."""
    if isinstance(output, hist.Hist):
        return output.values(flow=True).tolist()
    if isinstance(output, dict):
        return {key: plain(value) for key, value in sorted(output.items())}
    return output


def main() -> None:
    warnings.simplefilter("ignore")
    with contextlib.redirect_stdout(sys.stderr):  # where it draws its bars
        expected = plain(by_coffea(processor.IterativeExecutor(status=False)))
    assert expected["a"]["events"] == DATASETS["a"]
    assert expected["a"]["pairs"] > 0
    for name in sys.argv[1:]:
        if name == "WorkQueueExecutor":
            from wq_runner import WorkQueueExecutor

            with WorkQueueExecutor(workers="local:2", status=False) as executor:
                Path("short.root").write_bytes(b"no file of ROOT")
                with contextlib.redirect_stdout(sys.stderr):
                    output = by_coffea(executor)
                    skipping = by_coffea(executor, bad=("short.root",))
                print(f"skipping: {'equal' if plain(skipping) == expected else plain(skipping)}")
                try:
                    by_coffea(executor, "oserror")
                except Exception as error:
                    print(f"raised: {error}")
        else:
            directory, _, one = name.partition(":")  # of several processors
            output = util.load(Path(directory) / "output.coffea")
            output = output[one] if one else output
        print(f"{name}: {'equal' if plain(output) == expected else plain(output)}")


if __name__ == "__main__":
    main()
