"""Results that are not there yet: what dask would compute, and nobody does."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

_LOOKED_AT = 10_000  # values of a result


class LazyResultError(TypeError):
    """A processor returned something that is still to be computed."""


def check(result: Any) -> None:
    """Refuse a result that holds what dask calls a collection: sums of these are no sums.

    Raises
    ------
    LazyResultError
        With its place and its type.
    """
    if "dask" not in sys.modules:
        return
    for number, (place, value) in enumerate(_values("", result)):
        if number > _LOOKED_AT:
            return
        if _is_lazy(value):
            kind, place = type(value), place.removeprefix("['out']")  # noqa: PLW2901 - coffea's own beside it
            raise LazyResultError(
                f"what the processor returned is not computed: {place or 'it'} is a "
                f"{kind.__module__}.{kind.__name__}. Let process() return dask.compute(...)[0] of it, or "
                "work with the events as they are, which are no collection of dask here"
            )


def _is_lazy(value: Any) -> bool:
    if isinstance(value, type) or not hasattr(type(value), "__dask_graph__"):
        return False
    return value.__dask_graph__() is not None


def _values(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    yield place, value
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _values(f"{place}[{key!r}]", one)
    elif isinstance(value, list | tuple | set):
        for number, one in enumerate(value):
            yield from _values(f"{place}[{number}]", one)
