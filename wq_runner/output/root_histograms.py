"""Adding up histograms as ROOT has them: contents, errors and statistics, whatever their class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

KINDS = ("TH1", "TH2", "TH3", "TProfile")
_SUMS = (
    *("fEntries", "fTsumw", "fTsumw2", "fTsumwx", "fTsumwx2", "fTsumwy", "fTsumwy2", "fTsumwxy"),
    *("fTsumwz", "fTsumwz2", "fTsumwxz", "fTsumwyz", "fTsumwt", "fTsumwt2"),
)
_ARRAYS = ("fSumw2", "fBinEntries", "fBinSumw2")
_AXES = ("fXaxis", "fYaxis", "fZaxis")
_IS_AVERAGE = 1 << 18  # TH1::kIsAverage: https://root.cern.ch/doc/master/classTH1.html


class NotAddableError(ValueError):
    """Two things that have no sum; the message says why."""


def is_histogram(kind: str) -> bool:
    """Whether it is a class whose sums we know; TH2Poly has bins of any form."""
    return kind.startswith(KINDS) and kind != "TH2Poly"


def add(total: Any, other: Any) -> None:
    """Add a histogram to another one of the same class, in place.

    Raises
    ------
    NotAddableError
        If they do not have the same class, axes and labels.
    """
    _check(total, other)
    _make_errors(total, other)
    for mine, its in zip(_models(total), _models(other), strict=True):
        if hasattr(mine, "_data"):
            mine._data = _sum(mine._data, its._data)
        for name in _SUMS:
            if name in mine._members:
                mine._members[name] += its._members[name]
        for name in _ARRAYS:
            if name in mine._members:
                _add_array(mine._members[name], its._members[name])


def _check(total: Any, other: Any) -> None:
    if total.classname != other.classname:
        raise NotAddableError(f"is a {total.classname} and a {other.classname}")
    for one in (total, other):
        if int(one.all_members.get("@fBits", 0)) & _IS_AVERAGE:
            raise NotAddableError("is an average, which has no sum")
    for name in _AXES:
        if _axis(total.member(name)) != _axis(other.member(name)):
            raise NotAddableError(f"has different bins or labels ({name[1]} axis)")


def _axis(axis: Any) -> tuple[Any, ...]:
    labels = axis.member("fLabels")
    texts = None if labels is None else [(str(one), one.member("@fUniqueID")) for one in labels]
    return (
        axis.member("fNbins"),
        axis.member("fXmin"),
        axis.member("fXmax"),
        list(axis.member("fXbins")),
        texts,
    )


def _make_errors(total: Any, other: Any) -> None:
    """Give a histogram without squared errors its own, if the other has some: as many as its contents."""
    import numpy as np

    mine, its = total.member("fSumw2"), other.member("fSumw2")
    for errors, whole, others in ((mine, total, its), (its, other, mine)):
        if not len(errors) and len(others):
            data = next(one._data for one in _models(whole) if hasattr(one, "_data"))
            errors._data = np.abs(data).astype(others._data.dtype)
            errors._members["fN"] = len(errors._data)


def _models(model: Any) -> Iterator[Any]:
    """Yield a model and those of its base classes."""
    yield model
    for base in model._bases:
        yield from _models(base)


def _add_array(mine: Any, its: Any) -> None:
    if len(mine) != len(its):
        raise NotAddableError("has errors or numbers of entries of different kinds")
    mine._data = _sum(mine._data, its._data)


def _sum(mine: Any, its: Any) -> Any:
    """Add arrays; those of small integers must not overflow."""
    import numpy as np

    if mine.dtype.kind == "f":
        return (mine.astype(np.float64) + its).astype(mine.dtype)
    found = mine.astype(np.int64) + its
    if np.any(np.abs(found) > np.iinfo(mine.dtype).max):
        raise NotAddableError("has more in a bin than its kind of integers can hold")
    return found.astype(mine.dtype)
