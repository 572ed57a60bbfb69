"""Which pictures there are in an output, and what is in each: decided here, drawn elsewhere.

One for each observable and each combination of what is neither a dataset nor a variation: regions, channels.
Variations surround the nominal one; nothing is added up but what the user chose, and that is said.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from wq_runner.errors import ReportError, did_you_mean
from wq_runner.monitor.bins import Bins, Content, content, is_histogram
from wq_runner.monitor.histograms import Leaf, Sample, leaves
from wq_runner.monitor.words import count

PB_PER_FB = 1000.0
DATASET = "dataset"
EVENTS, WEIGHTS, GENERATOR = "events", "sum of weights", "sum of generator weights"
_DATASETS = ("dataset", "datasets", "sample", "samples", "process", "proc")
_VARIATIONS = ("systematic", "systematics", "syst", "sys", "variation", "variations", "shift")
_NOMINAL = ("nominal", "nom", "central", "none", "nosyst", "")
_SUM = "sum"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the user wants to see: values of axes, axes that are added up, one whose values are lines."""

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    summed: frozenset[str] = frozenset()
    overlay: str = ""


@dataclass(kw_only=True)
class Picture:
    """One picture: what is nominal of each part (a dataset, or a line), and the variations of it.

    `where` are the values of other axes that it is of, `notes` what must be said of it.
    """

    name: str
    where: Mapping[str, str] = field(default_factory=dict)
    parts: dict[str, Bins] = field(default_factory=dict)
    varied: dict[str, dict[str, Bins]] = field(default_factory=dict)
    overlay: str = ""
    notes: tuple[str, ...] = ()
    lacking: str = ""
    """Why it cannot be drawn, if it cannot."""

    @property
    def full_name(self) -> str:
        return "_".join((self.name, *self.where.values()))

    @property
    def title(self) -> str:
        where = [f"{axis} {value}" for axis, value in self.where.items()]
        undefined = sum(bins.undefined for bins in self.parts.values())
        more = [f"{count(undefined, 'bin')} without a number (nan or inf)"] if undefined else []
        return ", ".join((self.name, *where, *self.notes, *more))


def choose(axes: Iterable[str], overlay: str = "") -> Choice:
    """Read ``NAME=VALUE,VALUE`` and ``NAME=sum``.

    Raises
    ------
    UsageError
        If one has another form.
    """
    values: dict[str, tuple[str, ...]] = {}
    summed = set()
    for text in axes:
        name, equal, found = text.partition("=")
        if not (name and equal and found):
            raise ReportError(
                f"--axis {text}: it has no value",
                hint="--axis region=sr keeps what is of it, --axis region=sum adds up all regions",
            )
        if found == _SUM:
            summed.add(name)
        else:
            values[name] = (*values.get(name, ()), *found.split(","))
    return Choice(values=values, summed=frozenset(summed), overlay=overlay)


def pictures(output: Any, datasets: Mapping[str, Any], choice: Choice | None = None) -> list[Picture]:
    """Return the pictures of an output. `datasets` are the names that are known to be of datasets.

    Raises
    ------
    UsageError
        If there is nothing of what was chosen.
    """
    choice = choice or Choice()
    found: dict[tuple[str, ...], Picture] = {}
    seen: dict[str, set[str]] = {}
    empty: dict[str, Picture] = {}
    histograms = [leaf for leaf in leaves(output) if is_histogram(leaf.value)]
    for leaf, name, dataset in _named(histograms, datasets):
        if "COUNT" not in str(getattr(leaf.value, "kind", "COUNT")):
            found[name,] = Picture(name=name, lacking="it holds means, no numbers of events")
            continue
        one = content(leaf.value, tuple(choice.summed))
        _enter(seen, one, dataset)
        _add(found, name, dataset, one, choice)
        if not any(bins.filled for _, bins in one.parts):
            empty[name] = Picture(name=name, lacking=_empty(leaf.value))
    _check(choice, seen)
    drawn = {one.name for one in found.values()}
    return [*found.values(), *(one for name, one in empty.items() if name not in drawn)]


def _named(histograms: Sequence[Leaf], datasets: Mapping[str, Any]) -> Iterator[tuple[Leaf, str, str]]:
    """Yield histograms with their names, without the keys of datasets and of what these belong to."""
    parents: dict[tuple[str, ...], dict[str, set[str]]] = {}
    places = {}
    for leaf in histograms:
        place = next((number for number, key in enumerate(leaf.keys) if key in datasets), None)
        places[leaf.keys] = place
        if place:
            above = parents.setdefault(leaf.keys[: place - 1], {})
            above.setdefault(leaf.keys[place - 1], set()).add(leaf.keys[place])
    for leaf in histograms:
        place, keys = places[leaf.keys], list(leaf.keys)
        dataset = ""
        if place is not None:
            dataset = keys.pop(place)
            groups = parents.get(leaf.keys[: place - 1], {}) if place else {}
            # where each dataset is in one group only, groups are samples of which datasets are parts
            if len(groups) > 1 and sum(map(len, groups.values())) == len(set().union(*groups.values())):
                keys.pop(place - 1)
        yield leaf, "/".join(keys) or "histogram", dataset


