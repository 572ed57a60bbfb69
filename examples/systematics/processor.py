"""Four muons and their mass, with every systematic variation in one pass over the events."""

from __future__ import annotations

from typing import Any

import awkward as ak
import hist
import numpy as np
from coffea import processor
from coffea.analysis_tools import Weights

SHIFTS = {"nominal": 1.0, "muonScaleUp": 1.005, "muonScaleDown": 0.995}
"""Momentum scale of the muons: other momenta select other events, so the selection runs once for each."""


class FourMuons(processor.ProcessorABC):
    """Mass of four isolated muons, for each variation; sum of weights, cut flow.

    Nothing is scaled here: a chunk does not know the sum of weights of its dataset. Sums of chunks are sums
    of weights, and whoever has all of them scales by `xsec * luminosity / sumw`.
    """

    def __init__(self, efficiency_error: float = 0.015) -> None:
        self.efficiency_error = efficiency_error

    def process(self, events: ak.Array) -> dict[str, Any]:
        is_data = events.metadata["isData"]
        mass = hist.Hist(
            hist.axis.StrCategory([], growth=True, name="variation"),
            hist.axis.Regular(75, 3, 303, name="mass", label="four-muon mass [GeV]"),
            storage=hist.storage.Weight(),
        )
        cutflow = {}
        for shift, factor in SHIFTS.items():
            if is_data and shift != "nominal":
                continue
            muons = ak.with_field(events.Muon, events.Muon.pt * factor, "pt")
            selected, four, steps = self.select(muons)
            chosen = events[selected]
            weights = self.weights(chosen, four)
            # weights change no event: their variations need no other selection than the nominal one
            names = [shift, *sorted(weights.variations)] if shift == "nominal" else [shift]
            for name in names:
                weight = weights.weight(name if name in weights.variations else None)
                mass.fill(variation=name, mass=ak.to_numpy(four.sum(axis=1).mass), weight=weight)
            if shift == "nominal":
                cutflow = {"events": len(events), **steps}
        sumw = float(len(events)) if is_data else float(np.sum(ak.to_numpy(events.genWeight), dtype=float))
        return {events.metadata["dataset"]: {"sumw": sumw, "cutflow": cutflow, "mass": mass}}

    def select(self, muons: ak.Array) -> tuple[np.ndarray, ak.Array, dict[str, int]]:
        """Return which events have four good muons and two pairs of them, those muons, and the cut flow."""
        good = muons[(muons.pt > 5.0) & muons.tightId & (muons.pfRelIso04_all < 0.15)]
        four = ak.num(good) == 4
        neutral = four & (ak.sum(good.charge, axis=1) == 0)
        hard = neutral & (ak.sum(good.pt > 20.0, axis=1) >= 1) & (ak.sum(good.pt > 10.0, axis=1) >= 2)
        good, neutral_and_hard = good[hard], ak.to_numpy(hard)
        plus, minus = good[good.charge > 0], good[good.charge < 0]
        # of the two ways to pair them, the one with a pair at the Z
        pairs = [(plus[:, i] + minus[:, j]).mass for i in (0, 1) for j in (0, 1)]
        nearest = np.argmin([abs(ak.to_numpy(pair) - 91.19) for pair in pairs], axis=0)
        masses = np.stack([ak.to_numpy(pair) for pair in pairs])
        z1 = np.take_along_axis(masses, nearest[None], axis=0)[0]
        z2 = np.take_along_axis(masses, 3 - nearest[None], axis=0)[0]  # of the other two muons
        paired = (z1 > 40.0) & (z1 < 120.0) & (z2 > 12.0) & (z2 < 120.0)
        selected = neutral_and_hard.copy()
        selected[neutral_and_hard] = paired
        steps = {
            "four muons": int(ak.sum(four)),
            "of no charge": int(ak.sum(neutral)),
            "of high pt": int(ak.sum(hard)),
            "two pairs": int(np.sum(paired)),
        }
        return selected, good[paired], steps

    def weights(self, events: ak.Array, muons: ak.Array) -> Weights:
        """Return the weights of events and their variations: 1, without any, for data."""
        weights = Weights(len(events))
        if events.metadata["isData"]:
            return weights
        weights.add("generator", ak.to_numpy(events.genWeight).astype(np.float64))
        one = np.ones(len(events))
        number = ak.to_numpy(ak.num(muons))
        weights.add(
            "muonEfficiency",
            one,
            (1 + self.efficiency_error) ** number,
            (1 - self.efficiency_error) ** number,
        )
        # (muR, muF) = (0.5, 0.5) is the first of nine, (2, 2) the last
        scale = ak.to_numpy(events.LHEScaleWeight[:, [0, 8]]).astype(np.float64)
        weights.add("scale", one, scale.max(axis=1), scale.min(axis=1))
        return weights
