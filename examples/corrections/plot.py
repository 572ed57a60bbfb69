"""Draw what the corrections do: `python plot.py OUTPUT.coffea [-o corrections.png]`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
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

Samples = Mapping[str, Mapping[str, Any]]


def expect(output: Mapping[str, Any], samples: Samples, what: str, variation: str) -> hist.Hist:
    """Return what simulation predicts: `xsec * luminosity / sumw` of each dataset, added up.

    The luminosity is the number of all data over the sum of all cross sections: nothing else happens here.
    """
    simulated = {name: result for name, result in output.items() if not samples[name]["isData"]}
    data = sum(result["sumw"] for name, result in output.items() if samples[name]["isData"])
    luminosity = data / sum(samples[name]["xsec"] for name in simulated)
    scaled = [
        result[what][{"variation": variation}] * (samples[name]["xsec"] * luminosity / result["sumw"])
        for name, result in simulated.items()
    ]
    return sum(scaled[1:], scaled[0])


def observed(output: Mapping[str, Any], samples: Samples, what: str) -> hist.Hist:
    found = [r[what][{"variation": "nominal"}] for name, r in output.items() if samples[name]["isData"]]
    return sum(found[1:], found[0])


def draw(output: Mapping[str, Any], samples: Samples, picture: Path) -> None:
    with plt.style.context(mplhep.style.CMS):
        figure, axes = plt.subplots(
            2,
            2,
            figsize=(18, 10),
            sharex="col",
            gridspec_kw={"height_ratios": (3, 1), "hspace": 0.06, "wspace": 0.22},
        )
        for (top, ratio), what in zip(axes.T, ("vertices", "eta"), strict=True):
            _column(top, ratio, output, samples, what)
        axes[0, 0].set(xlim=(0, 50), ylabel="events")
        axes[0, 1].set(xlim=(-2.4, 2.4), ylabel="muons / 0.2")
        axes[1, 0].set_ylabel("data / expected", fontsize="small")
        figure.align_ylabels()
        figure.savefig(picture, dpi=50, bbox_inches="tight")
        plt.close(figure)


def _column(top: plt.Axes, ratio: plt.Axes, output: Mapping[str, Any], samples: Samples, what: str) -> None:
    data = observed(output, samples, what)
    before, after = (expect(output, samples, what, name) for name in ("uncorrected", "nominal"))
    line = {"flow": "none", "linewidth": 2.5}
    mplhep.histplot(after, histtype="fill", color="#92dadd", label="corrected", flow="none", ax=top)
    mplhep.histplot(before, color="#e42536", linestyle="--", label="as simulated", yerr=False, ax=top, **line)
    mplhep.histplot(data, histtype="errorbar", color="black", markersize=9, label="data", flow="none", ax=top)
    top.set(xlabel="", ylim=(0, 1.35 * max(h.values().max() for h in (data, before, after))))
    top.legend(loc="upper right", ncols=3, fontsize="x-small", columnspacing=1.0)
    axis = data.axes[0]
    for expected, color, marker in ((before, "#e42536", "s"), (after, "black", "o")):
        some = (data.values() > 0) & (expected.values() > 0)
        quotient = data.values()[some] / expected.values()[some]
        error = quotient / np.sqrt(data.values()[some])
        fill = "none" if color != "black" else color
        ratio.errorbar(
            axis.centers[some],
            quotient,
            yerr=error,
            fmt=marker,
            color=color,
            markerfacecolor=fill,
            markersize=7,
        )
    ratio.axhline(1.0, color="#717581", linewidth=1)
    ratio.set(ylim=(0.5, 1.5), xlabel=axis.label)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Draw what corrections do.")
    parser.add_argument("output", type=Path, help="the output.coffea of a run")
    parser.add_argument("-o", "--picture", type=Path, default=Path("corrections.png"))
    parser.add_argument(
        "--samples", type=Path, default=HERE / "sample_jsons", help="directory of the sample JSONs"
    )
    options = parser.parse_args(arguments)
    samples = {path.stem: json.loads(path.read_text()) for path in options.samples.glob("*.json")}
    output = load(options.output)
    draw(output, samples, options.picture)
    data = observed(output, samples, "vertices")
    for name in ("uncorrected", "nominal"):
        expected = expect(output, samples, "vertices", name)
        mean = np.average(expected.axes[0].centers, weights=expected.values())
        print(
            f"{name:<12} {expected.sum().value:8,.0f} events of {data.sum().value:,.0f}, {mean:.1f} vertices"
        )
    print(f"picture      {options.picture}")


if __name__ == "__main__":
    main()