def _add(
    found: dict[tuple[str, ...], Picture], name: str, dataset: str, one: Content, choice: Choice
) -> None:
    roles = {axis: _role(axis, dataset) for axis in one.categories} | ({DATASET: DATASET} if dataset else {})
    nominal = _nominal(one, roles)
    for categories, bins in one.parts:
        at = dict(zip(one.categories, categories, strict=True)) | ({DATASET: dataset} if dataset else {})
        if not bins.filled or not _is_chosen(at, roles, choice):
            continue
        part = variation = ""
        where: dict[str, str] = {}
        for axis, value in at.items():
            if _is(choice.overlay, axis, roles) or (roles[axis] == DATASET and not choice.overlay):
                if not any(_is(name, axis, roles) for name in choice.summed):
                    part = value
            elif axis in choice.summed:
                continue
            elif roles[axis] == "variation" and nominal and axis not in choice.values:
                variation = "" if value == nominal else value
            else:
                where[axis] = value
        if variation and choice.overlay:
            continue  # lines are nominal
        key = (name, *where.values())
        if key not in found:
            found[key] = _begin(name, where, one, choice, nominal)
        picture = found[key]
        _put(picture, part, variation, bins)


def _is(chosen: str, axis: str, roles: Mapping[str, str]) -> bool:
    """Tell whether a name of the user's is that of an axis: datasets are called so everywhere."""
    return chosen == axis or (chosen == DATASET == roles.get(axis))


def _is_chosen(at: Mapping[str, str], roles: Mapping[str, str], choice: Choice) -> bool:
    return all(
        any(fnmatch.fnmatchcase(value, one) for one in patterns)
        for chosen, patterns in choice.values.items()
        for axis, value in at.items()
        if _is(chosen, axis, roles)
    )


def _begin(name: str, where: dict[str, str], one: Content, choice: Choice, nominal: str) -> Picture:
    notes = [one.at] if one.at else []
    notes += [f"summed over {axis}" for axis in sorted(choice.summed) if axis in {*one.axes, DATASET}]
    if choice.overlay and nominal and _role(choice.overlay, "") != "variation":
        notes.append("nominal")
    lacking = ""
    if len(one.observables) not in {1, 2}:
        names = ", ".join(one.observables)
        lacking = f"it has {len(one.observables)} observables ({names}): --axis NAME=sum adds one up"
    return Picture(name=name, where=where, overlay=choice.overlay, notes=tuple(notes), lacking=lacking)


def _put(picture: Picture, part: str, variation: str, bins: Bins) -> None:
    into = picture.varied.setdefault(variation, {}) if variation else picture.parts
    before = into.get(part)
    if before is not None and not before.alike(bins):
        picture.lacking = f"the histograms of {part or 'it'} have different bins"
        return
    into[part] = bins if before is None else before.plus(bins)


def _role(axis: str, dataset: str) -> str:
    if axis.lower() in _DATASETS and not dataset:
        return DATASET
    return "variation" if axis.lower() in _VARIATIONS else "other"


def _nominal(one: Content, roles: Mapping[str, str]) -> str:
    """Return what the nominal variation is called; empty if nothing is nominal."""
    for place, axis in enumerate(one.categories):
        if roles[axis] == "variation":
            names = {categories[place] for categories, _ in one.parts}
            return next((name for known in _NOMINAL for name in names if name.lower() == known), "")
    return ""


def _enter(seen: dict[str, set[str]], one: Content, dataset: str) -> None:
    """Note which axes there are, and the values of those that have some."""
    for name in one.axes:
        seen.setdefault(name, set())
    for place, axis in enumerate(one.categories):
        values = {categories[place] for categories, _ in one.parts}
        seen[axis] |= values
        if _role(axis, dataset) == DATASET:
            seen.setdefault(DATASET, set()).update(values)
    if dataset:
        seen.setdefault(DATASET, set()).add(dataset)


def _check(choice: Choice, seen: Mapping[str, set[str]]) -> None:
    """Refuse what no histogram has."""
    for axis in (*choice.values, *sorted(choice.summed), *([choice.overlay] if choice.overlay else [])):
        if axis not in seen:
            known = did_you_mean(axis, seen)
            raise ReportError(
                f"no histogram has an axis called {axis}.{known}",
                hint=f"there are: {', '.join(sorted(seen)) or 'none'}",
            )
    for axis, patterns in choice.values.items():
        for one in patterns:
            if not any(fnmatch.fnmatchcase(value, one) for value in seen[axis]):
                raise ReportError(
                    f"--axis {axis}={one}: no histogram has it.{did_you_mean(one, seen[axis])}",
                    hint=f"{axis} has: {', '.join(sorted(seen[axis])) or 'ranges, which cannot be chosen'}",
                )


