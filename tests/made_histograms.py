"""Histograms as frameworks book them."""

from __future__ import annotations

from typing import Any

import hist

SHIFTS = {"nominal": 1.0, "jesUp": 1.1, "jesDown": 0.8, "puUp": 1.2, "puDown": 1.0}


def axes(*names: str) -> Any:
    found = hist.Hist.new
    for name in names:
        found = found.StrCat([], name=name, growth=True)
    return found.Reg(4, 0, 100, name="mass", label="mass [GeV]")


def topcoffea() -> dict[str, Any]:
    """All axes in one histogram, which grow."""
    whole = axes("process", "channel", "systematic").Weight()
    for process in ("DY", "Data"):
        for channel in ("2l", "3l"):
            for name, weight in SHIFTS.items():
                if process == "DY" or name == "nominal":
                    whole.fill(
                        process=process, channel=channel, systematic=name, mass=[10, 60], weight=weight
                    )
    return {"mass": whole}


def pocketcoffea() -> dict[str, Any]:
    """By observable, sample and dataset, with categories and variations as axes; data have no variations."""
    simulation, data = axes("cat", "variation").Weight(), axes("cat").Weight()
    for channel in ("2l", "3l"):
        for name, weight in SHIFTS.items():
            simulation.fill(cat=channel, variation=name, mass=[10, 60], weight=weight)
        data.fill(cat=channel, mass=[10, 60])
    return {"variables": {"mass": {"DY": {"DY_2018": simulation}, "DATA": {"Data_2018": data}}}}
