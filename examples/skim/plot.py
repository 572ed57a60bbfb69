"""Draw the momentum of Z bosons from skims: `python plot.py RUN [-o pt.png]`, RUN a run's directory."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import awkward as ak
import hist
import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import mplhep
from coffea.util import load

HERE = Path(__file__).resolve().parent
STACK = {"TTTo2L2Nu": "#e76300", "DYJetsToLL": "#3f90da"}


def momentum(rows: ak.Array, factor: float) -> hist.Hist:
    """Return the histogram of the pairs' momentum, weights times a factor."""
    made = hist.Hist.new.Reg(50, 0, 100, name="pt").Weight()
    return made.fill(pt=ak.to_numpy(rows.pt), weight=factor * ak.to_numpy(rows.weight))


def read(
    skims: Path, output: Mapping[str, Any], samples: Mapping[str, Mapping[str, Any]]
) -> dict[str, hist.Hist]:
    """Return a histogram for each dataset, simulation scaled by `xsec * luminosity / sumw`.

    The luminosity is the number of all data over the sum of all cross sections: nothing else happens here.
    """
    simulated = [name for name in output if not samples[name]["isData"]]
    data = sum(result["events"] for name, result in output.items() if name not in simulated)
    luminosity = data / sum(samples[name]["xsec"] for name in simulated)
    found = {}
    for name, result in output.items():
        factor = samples[name]["xsec"] * luminosity / result["sumw"] if name in simulated else 1.0
        found[name] = momentum(ak.from_parquet(skims / name / "skim.parquet"), factor)
    return found


def draw(histograms: Mapping[str, hist.Hist], picture: Path) -> None:
    with plt.style.context(mplhep.style.CMS):
        figure, axes = plt.subplots(figsize=(10, 8))
        names = [name for name in STACK if name in histograms]
        mplhep.histplot(
            [histograms[name] for name in names],
            stack=True,
            histtype="fill",
            label=names,
            color=[STACK[name] for name in names],
            flow="none",
            ax=axes,
        )
        mplhep.histplot(
            histograms["DoubleMuon"],
            histtype="errorbar",
            color="black",
            markersize=9,
            label="data",
            flow="none",
            ax=axes,
        )
        axes.set(xlim=(0, 100), yscale="log", xlabel="pt of the muon pair [GeV]", ylabel="events / 2 GeV")
        axes.set_ylim(1, 3 * axes.get_ylim()[1])
        axes.legend(loc="upper right", fontsize="small")
        figure.savefig(picture, dpi=65, bbox_inches="tight")
        plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Draw the momentum of Z bosons.")
    parser.add_argument("run", type=Path, help="the directory of a run whose parquet files were merged")
    parser.add_argument("-o", "--picture", type=Path, default=Path("pt.png"))
    parser.add_argument(
        "--samples",
        type=Path,
        default=HERE.parent / "dimuon" / "sample_jsons",
        help="directory of the sample JSONs",
    )
    options = parser.parse_args(arguments)
    samples = {path.stem: json.loads(path.read_text()) for path in options.samples.glob("*.json")}
    histograms = read(options.run / "merged", load(options.run / "output.coffea"), samples)
    draw(histograms, options.picture)
    for name, one in histograms.items():
        print(f"{name:<12} {one.sum(flow=True).value:10,.0f} events")
    print(f"picture      {options.picture}")


if __name__ == "__main__":
    main()
