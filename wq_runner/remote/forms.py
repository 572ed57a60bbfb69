"""The form of a tree's events, made once for all chunks that are read of one tree.

coffea asks each branch for each chunk anew what its arrays look like: 0.04 s for a NanoAOD of 1,500 branches,
0.11 s with coffea 0.7. Then a schema makes collections of them, anew for each chunk as well. The tree of a
file stays for its chunks (`trees`), and what was made of it stays too.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import pickle
from collections import UserDict
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from types import FunctionType, GetSetDescriptorType
from typing import Any

_FORM = "_extract_base_form"
_EVENTS = "_from_mapping"
_TYPES = "typenames"
_OF_COFFEA = "coffea."  # how the names of its modules begin


@dataclass(frozen=True)
class _Schema:
    """What a schema object holds, without the metadata of a chunk, and what it adds to these."""

    packed: bytes
    added: dict[str, Any]


class Names(UserDict[str, str]):
    """What the types of branches are called: asked when somebody wants to know it, as few schemas do."""

    def __init__(self, ask: Callable[[], dict[str, str]]) -> None:
        self._ask = ask  # `data` is made later

    @functools.cached_property
    def data(self) -> dict[str, str]:  # type: ignore[override]
        return dict(self._ask())

    def __reduce__(self) -> Any:
        return dict, (self.data,)


class Forms:
    """What coffea found of the one tree that `tree` returns, None if it is not going to be asked again."""

    def __init__(self, tree: Callable[[], Any]) -> None:
        self._current = tree
        self._tree: Any = None
        self._packed = b""
        self._given: Any = None  # the form that was returned last
        self._schemas: dict[Any, _Schema | None] = {}
        self._named: Any = None
        self._names: Callable[[], dict[str, str]] = dict
        self._answering: Any = None

    def of(self, tree: Any, make: Callable[[], Any]) -> Any:
        """Return the form of a tree: a copy of its own, as a schema may change what it is given."""
        self._given = None
        if tree is not self._current():
            return make()
        if tree is not self._tree:
            self._given = make()
            self._tree, self._packed, self._schemas = tree, _dumped(self._given), {}
        else:
            self._given = pickle.loads(self._packed)
        return self._given

    def made_by(self, kind: Any, form: Any) -> Any:
        """Return the schema that a class makes of the form of a tree, which has the metadata of a chunk."""
        facts = _facts(kind) if form is self._given else None
        if facts is None:
            return kind(form)
        if facts not in self._schemas:
            before = dict(form["parameters"].get("metadata") or {})
            made = kind(form)
            self._schemas[facts] = _taken(made, before)
            return made
        known = self._schemas[facts]
        return kind(form) if known is None else _made_again(kind, known, form["parameters"].get("metadata"))

    def begin(self, tree: Any) -> None:
        """Have a tree answer what the types of its branches are called, as newer coffeas ask of it."""
        ask = getattr(tree, _TYPES, None)
        if ask is None or tree is self._answering:
            return
        self.end()
        if tree is not self._named:
            self._named, self._names = tree, functools.cache(ask)

        def typenames(*args: Any, **options: Any) -> Any:
            return ask(*args, **options) if args or options else Names(self._names)

        setattr(tree, _TYPES, typenames)
        self._answering = tree

    def end(self) -> None:
        """Leave the tree as it was: results may hold it, and travel."""
        if self._answering is not None:
            delattr(self._answering, _TYPES)
            self._answering = None

    def clear(self) -> None:
        """Forget the tree."""
        self.end()
        self._tree, self._packed, self._given = None, b"", None
        self._schemas = {}
        self._named, self._names = None, dict


_forms: ContextVar[Forms | None] = ContextVar("forms", default=None)


@contextlib.contextmanager
def kept_by(forms: Forms) -> Iterator[None]:
    """Have this keep the forms that coffea makes meanwhile, in this thread."""
    _install()
    before = _forms.set(forms)
    try:
        yield
    finally:
        _forms.reset(before)


@functools.cache
def _install() -> None:
    """Ask what is kept before coffea makes a form; where nothing is kept, all is as it was.

    coffea has no place for this: what makes events takes a file and gives it to its own mapping.
    """
    from coffea.nanoevents import NanoEventsFactory
    from coffea.nanoevents.mapping import UprootSourceMapping

    original = vars(UprootSourceMapping).get(_FORM)
    building = vars(NanoEventsFactory).get(_EVENTS)
    if not isinstance(original, classmethod):
        return  # another coffea, which makes forms otherwise

    def form(mapping: type[Any], /, tree: Any, *more: Any, **options: Any) -> Any:
        forms = _forms.get()
        make = functools.partial(original.__func__, mapping, tree, *more, **options)
        chosen = any(more) or any(options.values())  # a part of the branches
        return make() if forms is None or chosen else forms.of(tree, make)

    setattr(UprootSourceMapping, _FORM, classmethod(form))
    if not isinstance(building, classmethod):
        return
    signature = inspect.signature(building.__func__)
    if "schemaclass" not in signature.parameters:
        return

    def events(*args: Any, **options: Any) -> Any:
        forms = _forms.get()
        given = signature.bind(*args, **options)
        if forms is not None and isinstance(given.arguments["schemaclass"], type):
            given.arguments["schemaclass"] = functools.partial(forms.made_by, given.arguments["schemaclass"])
        return building.__func__(*given.args, **given.kwargs)

    setattr(NanoEventsFactory, _EVENTS, classmethod(events))


# -- schemas


def _facts(kind: type[Any]) -> Any:
    """Return what a schema depends on besides the form; None if that may be anything.

    coffea's own depend on their class and its tables, such as `mixins`, also those that a user's class sets.
    """
    from coffea.nanoevents import BaseSchema

    if not issubclass(kind, BaseSchema) or kind.form is not BaseSchema.form:
        return None
    if type(kind) is not type:
        return None  # what is called to make one is not its class alone
    tables = []
    for one in kind.__mro__[:-1]:
        for name, value in vars(one).items():
            functions = _functions(value)
            if functions:
                if not all(map(_is_of_coffea, functions)):
                    return None
            elif name.startswith("__"):
                continue  # what Python knows of a class
            elif _is_plain(value):
                tables.append((name, value))
            else:
                return None
    return kind, repr(tables)


def _functions(value: Any) -> list[Any]:
    """Return the functions behind an attribute of a class; none if it is data, such as a table."""
    if isinstance(value, property):
        return [one for one in (value.fget, value.fset, value.fdel) if one is not None]
    if isinstance(value, (classmethod, staticmethod)):
        return [value.__func__]
    of_python = isinstance(value, GetSetDescriptorType)  # as `__dict__`
    return [value] if not of_python and (callable(value) or hasattr(type(value), "__get__")) else []


def _is_of_coffea(function: Any) -> bool:
    """Whether a function is written in coffea; not by its name, which `functools.wraps` gives to others."""
    module = function.__globals__.get("__name__") if isinstance(function, FunctionType) else None
    return str(module).startswith(_OF_COFFEA)


def _is_plain(value: Any) -> bool:
    """Whether `repr` tells all of a table: it holds only numbers, text and functions of coffea."""
    if type(value) is dict:
        return all(_is_plain(one) for pair in value.items() for one in pair)
    if type(value) in {list, tuple, set, frozenset}:
        return all(map(_is_plain, value))
    return value is None or type(value) in {str, bytes, bool, int, float} or _is_of_coffea(value)


def _taken(made: Any, before: dict[str, Any]) -> _Schema | None:
    """Return what a schema holds, which was made with this metadata; None if it is not of the usual kind."""
    try:
        form = made._form
        parameters = form["parameters"]
        after = parameters["metadata"]
        added = {
            name: value for name, value in after.items() if name not in before or before[name] is not value
        }
        held = {**vars(made), "_form": {**form, "parameters": {**parameters, "metadata": None}}}
        return _Schema(_dumped(held), added)
    except Exception:
        return None


def _made_again(kind: type[Any], known: _Schema, metadata: dict[str, Any] | None) -> Any:
    """Return such a schema for a chunk with this metadata, to which it adds as it did before."""
    made = object.__new__(kind)
    vars(made).update(pickle.loads(known.packed))
    metadata = {} if metadata is None else metadata
    metadata.update(known.added)
    made._form["parameters"]["metadata"] = metadata
    return made


def _dumped(value: Any) -> bytes:
    return pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
