"""Which datasets a run is for: patterns of their names, and of what their metadata say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from wq_runner.errors import SelectionError, did_you_mean
from wq_runner.model import Dataset, Fileset, PerDataset

_MANY = 8  # values that are listed


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """``NAME`` or ``KEY=VALUE``, both with ``*`` and ``?``; `key` is empty for a name."""

    value: str
    key: str = ""

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Raise UsageError if the text says nothing."""
        key, equals, value = text.rpartition("=")
        if not value.strip() or bool(key.strip()) != bool(equals):
            raise SelectionError(
                f"pattern {text!r} not understood", hint="NAME or KEY=VALUE, such as year=2018"
            )
        return cls(value=value.strip(), key=key.strip())

    def __str__(self) -> str:
        return f"{self.key}={self.value}" if self.key else self.value

    def matches(self, dataset: Dataset) -> bool:
        if not self.key:
            return _alike(dataset.name, self.value)
        return any(_alike(text, self.value) for text in _texts(dataset, self.key))


def chosen(fileset: Fileset, only: Sequence[str], skip: Sequence[str]) -> Fileset:
    """Keep the datasets that `only` names and `skip` does not.

    Patterns of `only` for the same key are alternatives, those for different keys must all match; any of
    `skip` is enough.

    Raises
    ------
    UsageError
        If a pattern matches nothing, with the nearest that would; or if nothing is left.
    """
    wanted, unwanted = [[Pattern.parse(text) for text in texts] for texts in (only, skip)]
    for option, pattern in (*(("only", one) for one in wanted), *(("skip", one) for one in unwanted)):
        if not any(pattern.matches(dataset) for dataset in fileset):
            raise SelectionError(f"--{option} {pattern}: {_nothing(pattern, fileset)}")
    by_key: defaultdict[str, list[Pattern]] = defaultdict(list)
    for one in wanted:
        by_key[one.key].append(one)
    kept = tuple(
        dataset
        for dataset in fileset
        if all(any(one.matches(dataset) for one in ones) for ones in by_key.values())
        and not any(one.matches(dataset) for one in unwanted)
    )
    if not kept:
        said = [f"--only {one}" for one in wanted] + [f"--skip {one}" for one in unwanted]
        raise SelectionError(
            f"no dataset is left by {' '.join(said)}",
            hint="patterns for the same key are alternatives, those for different keys must all match",
        )
    return kept


def check_patterns(option: str, value: Any, fileset: Fileset) -> None:
    """Refuse values for datasets that are not there.

    Raises
    ------
    UsageError
        With the nearest name.
    """
    if not isinstance(value, PerDataset):
        return
    names = [dataset.name for dataset in fileset]
    for pattern, _ in value.patterns:
        if not any(_alike(name, pattern) for name in names):
            raise SelectionError(f"--{option}: no dataset {pattern}.{did_you_mean(pattern, names)}")


def _alike(text: str, pattern: str) -> bool:
    return text == pattern or fnmatchcase(text, pattern)


def _texts(dataset: Dataset, key: str) -> list[str]:
    """Return how people may write what the metadata say; ``isData`` and ``isMC`` say the same."""
    metadata: Mapping[str, Any] = dataset.metadata
    value = metadata.get(key)
    if key in {"isData", "isMC"} and dataset.is_simulation is not None:
        value = dataset.is_simulation if key == "isMC" else not dataset.is_simulation
    if isinstance(value, (list, tuple)):
        return [str(one) for one in value]
    if isinstance(value, bool):
        return ["true", "True", "1"] if value else ["false", "False", "0"]
    return [] if value is None else [str(value)]


def _nothing(pattern: Pattern, fileset: Fileset) -> str:
    if not pattern.key:
        names = [dataset.name for dataset in fileset]
        near = did_you_mean(pattern.value, names)
        return f"no dataset of this name.{near} There are: {_some(names)}"
    values = {texts[0]: None for dataset in fileset if (texts := _texts(dataset, pattern.key))}
    if not values:
        keys = {key for dataset in fileset for key in dataset.metadata}
        return f"no dataset has {pattern.key} in its metadata.{did_you_mean(pattern.key, keys)}"
    near = did_you_mean(pattern.value, values)
    return f"no dataset has this value.{near} There are: {_some(list(values))}"


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MANY
    return ", ".join(names[:_MANY]) + (f" and {more:,} more" if more > 0 else "")
