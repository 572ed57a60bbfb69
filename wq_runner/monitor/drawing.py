"""Pictures of an output as files, drawn by mplhep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wq_runner.monitor import words
from wq_runner.monitor.bins import Bins, Observable
from wq_runner.monitor.histograms import Sample
from wq_runner.monitor.pictures import Picture, band, quantity, split_data, total, variations

COLORS = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
MANY = 9  # datasets in a legend; the smallest are drawn together
_WIDE = 60  # characters of a title's line
_LONG, _FEW = 30, 6  # characters of a name, and names, for which there is room in a picture
_BESIDE = 46  # characters of a name beside it


def draw(
    picture: Picture, path: Path, samples: Mapping[str, Sample], *, luminosity: float | None = None
) -> None:
    """Draw a picture of one or two observables."""
    import mplhep
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), layout="constrained")
    axes = figure.add_subplot()
    first = next(iter(picture.parts.values()))
    unit = quantity(picture, samples) if luminosity is None else f"events, {luminosity:g} fb⁻¹"
    notes = [name for name in picture.parts if name and len(picture.parts) == 1 and not picture.varied]
    if len(first.observables) == 2:
        notes += _draw_map(picture, axes, samples, mplhep, unit)
    else:
        _draw_bins(picture, axes, samples, mplhep)
        axes.set_ylabel(f"{unit} / bin")
        axes.set_xlabel(first.observables[0].label)
    axes.set_title(_wrapped(", ".join((picture.title, *notes))), loc="left", fontsize="medium")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def _wrapped(title: str) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(title, _WIDE))


def _draw_map(
    picture: Picture, axes: Any, samples: Mapping[str, Sample], mplhep: Any, unit: str
) -> list[str]:
    """Draw what is expected, or data alone; return what must be said of it."""
    expected, data = split_data(picture, samples)
    shown = expected or data
    whole = total(shown)
    x, y = whole.observables
    mesh = mplhep.hist2dplot(whole.values, xbins=x.edges, ybins=y.edges, ax=axes, flow="none", cbar=False)
    axes.figure.colorbar(mesh.pcolormesh, ax=axes, label=f"{unit} / bin")
    axes.set_xlabel(x.label)
    axes.set_ylabel(y.label)
    _set_ticks(axes.xaxis, x)
    _set_ticks(axes.yaxis, y)
    if len(shown) < 2:
        return []
    return [f"sum of {len(shown)} datasets" + (" of simulation" if data and expected else "")]


def _draw_bins(picture: Picture, axes: Any, samples: Mapping[str, Sample], mplhep: Any) -> None:
    expected, data = split_data(picture, samples)
    first = next(iter(picture.parts.values())).observables[0]
    # a dataset has the same colour in all pictures of the same datasets
    colors = {name: COLORS[place % len(COLORS)] for place, name in enumerate(sorted(expected))}
    drawn, colors = _largest(expected, colors)
    if drawn:
        mplhep.histplot(
            [bins.values for bins in drawn.values()],
            bins=first.edges,
            stack=not picture.overlay,
            histtype="step" if picture.overlay else "fill",
            yerr=False,
            label=[name or None for name in drawn],
            color=[colors[name] for name in drawn],
            flow="none",
            ax=axes,
        )
    _draw_band(picture, expected, first.edges, axes)
    if data:
        seen = total(data)
        mplhep.histplot(
            seen.values,
            bins=first.edges,
            w2=seen.variances,
            histtype="errorbar",
            color="black",
            label="data",
            flow="none",
            ax=axes,
        )
    _set_ticks(axes.xaxis, first)
    handles, labels = axes.get_legend_handles_labels()
    if len(labels) > 1 or picture.varied or data:
        _name_parts(axes, handles, labels)
    lowest = min((float(bins.values.min()) for bins in expected.values()), default=0.0)
    if lowest >= 0:
        axes.set_ylim(bottom=0)
    axes.set_ylim(top=axes.get_ylim()[1] * 1.15)  # for the legend


def _name_parts(axes: Any, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """Draw the legend: beside the picture if it is large, names without their middle."""
    short = words.shortened(labels, _BESIDE)
    beside = len(labels) > _FEW or max(map(len, labels)) > _LONG
    if beside:
        axes.figure.set_size_inches(12, 6)
    place = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)} if beside else {}
    axes.legend(handles, [short[name] for name in labels], frameon=False, fontsize="small", **place)


def _draw_band(picture: Picture, expected: Mapping[str, Bins], edges: Any, axes: Any) -> None:
    limits = None if picture.overlay else band(picture, expected)
    if limits is None:
        return
    below, above = limits
    axes.fill_between(
        edges,
        [*below, below[-1]],
        [*above, above[-1]],
        step="post",
        facecolor="none",
        edgecolor="#333333",
        hatch="////",
        linewidth=0,
        label=variations(picture),
    )


def _largest(expected: Mapping[str, Bins], colors: dict[str, str]) -> tuple[dict[str, Bins], dict[str, str]]:
    """Order by size, and draw the smallest of many together."""
    order = sorted(expected, key=lambda name: float(expected[name].values.sum()))
    if len(order) <= MANY:
        return {name: expected[name] for name in order}, colors
    small = order[: len(order) - MANY + 1]
    others = f"{len(small)} others"
    drawn = {others: total({name: expected[name] for name in small})}
    drawn.update((name, expected[name]) for name in order[len(small) :])
    # as the many have the same colours again
    return drawn, {name: COLORS[place % len(COLORS)] for place, name in enumerate(sorted(drawn))}


def _set_ticks(axis: Any, observable: Observable) -> None:
    """Name the bins of categories; where bins have whole numbers, as of jets or runs, show no others."""
    from matplotlib.ticker import MaxNLocator, ScalarFormatter

    names = observable.ticks
    if names:
        axis.set_ticks(range(len(names)), names, rotation=30 if sum(map(len, names)) > _WIDE else 0)
    elif all(float(edge).is_integer() for edge in observable.edges):
        large = float(abs(observable.edges[-1])) >= 10_000
        axis.set_major_locator(MaxNLocator(nbins=6 if large else 9, integer=True, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(ScalarFormatter(useOffset=False))
