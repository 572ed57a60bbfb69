"""Arguments of a processor, as its class wants them: by its annotations, or else by its defaults."""

from __future__ import annotations

import contextlib
import inspect
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from pathlib import PurePath
from typing import Any

from wq_runner.code.fitting import UnfitError, Written, fit
from wq_runner.errors import UsageError, did_you_mean
from wq_runner.literals import Arguments, merged

_NOTHING = inspect.Parameter.empty


def understood(kind: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return keyword arguments for a class, those that were written as it wants them.

    What was given in Python stays what it is. `kind` is a class or anything else that is called.

    Raises
    ------
    UsageError
        If a value contradicts the annotation, or the default.
    """
    if not isinstance(given, Arguments):
        return dict(given)
    found = {}
    for name, value in given.items():
        wanted, default = _wanted(kind, name)
        written = Written(value=value, text=given.texts.get(name))
        try:
            found[name] = _fitted(written, wanted, default, given.doubts.get(name, ""))
        except UnfitError as error:
            shown = given.texts.get(name, repr(value))
            owner = getattr(kind, "__name__", str(kind))
            raise UsageError(
                f"the argument {name} is {shown} ({type(value).__name__}), but {owner} wants {error}",
                hint=_hint(name, given.texts.get(name, value), wanted),
                page="processor",
            ) from None
        except ValueError as error:
            raise UsageError(f"the argument {name}: {error}", page="processor") from None
    return found


def _hint(name: str, text: Any, wanted: Any) -> str:
    if wanted is not _NOTHING and wanted is not Any and not _takes_text(wanted, "text"):
        return "its annotation says so"
    return f"text in quotes is taken as text: --processor-args '{name}=\"{text}\"'"


def of_processor(given: Mapping[str, Any], name: str, names: Collection[str]) -> Mapping[str, Any]:
    """Return the arguments of one of several processors: its own, as ``ee.year``, and those of all: ``year``.

    Raises
    ------
    UsageError
        If one is for a processor that is not there.
    """
    chosen = []
    for full in given:
        whose, dot, own = full.rpartition(".")
        if dot and whose not in names:
            known = ", ".join(filter(None, names))
            raise UsageError(
                f"the argument {full} is for a processor called {whose}.{did_you_mean(whose, names)}",
                hint=f"the processors are {known}"
                if known
                else "processors get names by -p NAME=FILE.py:CLASS",
                page="processor",
            )
        if whose in {"", name}:
            chosen.append((full, own))
    if not isinstance(given, Arguments):
        return {own: given[full] for full, own in chosen}
    return Arguments(
        {own: given[full] for full, own in chosen},
        {own: given.texts[full] for full, own in chosen if full in given.texts},
        {own: given.doubts[full] for full, own in chosen if full in given.doubts},
    )


def described(arguments: Mapping[str, Any], *, limit: int = 60) -> str:
    """Say what was understood, with types: ``syst = False (bool), era = '2018' (str)``."""
    return ", ".join(f"{name} = {_short(value, limit)} ({_type(value)})" for name, value in arguments.items())


def as_json(arguments: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was understood for run.json: each with its type, and the text that it came from."""
    texts = given.texts if isinstance(given, Arguments) else {}
    return {
        name: {"value": repr(value), "type": _type(value), "written": texts.get(name)}
        for name, value in arguments.items()
    }


def again(several: Sequence[Mapping[str, Any]], told: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the arguments of a run that ended, from its options and from what `as_json` said of them."""
    values = {name: value for mapping in several for name, value in mapping.items()}
    found = []
    for name, value in values.items():
        text = told.get(name, {}).get("written")
        found.append(Arguments({name: value}) if text is None else Arguments.of(name, text))
    return merged((Arguments({}), *found))


def _short(value: Any, limit: int) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def _type(value: Any) -> str:
    return type(value).__name__


# -- what is wanted


def _wanted(kind: Any, name: str) -> tuple[Any, Any]:
    """Return the annotation and the default of a parameter; of a class also where a base takes it."""
    for function in _callables(kind):
        try:
            parameters = inspect.signature(function).parameters
        except (ValueError, TypeError):
            continue
        rest = None
        for parameter in parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                rest = parameter
            elif parameter.name == name and parameter.kind is not parameter.VAR_POSITIONAL:
                return _annotation(function, parameter), parameter.default
        if rest is None:
            break
        if rest.annotation is not _NOTHING and _annotation(function, rest) is not Any:
            return _annotation(function, rest), _NOTHING
    return _NOTHING, _NOTHING


def _callables(kind: Any) -> list[Callable[..., Any]]:
    if isinstance(kind, type):
        own = [base.__dict__["__init__"] for base in kind.__mro__ if "__init__" in base.__dict__]
        return [function for function in own if callable(function)]
    return [kind]


def _annotation(function: Any, parameter: inspect.Parameter) -> Any:
    found = parameter.annotation
    inner = inspect.unwrap(function)
    with contextlib.suppress(Exception):
        return typing.get_type_hints(inner, include_extras=True).get(parameter.name, found)
    if not isinstance(found, str):
        return found
    try:
        # one by one: another parameter may name what is imported for type checkers only
        return eval(found, getattr(inner, "__globals__", {}))
    except Exception:
        return _NOTHING


# -- what fits


def _fitted(given: Written, wanted: Any, default: Any, doubt: str) -> Any:
    if wanted is not _NOTHING and wanted is not Any:
        if default is None and given.value is None:
            return None
        if doubt and not _takes_text(wanted, given.text):
            raise ValueError(doubt)
        return fit(given, wanted)
    if doubt and not isinstance(default, str | PurePath):
        raise ValueError(doubt)
    if default is _NOTHING or default is None:
        return given.value
    return _like(given, default)


def _takes_text(wanted: Any, text: str | None) -> bool:
    try:
        fit(Written(value=_NOTHING, text=text), wanted)
    except UnfitError:
        return False
    return True


def _like(given: Written, default: Any) -> Any:
    """Return a value that goes with a default, which says less than an annotation: None and quotes go."""
    value = given.value
    if value is None or (isinstance(value, str) and given.text is None):
        return value
    if isinstance(default, str) and not isinstance(default, Enum):
        return value if isinstance(value, list | tuple | dict | set) else fit(given, str)
    if isinstance(default, int) and not isinstance(default, bool | Enum) and isinstance(value, float):
        return value  # 25 is the default of many a threshold that may be 27.5
    kind = type(default)
    known = (bool, int, float, complex, list, tuple, set, frozenset, dict)
    if kind in known or isinstance(default, Enum | PurePath):
        try:
            return fit(given, kind)
        except UnfitError as error:
            raise UnfitError(f"{error}, as its default {default!r}") from None
    return value
