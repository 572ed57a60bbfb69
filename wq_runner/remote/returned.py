"""What a processor returned that is no result: it is still to be computed, or cannot be sent."""

from __future__ import annotations

import inspect
import pickle
import types
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

_LOOKED_AT = 10_000  # values of a result
_RUNNING: Mapping[type, str] = {
    types.GeneratorType: "yield",
    types.AsyncGeneratorType: "yield",
    types.CoroutineType: "async",
}


class UnusableResultError(TypeError):
    """A processor returned something that is no result."""


def something(result: Any, process: Callable[..., Any]) -> Any:
    """Return what `process` returned, which must not be None.

    coffea would say so as well, by lines of its own.

    Raises
    ------
    UnusableResultError
        With the place of `process`.
    """
    if result is None:
        raise UnusableResultError(
            f"{_place(process)} returned None, so that there is nothing to add up. Let it end with 'return' "
            "and its result, also where no event is selected"
        )
    return result


def _place(process: Any) -> str:
    """Return ``Mine.process() in mine.py, line 12``, as far as it is known."""
    function = inspect.unwrap(process)
    if not isinstance(getattr(function, "__code__", None), types.CodeType):
        function = inspect.getattr_static(type(process), "__call__", process)  # an object that is called
    code = getattr(function, "__code__", None)
    name = getattr(function, "__qualname__", type(process).__name__)
    where = f" in {Path(code.co_filename).name}, line {code.co_firstlineno}," if code is not None else ""
    return f"{name.rpartition('<locals>.')[2]}(){where}"


def check(result: Any) -> None:
    """Refuse a result that holds what is still to be computed: sums of these are no sums.

    Raises
    ------
    UnusableResultError
        With its place and its type.
    """
    for place, value in islice(_values(result), _LOOKED_AT):
        if _is_lazy(value):
            raise UnusableResultError(
                f"what the processor returned is not computed: {_named(place, value)}. Let process() return "
                "dask.compute(...)[0] of it, or work with the events as they are, which are no collection "
                "of dask here"
            )
        if type(value) in _RUNNING:
            raise UnusableResultError(
                f"what the processor returned is not computed: {_named(place, value)}, what a function with "
                f"{_RUNNING[type(value)]!r} gives. Let process() return the result itself"
            )


def unsent(result: Any, error: BaseException) -> BaseException:
    """Return what to say of a result that could not be pickled: which part of it cannot."""
    import cloudpickle

    if not isinstance(error, TypeError | AttributeError | pickle.PicklingError):
        return error  # it is not about a value
    for place, value in islice(_values(result), _LOOKED_AT):
        if isinstance(value, Mapping | list | tuple | set) and value:
            continue  # one of those within it is meant
        try:
            cloudpickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
        except (TypeError, AttributeError, pickle.PicklingError) as found:
            return UnusableResultError(
                f"what the processor returned cannot be sent: {_named(place, value)} ({found})"
            )
    return error


def _named(place: str, value: Any) -> str:
    kind, place = type(value), place.removeprefix("['out']")  # coffea's own is beside it
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{place or 'it'} is a {module}{kind.__name__}"


def _is_lazy(value: Any) -> bool:
    if isinstance(value, type) or not hasattr(type(value), "__dask_graph__"):
        return False
    return value.__dask_graph__() is not None


def _values(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    yield place, value
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _values(one, f"{place}[{key!r}]")
    elif isinstance(value, list | tuple | set):
        for number, one in enumerate(value):
            yield from _values(one, f"{place}[{number}]")