def normalized(picture: Picture, samples: Mapping[str, Sample], luminosity: float) -> Picture:
    """Scale simulation to what is expected in `luminosity` (per fb); data stay as they are.

    Raises
    ------
    UsageError
        If the samples of a dataset do not say what is needed.
    """
    named = picture.where.get(DATASET)

    def scaled(parts: Mapping[str, Bins]) -> dict[str, Bins]:
        return {
            part: bins.scaled(_factor(named or part or picture.name, samples, luminosity))
            for part, bins in parts.items()
        }

    varied = {name: scaled(parts) for name, parts in picture.varied.items()}
    return replace(picture, parts=scaled(picture.parts), varied=varied)


def _factor(name: str, samples: Mapping[str, Sample], luminosity: float) -> float:
    sample = samples.get(name)
    if sample is None:
        raise ReportError(
            f"nothing is known of {name}: it cannot be normalized.{did_you_mean(name, samples)}"
        )
    if sample.is_data:
        return 1.0
    if sample.xsec is None or not sample.sum_of_weights:
        lacking = "xsec" if sample.xsec is None else "nSumOfWeights"
        raise ReportError(
            f"{name} cannot be normalized: its sample has no {lacking}",
            hint="a run without --processor counts nSumOfWeights; wq-samples list shows what samples say",
        )
    return sample.xsec * PB_PER_FB * luminosity / sample.sum_of_weights


def quantity(picture: Picture, samples: Mapping[str, Sample]) -> str:
    """Say what the numbers of a picture are: events, or weights of which kind."""
    kinds = {_quantity(bins, samples.get(name, Sample())) for name, bins in picture.parts.items()}
    return next((one for one in (GENERATOR, WEIGHTS) if one in kinds), EVENTS)


def _empty(histogram: Any) -> str:
    try:
        total = histogram.sum(flow=True)
        outside = bool(total != type(total)())  # of weights it is an object, which is never false
    except (TypeError, ValueError):  # of a kind that cannot say
        outside = False
    return "all of it is outside of its axes" if outside else "it is empty"


def _quantity(bins: Bins, sample: Sample) -> str:
    if bins.variances is not None and (bins.variances == bins.values).all():
        return EVENTS
    mean, total = sample.mean_weight, abs(float(bins.values.sum()))
    if bins.variances is None or not mean or not total or 0.2 < abs(mean) < 5:
        return WEIGHTS
    # the weight of an entry, as the generator has it: with negative ones it looks larger than their mean
    each = float(bins.variances.sum()) / total / abs(mean)
    return GENERATOR if 0.5 <= each <= 30 else WEIGHTS


def total(parts: Mapping[str, Bins]) -> Bins:
    first, *others = parts.values()
    for one in others:
        first = first.plus(one)
    return first


def split_data(picture: Picture, samples: Mapping[str, Sample]) -> tuple[dict[str, Bins], dict[str, Bins]]:
    """Return what is expected and what was seen, by dataset."""
    data = {name: bins for name, bins in picture.parts.items() if samples.get(name, Sample()).is_data}
    return {name: bins for name, bins in picture.parts.items() if name not in data}, data


def band(picture: Picture, expected: Mapping[str, Bins]) -> tuple[Any, Any] | None:
    """Return how far all variations together go below and above what is expected, in quadrature.

    A dataset of which a variation was not filled is taken as it is nominally.
    """
    import numpy as np

    if not picture.varied or not expected:
        return None
    nominal = total(expected).values
    below, above = np.zeros_like(nominal), np.zeros_like(nominal)
    sources: dict[str, list[Any]] = {}
    for name, parts in picture.varied.items():
        shifted = total({one: parts.get(one, bins) for one, bins in expected.items()}).values - nominal
        sources.setdefault(_source(name), []).append(shifted)
    for shifts in sources.values():
        below += np.minimum(0, np.min(shifts, axis=0)) ** 2
        above += np.maximum(0, np.max(shifts, axis=0)) ** 2
    return nominal - np.sqrt(below), nominal + np.sqrt(above)


def _source(variation: str) -> str:
    """Return ``jes`` for ``jesUp`` and ``jes_down``."""
    lower = variation.lower()
    for end in ("up", "down"):
        if lower.endswith(end) and len(lower) > len(end):
            return variation[: -len(end)].rstrip("_-. ")
    return variation


def variations(picture: Picture) -> str:
    """Say what a band is of."""
    names = list(dict.fromkeys(map(_source, picture.varied)))
    return f"{len(names)} variations, in quadrature" if len(names) > 1 else f"variation {names[0]}"
