"""The processor that runs when the user names none: entries and sums of weights, as in sample JSONs.

Per dataset, of the events in the tree (of a skim, those that it kept):

=========================================  ==================================================================
nEvents                                    entries; nothing else is known of trees that are not NanoAOD
nGenEvents                                 the same: every event counts once, whatever its weight
nSumOfWeights                              sum of genWeight; of data, which have none, the entries
nSumOfWeights_{ISR,FSR}{Up,Down}           sum of genWeight * PSWeight[i]
nSumOfWeights_{renorm,fact}{Up,Down}       sum of genWeight * LHEScaleWeight[i], muR or muF times 2 or 1/2
nSumOfWeights_renormfact{Up,Down}          the same, muR and muF together
=========================================  ==================================================================

Which entry is which variation is what the title of the branch says, because productions differ: PSWeight
begins with ISR=2 in NanoAODv9 and with ISR=0.5 in v5. Where the title says nothing, the order is that of v9
(https://cms-nanoaod-integration.web.cern.ch/autoDoc/): ISR=2, FSR=2, ISR=0.5, FSR=0.5 of 4 PSWeights, and
(muR, muF) = (0.5, 0.5) (0.5, 1) (0.5, 2) (1, 0.5) ... (2, 2) of 9 LHEScaleWeights, or of 8 without (1, 1).
An event without a variation (no entries, or a single dummy one) counts with its nominal weight.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
from coffea.processor import ProcessorABC
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Factors = tuple[float, float]
"""Two scales of a variation, in units of the nominal one: (ISR, FSR) or (muR, muF)."""

_VARIED = "events with "
"""Before the name of a branch: how many events had its variations, only until results are merged."""


@dataclass(frozen=True, kw_only=True)
class Variations:
    """A branch of weights relative to genWeight: the factors to look for, and their order by convention."""

    branch: str
    scales: tuple[str, str]
    names: Mapping[str, Factors]
    conventions: tuple[tuple[Factors, ...], ...]

    def orders(self, title: str) -> dict[int, tuple[Factors, ...]]:
        """Return the factors of each entry, by the number of entries, as the title or else convention says.

        >>> SHOWER.orders("[0] is ISR=0.5 FSR=1; [1] is ISR=1 FSR=0.5")
        {2: ((0.5, 1.0), (1.0, 0.5))}
        """
        stated = tuple(self._factors(text) for text in re.findall(r"\[\d+\] is ([^;\[]*)", title))
        known = tuple(factors for factors in stated if factors is not None)
        if stated and len(known) == len(stated):
            return {len(known): known}
        return {len(order): order for order in self.conventions}

    def _factors(self, text: str) -> Factors | None:
        """Read ``renscfact=0.5d0 facscfact=1d0``, ``muR=0.50000E+00 muF=1``, ``MUF="1.0" MUR="0.5"``."""
        found = [
            re.search(rf'\b(?:{scale})="?([\d.]+(?:[ed][+-]?\d+)?)', text, re.IGNORECASE)
            for scale in self.scales
        ]
        first, second = (float(match[1].lower().replace("d", "e")) if match else None for match in found)
        return None if first is None or second is None else (first, second)


_NINE = tuple((r, f) for r in (0.5, 1.0, 2.0) for f in (0.5, 1.0, 2.0))

SHOWER = Variations(
    branch="PSWeight",
    scales=("ISR", "FSR"),
    names={"ISRUp": (2.0, 1.0), "ISRDown": (0.5, 1.0), "FSRUp": (1.0, 2.0), "FSRDown": (1.0, 0.5)},
    conventions=(((2.0, 1.0), (1.0, 2.0), (0.5, 1.0), (1.0, 0.5)),),
)
SCALE = Variations(
    branch="LHEScaleWeight",
    scales=("muR|renscfact", "muF|facscfact"),
    names={
        "renormUp": (2.0, 1.0),
        "renormDown": (0.5, 1.0),
        "factUp": (1.0, 2.0),
        "factDown": (1.0, 0.5),
        "renormfactUp": (2.0, 2.0),
        "renormfactDown": (0.5, 0.5),
    },
    conventions=(_NINE, tuple(factors for factors in _NINE if factors != (1.0, 1.0))),
)


class Survey(ProcessorABC):  # type: ignore[misc]  # coffea has no types
    """Count events and sum their weights. Results are plain numbers, merged by addition."""

    def process(self, events: ak.Array) -> dict[str, dict[str, Any]]:
        """Return ``{dataset: {"nEvents": ..., ...}}`` of a chunk, of any schema."""
        entries = len(events)
        result: dict[str, Any] = {"nEvents": entries}
        if _is_data(events):
            result |= {"nGenEvents": entries, "nSumOfWeights": float(entries)}
        elif "genWeight" in events.fields:
            weight = ak.to_numpy(events.genWeight).astype(np.float64)
            result |= {"nGenEvents": entries, "nSumOfWeights": float(weight.sum())}
            for variations in (SHOWER, SCALE):
                result |= _varied_sums(events, weight, variations)
        return {events.metadata["dataset"]: result}

    def postprocess(self, accumulator: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Leave out the variations that no event of a dataset had."""
        for dataset, result in accumulator.items():  # in place, as not every coffea takes what is returned
            accumulator[dataset] = _without_absent(result)
        return accumulator


def _is_data(events: ak.Array) -> bool:
    """Ask the samples; where they do not say, data are NanoAOD without generator weights."""
    fields = set(events.fields)
    return bool(events.metadata.get("isData", "genWeight" not in fields and {"run", "event"} <= fields))


def _varied_sums(events: ak.Array, weight: Floats, variations: Variations) -> dict[str, Any]:
    """Return the sums of a branch that may be absent: then all are nominal, and no event is varied."""
    factors = {name: np.ones_like(weight) for name in variations.names}
    varied = 0
    if variations.branch in events.fields:
        branch = events[variations.branch]
        counts = ak.to_numpy(ak.num(branch, axis=1))
        values = ak.to_numpy(ak.flatten(branch, axis=1))
        begins = np.cumsum(counts) - counts
        for length, order in variations.orders(str(branch.__doc__ or "")).items():
            having = counts == length
            varied += int(np.count_nonzero(having))
            for name, wanted in variations.names.items():
                if wanted in order:
                    factors[name][having] = values[begins[having] + order.index(wanted)]
    sums = {f"nSumOfWeights_{name}": float((weight * factor).sum()) for name, factor in factors.items()}
    return {**sums, _VARIED + variations.branch: varied}


def _without_absent(result: dict[str, Any]) -> dict[str, Any]:
    kept = dict(result)
    for variations in (SHOWER, SCALE):
        if not kept.pop(_VARIED + variations.branch, 0):
            for name in variations.names:
                kept.pop(f"nSumOfWeights_{name}", None)
    return kept
