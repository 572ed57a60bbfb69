"""Say whether outputs of PocketCoffea are equal: `compare.py DIRECTORY OTHER...`."""

import functools
import math
import sys
from pathlib import Path
from typing import Any

import hist
import numpy as np
from coffea import util
from coffea.processor import column_accumulator

_OF_A_MOMENT = "processing_metadata"  # how long chunks took
_PRECISION = 1e-6  # sums of weights are added in single precision, in the order in which chunks come


def plain(value: Any) -> Any:
    """Return what can be compared: chunks come in any order."""
    if isinstance(value, hist.Hist):
        axes = [list(axis) if hasattr(axis, "bin") else str(axis) for axis in value.axes]
        return [str(axes), np.round(value.values(flow=True), 6).tolist(), value.ndim]
    if isinstance(value, column_accumulator):
        return sorted(np.round(np.asarray(value.value, dtype=float), 6).tolist())
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items() if key != _OF_A_MOMENT}
    if isinstance(value, set | list | tuple):
        return sorted(map(str, value))
    return round(float(value), 6) if isinstance(value, float | np.floating) else value


def output_of(directory: Path) -> Any:
    """Return the output, of all datasets or of each by itself."""
    files = sorted(directory.glob("output_*.coffea"))
    assert files, directory
    return functools.reduce(merged, (plain(util.load(path)) for path in files))


def merged(one: Any, other: Any) -> Any:
    """Put outputs of different datasets together."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        assert one == other
        return one
    return {
        key: merged(one[key], other[key]) if key in one and key in other else {**one, **other}[key]
        for key in sorted({*one, *other})
    }


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=_PRECISION, abs_tol=_PRECISION)
    return bool(one == other)


def main() -> None:
    expected, *others = (output_of(Path(name)) for name in sys.argv[1:])
    assert expected["cutflow"]["initial"].keys() == {"a", "b"}, expected["cutflow"]
    print(*(expected["cutflow"]["initial"][name] for name in ("a", "b")))
    assert set(expected["variables"]) == {"pt", "muons"}
    assert all(expected["columns"].values())
    for name, other in zip(sys.argv[2:], others, strict=True):
        print(f"{name}: {'equal' if same(expected, other) else 'not equal'}")


if __name__ == "__main__":
    main()
