"""Write the events with a Z, and the few numbers of each that are needed later, to parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from coffea import processor


class Skim(processor.ProcessorABC):
    """One row for each pair of muons at the Z, in a file for each chunk; sums of weights of all events.

    What is left out cannot be counted later, so what normalizes the rows is returned as usual.
    """

    def __init__(self, min_pt: float = 20.0) -> None:
        self.min_pt = min_pt

    def process(self, events: ak.Array) -> dict[str, Any]:
        is_data = events.metadata["isData"]
        weight = np.ones(len(events)) if is_data else ak.to_numpy(events.genWeight).astype(np.float64)

        muons = events.Muon
        muons = muons[(muons.pt > self.min_pt) & muons.tightId & (muons.pfRelIso04_all < 0.25)]
        chosen = ak.to_numpy((ak.num(muons) == 2) & (ak.sum(muons.charge, axis=1) == 0))
        muons, jets = muons[chosen], events.Jet[chosen]
        pair = muons[:, 0] + muons[:, 1]
        rows = ak.zip(
            {
                "run": events.run[chosen],
                "event": events.event[chosen],
                "weight": weight[chosen],
                "mass": pair.mass,
                "pt": pair.pt,
                "leading_pt": muons[:, 0].pt,
                "jets": ak.sum((jets.pt > 30.0) & (abs(jets.eta) < 2.4), axis=1),
            }
        )
        rows = rows[(rows.mass > 71.0) & (rows.mass < 111.0)]
        if len(rows):
            ak.to_parquet(rows, Path(events.metadata["output_dir"]) / "skim.parquet")
        found = {"events": len(events), "sumw": float(weight.sum()), "rows": len(rows)}
        return {events.metadata["dataset"]: found}
