"""Muon pairs, with simulation corrected to data by a file that travels with the tasks."""

from __future__ import annotations

import functools
from typing import Any

import awkward as ak
import correctionlib
import hist
import numpy as np
from coffea import processor
from coffea.analysis_tools import Weights


@functools.cache
def read(path: str) -> correctionlib.CorrectionSet:
    """Read a file of corrections, once in each process: they are not sent with the processor."""
    return correctionlib.CorrectionSet.from_file(path)


class Corrected(processor.ProcessorABC):
    """Vertices and muons of pairs at the Z: as simulated, corrected, and with each correction varied."""

    def __init__(self, corrections: str = "corrections.json") -> None:
        self.corrections = corrections

    def process(self, events: ak.Array) -> dict[str, Any]:
        is_data = events.metadata["isData"]
        sumw = float(len(events)) if is_data else float(np.sum(ak.to_numpy(events.genWeight), dtype=float))
        muons = events.Muon
        muons = muons[(muons.pt > 20.0) & (abs(muons.eta) < 2.4) & muons.tightId]
        events, muons = events[ak.num(muons) == 2], muons[ak.num(muons) == 2]
        at_z = (ak.sum(muons.charge, axis=1) == 0) & (abs((muons[:, 0] + muons[:, 1]).mass - 91.2) < 10.0)
        events, muons = events[at_z], muons[at_z]

        vertices = self.histogram(hist.axis.Regular(60, 0, 60, name="n", label="vertices"))
        eta = self.histogram(hist.axis.Regular(24, -2.4, 2.4, name="eta", label="pseudorapidity of muons"))
        for name, weight in self.weights(events, muons).items():
            vertices.fill(variation=name, n=events.PV.npvs, weight=weight)
            eta.fill(variation=name, eta=ak.to_numpy(ak.ravel(muons.eta)), weight=np.repeat(weight, 2))
        return {events.metadata["dataset"]: {"sumw": sumw, "vertices": vertices, "eta": eta}}

    def histogram(self, axis: hist.axis.Regular) -> hist.Hist:
        variation = hist.axis.StrCategory([], growth=True, name="variation")
        return hist.Hist(variation, axis, storage=hist.storage.Weight())

    def weights(self, events: ak.Array, muons: ak.Array) -> dict[str, np.ndarray]:
        """Return the weights of each variation; data have only the one that is 1."""
        weights = Weights(len(events), storeIndividual=True)
        if events.metadata["isData"]:
            return {"nominal": weights.weight()}
        weights.add("generator", ak.to_numpy(events.genWeight).astype(np.float64))
        file = read(self.corrections)

        def pileup(way: str) -> np.ndarray:
            return ak.to_numpy(file["pileup"].evaluate(events.Pileup.nTrueInt, way))

        def muon_id(way: str) -> np.ndarray:
            scale = file["muon_id"].evaluate(abs(muons.eta), muons.pt, way)
            return ak.to_numpy(ak.prod(scale, axis=1))

        weights.add("pileup", pileup("nominal"), pileup("up"), pileup("down"))
        weights.add("muonId", muon_id("nominal"), muon_id("up"), muon_id("down"))
        found = {"uncorrected": weights.partial_weight(include=["generator"]), "nominal": weights.weight()}
        return found | {name: weights.weight(name) for name in sorted(weights.variations)}
