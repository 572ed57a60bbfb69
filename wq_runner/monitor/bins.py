"""What is in the bins of a histogram, one set of bins for each combination of its categories.

By what histograms look like, and not by their class: those of hist and boost-histogram, TopCoffea's sparse
ones, and its HistEFT, which is taken at the Standard Model.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

_CATEGORIES = ("StrCategory", "IntCategory", "Boolean")


@dataclass(frozen=True, kw_only=True)
class Observable:
    """An axis to draw along: its edges, and the names of its bins if they are no ranges."""

    name: str
    label: str
    edges: Any
    ticks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Bins:
    """Values, and their variances if they are known, over `observables`, under- and overflow left out."""

    values: Any
    variances: Any
    observables: tuple[Observable, ...]

    def scaled(self, factor: float) -> Bins:
        variances = None if self.variances is None else self.variances * factor**2
        return Bins(values=self.values * factor, variances=variances, observables=self.observables)

    def plus(self, other: Bins) -> Bins:
        known = self.variances is not None and other.variances is not None
        return Bins(
            values=self.values + other.values,
            variances=self.variances + other.variances if known else None,
            observables=self.observables,
        )

    def alike(self, other: Bins) -> bool:
        return bool(
            self.values.shape == other.values.shape
            and all(
                (a.edges == b.edges).all() for a, b in zip(self.observables, other.observables, strict=True)
            )
        )

    @property
    def filled(self) -> bool:
        return bool(self.values.any())

    @property
    def undefined(self) -> int:
        """How many bins hold no number, as an entry whose weight is not one leaves them."""
        import numpy as np

        return int((~np.isfinite(self.values)).sum())


@dataclass(frozen=True, kw_only=True)
class Content:
    """A histogram taken apart: the names of its categories' axes, and the bins of each combination."""

    axes: tuple[str, ...]
    categories: tuple[str, ...]
    observables: tuple[str, ...]
    parts: Sequence[tuple[tuple[str, ...], Bins]]
    at: str = ""


def is_histogram(value: Any) -> bool:
    return hasattr(value, "axes") and hasattr(value, "view") and hasattr(value, "sum")


def is_category(axis: Any) -> bool:
    return type(axis).__name__ in _CATEGORIES


def name_of(axis: Any, place: int) -> str:
    return str(axis.name or axis.label or f"axis {place}")


def content(histogram: Any, summed: Sequence[str] = ()) -> Content:
    """Take a histogram apart. Ranges in `summed` are added up, with what is below and above them."""
    at = ""
    if hasattr(histogram, "as_hist") and hasattr(histogram, "wc_names"):  # TopCoffea's
        histogram, at = histogram.as_hist({}), "at the Standard Model"
    axes = list(histogram.axes)
    kept = [axis for place, axis in enumerate(axes) if is_category(axis)]
    if len(kept) == len(axes):  # one that counts categories, like a cutflow
        kept.pop()
    dense = [axis for axis in axes if not any(axis is one for one in kept)]
    names = [name_of(axis, place) for place, axis in enumerate(axes)]
    drawn = [name for name, axis in zip(names, axes, strict=True) if any(axis is one for one in dense)]
    return Content(
        axes=tuple(names),
        categories=tuple(name for name in names if name not in drawn),
        observables=tuple(name for name in drawn if name not in summed),
        parts=list(_parts(histogram, kept, dense, drawn, summed)),
        at=at,
    )


def _parts(
    histogram: Any, kept: list[Any], dense: list[Any], names: list[str], summed: Sequence[str]
) -> Iterator[tuple[tuple[str, ...], Bins]]:
    observables = [_observable(axis, name) for axis, name in zip(dense, names, strict=True)]
    if hasattr(histogram, "dense_axes") and hasattr(histogram, "categorical_axes"):  # TopCoffea's
        for found, view in histogram.view(flow=True, as_dict=True).items():
            yield tuple(map(str, found)), _bins(view, dense, observables, summed, known=True)
        return
    view = histogram.view(flow=True)
    # whole numbers were counted, also where sums of histograms do not say so
    known = getattr(histogram, "_variance_known", True) or view.dtype.kind in "iu"
    order = [place for place, axis in enumerate(histogram.axes) if any(axis is one for one in kept)]
    for combination in itertools.product(*(list(enumerate(axis)) for axis in kept)):
        index: list[Any] = [slice(None)] * view.ndim
        for place, axis, (number, _) in zip(order, kept, combination, strict=True):
            index[place] = number + bool(axis.traits.underflow)
        found = tuple(str(category) for _, category in combination)
        yield found, _bins(view[tuple(index)], dense, observables, summed, known=known)


def _bins(
    view: Any, axes: list[Any], observables: list[Observable], summed: Sequence[str], *, known: bool
) -> Bins:
    fields = view.dtype.names or ()
    values = _trimmed(view["value"] if "value" in fields else view, axes, observables, summed)
    variances = None
    if "variance" in fields:
        variances = _trimmed(view["variance"], axes, observables, summed)
    elif known:  # bins that were filled without weights
        variances = values if (values == values.round()).all() else None
    return Bins(
        values=values,
        variances=variances,
        observables=tuple(one for one in observables if one.name not in summed),
    )


def _trimmed(array: Any, axes: list[Any], observables: list[Observable], summed: Sequence[str]) -> Any:
    import numpy as np

    found = np.asarray(array, dtype=float)
    for place in reversed(range(len(axes))):
        axis = axes[place]
        if observables[place].name in summed:
            found = found.sum(axis=place)
            continue
        first = int(axis.traits.underflow)
        found = np.take(found, range(first, first + len(axis)), axis=place)
    return found


def _observable(axis: Any, name: str) -> Observable:
    import numpy as np

    label = str(axis.label or name)
    if is_category(axis):
        ticks = tuple(map(str, axis))
        return Observable(name=name, label=label, edges=np.arange(len(ticks) + 1) - 0.5, ticks=ticks)
    edges = np.array(axis.edges, dtype=float)
    open_ends = _close(edges)
    if open_ends:
        label += f" ({' and '.join(open_ends)} bin without an end)"
    return Observable(name=name, label=label, edges=edges)


def _close(edges: Any) -> list[str]:
    """Let bins that reach to infinity be as wide as their neighbours, and return which they were."""
    import numpy as np

    found = []
    for name, outer, inner, next_one in (("first", 0, 1, 2), ("last", -1, -2, -3)):
        if np.isfinite(edges[outer]) or len(edges) < 2:
            continue
        known = len(edges) > 2 and np.isfinite(edges[next_one]) and np.isfinite(edges[inner])
        width = abs(edges[inner] - edges[next_one]) if known else 1.0
        start = edges[inner] if np.isfinite(edges[inner]) else 0.0
        edges[outer] = start - width if outer == 0 else start + width
        found.append(name)
    return found
