"""A processor whose result is large: a dense histogram for each chunk, which does not compress."""

from __future__ import annotations

from typing import Any

import hist
import numpy as np
from coffea import processor


class Large(processor.ProcessorABC):
    """Returns a histogram of so many bytes."""

    def __init__(self, size: int = 40_000_000) -> None:
        self.bins = max(1, size // 8)

    def process(self, events: Any) -> dict[str, Any]:
        found = hist.Hist.new.Reg(self.bins, 0, 1, name="x").Double()
        found.view()[:] = np.random.default_rng(len(events)).random(self.bins)
        return {"events": len(events), "histogram": found}

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        return accumulator
