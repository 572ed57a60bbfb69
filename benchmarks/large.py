"""A processor whose result is large: 40 MB of dense histogram for each chunk, which do not compress."""

from __future__ import annotations

from typing import Any

import hist
import numpy as np
from coffea import processor

BINS = 5_000_000


class Large(processor.ProcessorABC):
    def process(self, events: Any) -> dict[str, Any]:
        found = hist.Hist.new.Reg(BINS, 0, 1, name="x").Double()
        found.view()[:] = np.random.default_rng(len(events)).random(BINS)
        return {"events": len(events), "histogram": found}

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        return accumulator
