"""Draw data and what was expected, stacked, and their ratio: `python plot.py OUTPUT.coffea [-o mass.png]`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hist
import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import mplhep
import numpy as np
from coffea.util import load
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
LUMINOSITY = {"2017": 41.5, "2018": 59.8}  # 1/fb
LUMINOSITY_ERROR = 0.025
STACK = {
    "DYJetsToLL": ("Z + jets", "#94a4a2"),
    "ZZTo4Mu": ("ZZ", "#3f90da"),
    "ggHTo4Mu": ("Higgs, 125 GeV", "#e42536"),
}

Samples = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What is expected of each process in all years, and the error of the sum in each bin."""

    processes: dict[str, hist.Hist]
    total: NDArray[np.floating]
    error: NDArray[np.floating]


def scaled(output: Mapping[str, Any], samples: Samples, variation: str) -> dict[str, hist.Hist]:
    """Return the histogram of each process: `xsec * luminosity / sumw` of each year, added up.

    The sum of weights is the nominal one for variations too: other scales are other cross sections as well.
    """
    found: dict[str, hist.Hist] = {}
    for name, result in output.items():
        sample = samples[name]
        if sample["isData"]:
            continue
        factor = 1000 * sample["xsec"] * LUMINOSITY[sample["year"]] / result["sumw"]
        one = result["mass"][{"variation": variation}] * factor
        process = sample["histAxisName"]
        found[process] = found[process] + one if process in found else one
    return found


def expect(output: Mapping[str, Any], samples: Samples) -> Expected:
    """Return what to expect. Sources of error are independent, each is the same for all processes."""
    first = next(result for name, result in output.items() if not samples[name]["isData"])
    variations = set(first["mass"].axes["variation"]) - {"nominal"}
    nominal = scaled(output, samples, "nominal")
    total = _sum(nominal)
    squares = sum(h.variances() for h in nominal.values()) + (LUMINOSITY_ERROR * total) ** 2
    for source in {name.removesuffix("Up") for name in variations if name.endswith("Up")}:
        shifts = [_sum(scaled(output, samples, source + way)) - total for way in ("Up", "Down")]
        squares = squares + np.max(np.abs(shifts), axis=0) ** 2
    return Expected(processes=nominal, total=total, error=np.sqrt(squares))


def observed(output: Mapping[str, Any], samples: Samples) -> hist.Hist:
    """Return the data of all years."""
    found = [result["mass"][{"variation": "nominal"}] for n, result in output.items() if samples[n]["isData"]]
    return sum(found[1:], found[0])


def _sum(histograms: Mapping[str, hist.Hist]) -> NDArray[np.floating]:
    return np.sum([h.values() for h in histograms.values()], axis=0)


def draw(expected: Expected, data: hist.Hist, picture: Path) -> None:
    with plt.style.context(mplhep.style.CMS):
        figure, (top, ratio) = plt.subplots(
            2, 1, figsize=(10, 10), sharex=True, gridspec_kw={"height_ratios": (3, 1), "hspace": 0.06}
        )
        mplhep.histplot(
            [expected.processes[name] for name in STACK],
            stack=True,
            histtype="fill",
            label=[label for label, _ in STACK.values()],
            color=[color for _, color in STACK.values()],
            flow="none",
            ax=top,
        )
        edges, values = data.axes["mass"].edges, data.values()
        relative = np.divide(
            expected.error, expected.total, out=np.zeros_like(expected.total), where=expected.total > 0
        )
        band = {"step": "post", "facecolor": "none", "edgecolor": "#717581", "hatch": "////", "linewidth": 0}
        low, high = expected.total - expected.error, expected.total + expected.error
        top.fill_between(edges, _steps(low), _steps(high), label="uncertainty", **band)
        points = {"histtype": "errorbar", "color": "black", "markersize": 9, "flow": "none"}
        mplhep.histplot(data, label="data", ax=top, **points)
        ratio.fill_between(edges, _steps(1 - relative), _steps(1 + relative), **band)
        ratio.axhline(1.0, color="#717581", linewidth=1)
        some = (values > 0) & (expected.total > 0)
        ratio.errorbar(
            data.axes["mass"].centers[some],
            values[some] / expected.total[some],
            yerr=np.sqrt(values[some]) / expected.total[some],
            fmt="o",
            color="black",
            markersize=6,
        )
        top.set(xlim=(71, 299), ylim=(0, None), xlabel="", ylabel="events / 4 GeV")
        ratio.set(ylim=(0, 2.2), xlabel="four-muon mass [GeV]", ylabel="data / expected")
        ratio.yaxis.label.set_size("small")
        top.legend(loc="upper right", fontsize="small")
        top.text(1.0, 1.01, f"{sum(LUMINOSITY.values()):.0f} fb$^{{-1}}$ (13 TeV), toys", ha="right",
                 va="bottom", transform=top.transAxes, fontsize="small")  # fmt: skip
        figure.align_ylabels()
        figure.savefig(picture, dpi=70, bbox_inches="tight")
        plt.close(figure)


def _steps(values: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.append(values, values[-1])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Draw the mass of four muons.")
    parser.add_argument("output", type=Path, help="the output.coffea of a run")
    parser.add_argument("-o", "--picture", type=Path, default=Path("mass.png"))
    parser.add_argument(
        "--samples", type=Path, default=HERE / "sample_jsons", help="directory of the sample JSONs"
    )
    options = parser.parse_args(arguments)
    samples = {path.stem: json.loads(path.read_text()) for path in options.samples.glob("*.json")}
    output = load(options.output)
    expected, data = expect(output, samples), observed(output, samples)
    draw(expected, data, options.picture)
    window = slice(hist.loc(115), hist.loc(135))
    for name, h in {**expected.processes, "data": data}.items():
        print(f"{name:<12} {h.sum().value:8.1f} events, {h[window].sum().value:6.1f} of 115-135 GeV")
    print(f"picture      {options.picture}")


if __name__ == "__main__":
    main()
