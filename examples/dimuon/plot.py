"""Draw the dimuon mass of an output of `processor.py`: `python plot.py OUTPUT.coffea [-o mass.png]`."""

from __future__ import annotations

import argparse
import functools
import json
import operator
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import hist
import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import mplhep
import numpy as np
from coffea.util import load

HERE = Path(__file__).resolve().parent


def stack(
    output: dict[str, Any], samples: dict[str, dict[str, Any]]
) -> tuple[dict[str, hist.Hist], hist.Hist | None]:
    """Return the mass that each simulated dataset predicts for the data, smallest first, and the data's.

    Simulation is scaled by `xsec * luminosity / sumw`. The luminosity is that of the data which were read:
    their number over the sum of all cross sections, because nothing else happens in these data.
    """
    is_data = {name: bool(samples.get(name, {}).get("isData", False)) for name in output}
    data = [result for name, result in output.items() if is_data[name]]
    simulated = {name: result for name, result in output.items() if not is_data[name] and result["sumw"]}
    xsec = {name: samples.get(name, {}).get("xsec", 1.0) for name in simulated}
    luminosity = sum(result["sumw"] for result in data) / sum(xsec.values()) if data and xsec else 1.0
    expected = {
        name: result["mass"] * (xsec[name] * luminosity / result["sumw"])
        for name, result in simulated.items()
    }
    expected = dict(sorted(expected.items(), key=lambda item: item[1].sum().value))
    return expected, sum_of(result["mass"] for result in data)


def sum_of(histograms: Iterable[hist.Hist]) -> hist.Hist | None:
    """Return their sum, None if there are none."""
    found = list(histograms)
    return functools.reduce(operator.add, found) if found else None


def peak(mass: hist.Hist) -> tuple[float, float]:
    """Return position and width of the peak: mean and standard deviation within 3 GeV of the highest bin."""
    centers, values = mass.axes[0].centers, mass.values()
    near = abs(centers - centers[np.argmax(values)]) < 3.0
    position = np.average(centers[near], weights=values[near])
    return float(position), float(np.sqrt(np.average((centers[near] - position) ** 2, weights=values[near])))


def draw(expected: dict[str, hist.Hist], data: hist.Hist | None, picture: Path) -> None:
    mplhep.style.use("CMS")
    figure, axes = plt.subplots(figsize=(9, 7))
    if expected:
        colors = ["#e76300", "#3f90da", "#bd1f01", "#94a4a2"][: len(expected)]
        mplhep.histplot(
            list(expected.values()),
            stack=True,
            histtype="fill",
            label=list(expected),
            color=colors,
            flow="none",
            ax=axes,
        )
    if data is not None:
        mplhep.histplot(
            data, histtype="errorbar", color="black", markersize=5, label="data", flow="none", ax=axes
        )
    axes.set(yscale="log", xlim=(60, 120), xlabel="dimuon mass [GeV]", ylabel="events / 0.5 GeV")
    bottom, top = axes.get_ylim()
    axes.set_ylim(max(bottom, 0.5), top * 3)
    axes.legend(loc="upper right", fontsize="small")
    figure.savefig(picture, dpi=100, bbox_inches="tight")
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Draw the dimuon mass.")
    parser.add_argument("output", type=Path, help="the output.coffea of a run")
    parser.add_argument("-o", "--picture", type=Path, default=Path("mass.png"))
    parser.add_argument(
        "--samples", type=Path, default=HERE / "sample_jsons", help="directory of the sample JSONs"
    )
    options = parser.parse_args(arguments)
    samples = {path.stem: json.loads(path.read_text()) for path in options.samples.glob("*.json")}
    expected, data = stack(load(options.output), samples)
    draw(expected, data, options.picture)
    for name, mass in {"data": data, "simulation": sum_of(expected.values())}.items():
        if mass is not None and mass.sum().value > 0:
            position, width = peak(mass)
            print(
                f"{name:<10} Z peak at {position:.2f} GeV, {width:.2f} wide, {mass.sum().value:,.0f} events"
            )
    print(f"picture    {options.picture}")


if __name__ == "__main__":
    main()
