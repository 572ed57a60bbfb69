"""What is in an output: a list of it, and pictures of its histograms.

Only here does anything of the monitor need the libraries of the analysis: hist and mplhep.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wq_runner.errors import UsageError, did_you_mean

PB_PER_FB = 1000.0
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
_DATASET_AXES = ("dataset", "sample", "process")
_MANY = 9  # datasets in a legend; the smallest are drawn together


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """Something in an output, and the keys that lead to it."""

    keys: tuple[str, ...]
    value: Any

    @property
    def name(self) -> str:
        return "/".join(self.keys)


@dataclass
class Picture:
    """One histogram: a part for each dataset, which is "" where there is but one."""

    name: str
    parts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What is needed to scale a dataset to its cross section (in pb)."""

    xsec: float | None = None
    sum_of_weights: float | None = None
    is_data: bool = False


def load(path: Path) -> Any:
    """Read an output as coffea writes it.

    Raises
    ------
    UsageError
        If it is not one.
    """
    import cloudpickle
    import lz4.frame

    try:
        with lz4.frame.open(path, "rb") as stream:
            return cloudpickle.load(stream)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:
        raise UsageError(
            f"{path} is not an output of coffea: {type(error).__name__}: {error}",
            hint="if a class of yours is missing, run this where the analysis can be imported",
        ) from error


def leaves(value: Any, keys: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """Yield what is in nested mappings, in their order."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from leaves(inner, (*keys, str(key)))
    else:
        yield Leaf(keys=keys, value=value)


def describe(value: Any) -> str:
    """Say in one line what something is."""
    if is_histogram(value):
        axes = ", ".join(
            f"{axis.name or axis.label or number} ({len(axis)} bins)"
            for number, axis in enumerate(value.axes)
        )
        total = value.sum(flow=True)
        return f"histogram of {axes}; sum {getattr(total, 'value', total):,.6g}"
    if isinstance(value, bool | int | float):
        return f"{value:,}"
    shape = getattr(value, "shape", None)
    if shape is not None:
        return f"{type(value).__name__} {shape}"
    if hasattr(value, "__len__") and not isinstance(value, str):
        return f"{type(value).__name__} of {len(value):,}"
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


def is_histogram(value: Any) -> bool:
    return hasattr(value, "axes") and hasattr(value, "view") and hasattr(value, "sum")


def pictures(output: Any, datasets: Mapping[str, Sample]) -> list[Picture]:
    """Put histograms together that differ only in their dataset: as a key, or as an axis."""
    found: dict[str, Picture] = {}
    for leaf in leaves(output):
        if not is_histogram(leaf.value):
            continue
        dataset = next((key for key in leaf.keys if key in datasets), "")
        name = "/".join(key for key in leaf.keys if key != dataset) or "histogram"
        picture = found.setdefault(name, Picture(name=name))
        for part, histogram in _by_dataset(leaf.value, dataset):
            picture.parts[part] = picture.parts[part] + histogram if part in picture.parts else histogram
    return list(found.values())


def _by_dataset(histogram: Any, dataset: str) -> Iterator[tuple[str, Any]]:
    for axis in histogram.axes:
        if axis.name in _DATASET_AXES and not dataset:
            for name in axis:
                yield str(name), histogram[{axis.name: name}]
            return
    yield dataset, histogram


def normalized(picture: Picture, samples: Mapping[str, Sample], luminosity: float) -> Picture:
    """Scale simulation to what is expected in `luminosity` (per fb); data stay as they are.

    Raises
    ------
    UsageError
        If the samples of a dataset do not say what is needed.
    """
    parts = {}
    for name, histogram in picture.parts.items():
        sample = samples.get(name)
        if sample is None:
            known = did_you_mean(name, samples)
            raise UsageError(f"nothing is known of {name or picture.name}: it cannot be normalized.{known}")
        if sample.is_data:
            parts[name] = histogram
            continue
        if sample.xsec is None or not sample.sum_of_weights:
            lacking = "xsec" if sample.xsec is None else "nSumOfWeights"
            raise UsageError(
                f"{name} cannot be normalized: its sample has no {lacking}",
                hint="a run without --processor counts nSumOfWeights; wq-samples list shows what samples say",
            )
        parts[name] = histogram * (sample.xsec * PB_PER_FB * luminosity / sample.sum_of_weights)
    return Picture(name=picture.name, parts=parts)


def draw(picture: Picture, path: Path, samples: Mapping[str, Sample], *, unit: str) -> bool:
    """Draw a histogram of one or two axes, stacked by dataset; return whether it could be drawn."""
    drawable = [axis for axis in next(iter(picture.parts.values())).axes if len(axis)]
    if len(drawable) not in {1, 2} or any(len(one.axes) != len(drawable) for one in picture.parts.values()):
        return False
    import mplhep
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), layout="constrained")
    axes = figure.add_subplot()
    if len(drawable) == 2:
        total = sum(list(picture.parts.values())[1:], start=next(iter(picture.parts.values())))
        mesh = mplhep.hist2dplot(total, ax=axes, flow="none", cbar=False)
        figure.colorbar(mesh.pcolormesh, ax=axes)
    else:
        _stack(picture, axes, samples, mplhep)
        axes.set_ylabel(unit)
    axes.set_title(picture.name, loc="left")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return True


def _stack(picture: Picture, axes: Any, samples: Mapping[str, Sample], mplhep: Any) -> None:
    data = [part for name, part in picture.parts.items() if samples.get(name, Sample()).is_data]
    expected = {name: part for name, part in picture.parts.items() if not samples.get(name, Sample()).is_data}
    # a dataset has the same colour in all pictures
    colors = {name: COLORS[place % len(COLORS)] for place, name in enumerate(sorted(expected))}
    order = sorted(expected, key=lambda name: float(expected[name].values(flow=True).sum()))
    if len(order) > _MANY:
        small = order[: len(order) - _MANY + 1]
        other = sum((expected[name] for name in small[1:]), start=expected[small[0]])
        expected = {f"{len(small)} others": other, **{name: expected[name] for name in order[len(small) :]}}
        order = list(expected)
    if order:
        mplhep.histplot(
            [expected[name] for name in order],
            stack=True,
            histtype="fill",
            label=[name or None for name in order],
            color=[colors.get(name, COLORS[-1]) for name in order],
            flow="none",
            ax=axes,
        )
    if data:
        total = sum(data[1:], start=data[0])
        mplhep.histplot(total, histtype="errorbar", color="black", label="data", flow="none", ax=axes)
    if len(order) + len(data) > 1:
        axes.legend(frameon=False)
    axes.set_ylim(bottom=0)
