"""What a sample JSON says of its files' events: how many, how many were generated, their sum of weights.

As TopCoffea's createJSON counts them: of simulation, the tree ``Runs`` tells what was generated, of a skim
too; without it, the events that are there do. Of data, every event counts once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from wq_runner.model import InputFile
from wq_runner.remote.opening import options_for
from wq_runner.samples import content
from wq_runner.samples.probe import BadFileError, Cause, classified, probe

_RUNS = "Runs"
_TIMEOUT = 60.0


@dataclass(frozen=True, kw_only=True)
class Sums:
    """Of a file, or of all files of a dataset; `weights` is the sum of generator weights."""

    is_data: bool
    events: int
    generated: int
    weights: float

    def fields(self) -> dict[str, Any]:
        """Return them as a sample JSON names them."""
        weights = self.events if self.is_data else self.weights
        return {"nEvents": self.events, "nGenEvents": self.generated, "nSumOfWeights": weights}


def sums_of(file: InputFile, timeout: float | None = None) -> Sums:
    """Open a file, at its path or the first fallback that works, and sum up.

    Raises
    ------
    BadFileError
        If it cannot be read anywhere.
    """
    first: BadFileError | None = None
    for path in (file.path, *file.fallbacks):
        try:
            return _sums(replace(file, path=path), timeout or _TIMEOUT)
        except BadFileError as error:
            first = first or error
    assert first is not None
    raise first


def total(sums: Iterable[Sums]) -> Sums:
    """Add up the files of a dataset, all of which are data or none.

    Raises
    ------
    ValueError
        If some are and some are not.
    """
    parts = list(sums)
    if len({one.is_data for one in parts}) > 1:
        raise ValueError("some files have genWeight and some have not: data and simulation are mixed")
    return Sums(
        is_data=any(one.is_data for one in parts),
        events=sum(one.events for one in parts),
        generated=sum(one.generated for one in parts),
        weights=math.fsum(one.weights for one in parts),
    )


def _sums(file: InputFile, timeout: float) -> Sums:
    entries = probe(file, timeout=timeout).entries
    if content.kind(file.path) == content.PARQUET:
        raise BadFileError(file.path, Cause.UNSUPPORTED, "a parquet file, which has no sums of weights")
    import uproot

    try:
        with uproot.open({file.path: None}, timeout=math.ceil(timeout), **options_for(file.path)) as root:
            tree = root[file.treename]
            if "genWeight" not in tree.keys():  # noqa: SIM118 - a tree is no dict
                return Sums(is_data=True, events=entries, generated=entries, weights=float(entries))
            names = _branches(root)
            if names is None:
                weights = tree["genWeight"].array(library="np")
                return Sums(
                    is_data=False, events=entries, generated=entries, weights=float(weights.sum(dtype="f8"))
                )
            generated, weights = (root[_RUNS][name].array(library="np") for name in names)
            return Sums(
                is_data=False,
                events=entries,
                generated=int(generated.sum()),
                weights=float(weights.sum(dtype="f8")),
            )
    except Exception as error:
        raise classified(file, error) from error


def _branches(root: Any) -> tuple[str, str] | None:
    """Return what the branches of Runs are called, which in old productions end with ``_``."""
    if _RUNS not in root:
        return None
    names = set(root[_RUNS].keys())
    for pair in (("genEventCount", "genEventSumw"), ("genEventCount_", "genEventSumw_")):
        if names.issuperset(pair):
            return pair
    return None


def stale(document: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    """Return the other sums of weights that a document has, which `values` do not renew."""
    return [key for key in document if key.startswith("nSumOf") and key not in values]
