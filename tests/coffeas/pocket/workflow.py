"""Its workflow; chunks that do not begin a file wait for the file `gate`, if one is named."""

import time
from pathlib import Path

import awkward as ak
import numpy as np
from pocket_coffea.lib.weights import WeightLambda
from pocket_coffea.workflows.base import BaseProcessorABC

PATIENCE = 90.0

SIZE = 1.1

weights = [
    WeightLambda.wrap_func(
        name=name,
        function=lambda params, metadata, events, size, shape_variations: (
            np.full(size, params["scale"]),
            np.full(size, params["scale"] * SIZE),
            np.full(size, params["scale"] / SIZE),
        ),
        has_variations=True,
    )
    for name in ("scale", "other")
]


class Muons(BaseProcessorABC):
    def apply_object_preselection(self, variation):
        gate = self.params["gate"]
        end = time.monotonic() + PATIENCE
        while gate and self.events.metadata["entrystart"] and not Path(gate).exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        self.events["MuonGood"] = self.events.Muon[self.events.Muon.pt > 5]

    def count_objects(self, variation):
        self.events["nMuonGood"] = ak.num(self.events.MuonGood)
