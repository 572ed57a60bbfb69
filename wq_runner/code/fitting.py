"""One value, as the type that is wanted of it."""

from __future__ import annotations

import datetime
import re
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePath
from typing import Any, Literal, Union


class UnfitError(ValueError):
    """A value that is not what is wanted, which the message names."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """A value, and the text that it was given as, if it stood without quotes."""

    value: Any
    text: str | None = None
    whole: str = ""
    """The text of the list that it is in."""


def fit(given: Written, wanted: Any) -> Any:
    """Return the value as one of the wanted type.

    Raises
    ------
    UnfitError
        With the wanted type in words.
    """
    origin = typing.get_origin(wanted)
    if origin is typing.Annotated:
        return fit(given, typing.get_args(wanted)[0])
    for other in ("__supertype__", "__value__"):  # NewType, and type X = ...
        if hasattr(wanted, other):
            return fit(given, getattr(wanted, other))
    if origin in (Union, types.UnionType):
        return _fit_one(given, wanted)
    if origin is Literal:
        return _fit_literal(given, wanted)
    kind = type(None) if wanted is None else origin or wanted
    return _fit_class(given, kind, wanted) if isinstance(kind, type) else given.value


def _fit_class(given: Written, kind: type, wanted: Any) -> Any:
    if issubclass(kind, Enum):
        return _fit_enum(given, kind)
    if kind in _SCALARS:
        return _SCALARS[kind](given)
    if issubclass(kind, PurePath) or kind.__name__ == "PathLike":
        return _fit_path(given, kind)
    if kind in _CONTAINERS:
        return _fit_container(given, _CONTAINERS[kind], wanted)
    if kind in _MAPPINGS:
        return _fit_mapping(given, wanted)
    return given.value


def _words(wanted: Any) -> str:
    text = wanted.__name__ if isinstance(wanted, type) and not typing.get_args(wanted) else str(wanted)
    return text.replace("typing.", "").replace("collections.abc.", "").replace("pathlib.", "")


def _fit_none(given: Written) -> None:
    if given.value is not None:
        raise UnfitError("None")


def _fit_bool(given: Written) -> bool:
    if isinstance(given.value, bool):
        return given.value
    if isinstance(given.value, int) and given.value in (0, 1):
        return bool(given.value)
    raise UnfitError("bool")


def _fit_int(given: Written) -> int:
    value = given.value
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise UnfitError("int")


def _fit_float(given: Written) -> float:
    if isinstance(given.value, int | float) and not isinstance(given.value, bool):
        return float(given.value)
    raise UnfitError("float")


def _fit_complex(given: Written) -> complex:
    if isinstance(given.value, int | float | complex) and not isinstance(given.value, bool):
        return complex(given.value)
    try:
        return complex(given.text or "")
    except ValueError:
        raise UnfitError("complex") from None


def _fit_str(given: Written) -> str:
    value, text = given.value, given.text
    if isinstance(value, str):
        return value
    if value is not None and text is not None:
        return text
    # as it stands there, if that is known: 0x10 is 16 and 1e3 is 1000.0 when they are read
    shown = str(value)
    whole = given.whole or (shown if type(value) is int else "")
    if value is not None and re.search(rf"(?<![\w.+-]){re.escape(shown)}(?![\w.])", whole):
        return shown
    raise UnfitError("str")


def _fit_bytes(given: Written) -> bytes:
    if isinstance(given.value, bytes):
        return given.value
    raise UnfitError("bytes")


def _fit_date(given: Written) -> datetime.date:
    if isinstance(given.value, datetime.date):
        return given.value
    raise UnfitError("date, such as 2018-05-31")


def _fit_datetime(given: Written) -> datetime.datetime:
    try:
        return datetime.datetime.fromisoformat(given.text or str(given.value))
    except ValueError:
        raise UnfitError("datetime, such as 2018-05-31T12:00") from None


_SCALARS: Mapping[type, Callable[[Written], Any]] = {
    type(None): _fit_none,
    bool: _fit_bool,
    int: _fit_int,
    float: _fit_float,
    complex: _fit_complex,
    str: _fit_str,
    bytes: _fit_bytes,
    datetime.datetime: _fit_datetime,
    datetime.date: _fit_date,
}
_CONTAINERS: Mapping[type, type] = {
    **{kind: kind for kind in (list, tuple, set, frozenset)},
    **dict.fromkeys((Sequence, Iterable, Collection), list),
    AbstractSet: set,
}
_MAPPINGS = (dict, Mapping, MutableMapping)


def _fit_one(given: Written, wanted: Any) -> Any:
    """Return the value for ``A | B``: as what it is already, or else as the first that takes it."""
    options = typing.get_args(wanted)
    for one in options:
        kind = typing.get_origin(one) or one
        if one is type(given.value) or (kind is type(given.value) and typing.get_args(one)):
            try:
                return fit(given, one)
            except UnfitError:
                continue
    for one in options:
        try:
            return fit(given, one)
        except UnfitError:
            continue
    raise UnfitError(_words(wanted))


def _fit_literal(given: Written, wanted: Any) -> Any:
    choices = typing.get_args(wanted)
    for one in choices:
        if type(one) is type(given.value) and one == given.value:
            return one
    for one in choices:
        if one == given.text or (
            isinstance(one, str) and type(given.value) is int and one == str(given.value)
        ):
            return one
    raise UnfitError(f"one of {', '.join(map(repr, choices))}")


def _fit_enum(given: Written, wanted: type[Enum]) -> Enum:
    for one in wanted:
        if given.value is one or (one.name in (given.value, given.text)):
            return one
    for one in wanted:
        if type(one.value) is type(given.value) and one.value == given.value:
            return one
    for one in wanted:
        if one.value in (given.value, given.text) and not isinstance(given.value, bool):
            return one
    raise UnfitError(f"one of {', '.join(one.name for one in wanted)} of {wanted.__name__}")


def _fit_path(given: Written, wanted: type) -> PurePath:
    kind = wanted if issubclass(wanted, PurePath) else Path
    if isinstance(given.value, PurePath):
        return given.value
    try:
        return kind(_fit_str(given))
    except UnfitError:
        raise UnfitError(kind.__name__) from None


def _fit_container(given: Written, kind: type, wanted: Any) -> Any:
    if not isinstance(given.value, list | tuple | set | frozenset):
        raise UnfitError(f"{_words(wanted)}, such as [1, 2]")
    inside = typing.get_args(wanted)
    whole = given.text or given.whole
    members = [Written(value=one, whole=whole) for one in given.value]
    if not inside or inside == ((),):
        return kind(given.value)
    if kind is tuple and inside[-1] is not ...:
        if len(inside) != len(members):
            raise UnfitError(f"{_words(wanted)}, which has {len(inside)} members")
        hints = list(inside)
    else:
        hints = [inside[0]] * len(members)
    try:
        return kind(fit(one, hint) for one, hint in zip(members, hints, strict=True))
    except UnfitError as error:
        raise UnfitError(f"{_words(wanted)}: a member is no {error}") from None


def _fit_mapping(given: Written, wanted: Any) -> Any:
    if not isinstance(given.value, Mapping):
        raise UnfitError(f"{_words(wanted)}, such as {{a: 1}}")
    inside = typing.get_args(wanted)
    if len(inside) != 2:
        return given.value
    whole = given.text or given.whole
    key, value = inside
    try:
        return {
            fit(Written(value=one, whole=whole), key): fit(Written(value=other, whole=whole), value)
            for one, other in given.value.items()
        }
    except UnfitError as error:
        raise UnfitError(f"{_words(wanted)}: a member is no {error}") from None
