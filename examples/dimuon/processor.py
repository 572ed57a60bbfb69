"""Muon pairs and three-jet systems, per dataset: the processor of the README."""

from __future__ import annotations

from typing import Any

import awkward as ak
import hist
import numpy as np
from coffea import processor


class Dimuon(processor.ProcessorABC):
    """Mass of muon pairs of opposite sign, of the trijet of highest pt beside them, cut flow, sum of weights.

    Simulation is filled with its generator weights; times `xsec * luminosity / sumw` it is what to expect.
    """

    def __init__(self, min_pt: float = 20.0, window: tuple[float, float] = (81.0, 101.0)) -> None:
        self.min_pt = min_pt
        self.window = window

    def process(self, events: ak.Array) -> dict[str, Any]:
        weight = self.weights(events)

        muons = events.Muon
        muons = muons[(muons.pt > self.min_pt) & muons.tightId & (muons.pfRelIso04_all < 0.25)]
        two = ak.num(muons) == 2
        opposite = two & (ak.sum(muons.charge, axis=1) == 0)
        pairs = muons[opposite]
        mass = ak.to_numpy((pairs[:, 0] + pairs[:, 1]).mass)
        at_z = (mass > self.window[0]) & (mass < self.window[1])

        jets = events.Jet[opposite]
        jets = jets[(jets.pt > 30.0) & (abs(jets.eta) < 2.4)]
        trijets = ak.combinations(jets, 3, fields=["a", "b", "c"])
        trijets = trijets.a + trijets.b + trijets.c
        trijet = ak.firsts(trijets[ak.argmax(trijets.pt, axis=1, keepdims=True)])
        has_trijet = ak.to_numpy(~ak.is_none(trijet))

        pair_weight = weight[ak.to_numpy(opposite)]
        output = {
            "sumw": float(np.sum(weight)),
            "cutflow": {
                "events": len(events),
                "two muons": int(ak.sum(two)),
                "opposite sign": len(mass),
                "at the Z": int(np.sum(at_z)),
                "at the Z, three jets": int(np.sum(at_z & has_trijet)),
            },
            "mass": hist.Hist.new.Reg(120, 60, 120, name="mass", label="dimuon mass [GeV]").Weight(),
            "trijet": hist.Hist.new.Reg(100, 0, 1000, name="mass", label="trijet mass [GeV]").Weight(),
        }
        output["mass"].fill(mass, weight=pair_weight)
        output["trijet"].fill(ak.to_numpy(trijet.mass[has_trijet]), weight=pair_weight[has_trijet])
        return {events.metadata["dataset"]: output}

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        return accumulator  # nothing to do; coffea 0.7 asks for it

    def weights(self, events: ak.Array) -> np.ndarray:
        """Return the weight of each event: 1 for data."""
        if events.metadata.get("isData", "genWeight" not in events.fields):
            return np.ones(len(events))
        return ak.to_numpy(events.genWeight).astype(np.float64)
