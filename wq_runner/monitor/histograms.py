"""What is in an output, and a list of it.

Only here and where pictures are drawn does anything of the monitor need the libraries of the analysis.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wq_runner.errors import ReportError
from wq_runner.monitor.bins import is_category, is_histogram, name_of
from wq_runner.monitor.words import count

_NAMED = 6  # categories that are listed


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """Something in an output, and the keys that lead to it."""

    keys: tuple[str, ...]
    value: Any

    @property
    def name(self) -> str:
        return "/".join(self.keys)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What is needed to scale a dataset to its cross section (in pb); `mean_weight` is the generator's."""

    xsec: float | None = None
    sum_of_weights: float | None = None
    mean_weight: float | None = None
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
        raise ReportError(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:
        raise ReportError(
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
        return _histogram(value)
    if isinstance(value, bool | int | float):
        return f"{value:,}"
    shape = getattr(value, "shape", None)
    if shape is not None:
        return f"{type(value).__name__} {shape}"
    if hasattr(value, "__len__") and not isinstance(value, str):
        return f"{type(value).__name__} of {len(value):,}"
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


def _histogram(value: Any) -> str:
    """Return its axes; and its sum, where that is none over variations, regions or datasets."""
    axes = []
    for place, axis in enumerate(value.axes):
        names = ", ".join(map(str, axis)) if is_category(axis) and len(axis) <= _NAMED else ""
        what = f"{len(axis)}: {names}" if names else count(len(axis), "bin")
        axes.append(f"{name_of(axis, place)} ({what})")
    text = f"histogram of {', '.join(axes)}"
    if any(map(is_category, value.axes)):
        return text
    total = value.sum(flow=True)
    return f"{text}; sum {getattr(total, 'value', total):,.6g}"
