"""A hash of what an object is, the same in each Python, in whatever order its sets and dicts are.

A pickle will not do: sets come in another order with each seed of hashes, equal texts are one object or two,
code has the names of its files, and cloudpickle numbers classes by chance.
"""

from __future__ import annotations

import copyreg
import functools
import hashlib
import importlib
import sys
import types
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

_SINGLE = {type(None), bool, int, float, complex, type(Ellipsis), type(NotImplemented)}
_OF_PYTHON = {"__dict__", "__weakref__", "__module__", "__doc__", "_abc_impl", "__firstlineno__"} | {
    "__slotnames__"  # which pickling an instance leaves in its class
}
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType)
# of these the state is made anew for each chunk
_RANDOM = {("numpy.random", "Generator"), ("numpy.random", "RandomState"), ("random", "Random")}


class UnknownError(Exception):
    """Something of which nobody knows all that is in it; `known` is the hash of the rest."""

    known = ""


def digest(
    value: Any, here: Sequence[Path] = (), names: Mapping[str, str] = types.MappingProxyType({})
) -> str:
    """Return the hash of an object, whatever the names of the directories `here` are.

    Texts that are in `names` have another one: those of objects that get theirs from the process.

    Raises
    ------
    UnknownError
        If something in it can be neither looked at nor pickled.
    """
    found = _Digest(here, names)
    try:
        whole = found.of(value).hex()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise UnknownError(f"{type(error).__name__}: {error}") from error
    if found.unknown is not None:
        raised = UnknownError(f"{type(found.unknown).__name__}: {found.unknown}")
        raised.known = whole
        raise raised from found.unknown
    return whole


class _Digest:
    """Goes through an object; what contains itself is named by how far up it is."""

    def __init__(self, here: Sequence[Path], names: Mapping[str, str]) -> None:
        self._names = names
        self._here = sorted(map(str, here), key=len, reverse=True)
        self._path: dict[int, int] = {}
        self._known: dict[int, bytes] = {}
        self._kept: list[Any] = []  # so that no other object gets the number of one of these
        self._lowest = sys.maxsize
        self.unknown: Exception | None = None  # why something in it is not known

    def of(self, value: Any) -> bytes:
        kind = type(value)
        if kind is str:
            return self._text("str", value)
        if kind in (bytes, bytearray):
            return _hash(kind.__name__, value)
        if kind in _SINGLE:
            return _hash(kind.__name__, repr(value).encode())
        number = id(value)
        if number in self._known:
            return self._known[number]
        if number in self._path:
            self._lowest = min(self._lowest, self._path[number])
            return _hash("above", str(len(self._path) - self._path[number]).encode())
        depth = self._path[number] = len(self._path)
        before, self._lowest = self._lowest, sys.maxsize
        try:
            found = self._of(value)
        finally:
            del self._path[number]
        if self._lowest >= depth:  # it does not depend on where it is
            self._known[number] = found
            self._kept.append(value)
        self._lowest = min(before, self._lowest if self._lowest < depth else sys.maxsize)
        return found

    def _of(self, value: Any) -> bytes:
        kind = type(value)
        if kind in (tuple, list):
            return _hash(kind.__name__, *map(self.of, value))
        if kind in (set, frozenset):
            return _hash(kind.__name__, *sorted(map(self.of, value)))
        if kind in (dict, types.MappingProxyType):
            return self._items(kind.__name__, value.items())
        if kind is types.CellType:
            return _hash("cell", *([self.of(value.cell_contents)] if _is_set(value) else []))
        if kind is functools._lru_cache_wrapper:
            return _hash("cached", self.of(value.__wrapped__))
        if isinstance(value, type) or kind in _FUNCTIONS:
            return self._named(value)
        if isinstance(value, PurePath):
            return self._text("path", str(value))
        if kind is types.CodeType:
            return self._code(value)
        if kind is types.ModuleType:
            return _hash("module", value.__name__.encode())
        if kind is types.MethodType:
            return _hash("method", self.of(value.__self__), value.__func__.__name__.encode())
        if isinstance(value, property | staticmethod | classmethod | functools.cached_property):
            parts = [getattr(value, name, None) for name in ("fget", "fset", "fdel", "__func__", "func")]
            return _hash(kind.__name__, *map(self.of, parts))
        if any((one.__module__.partition("._")[0], one.__name__) in _RANDOM for one in kind.__mro__):
            return _hash("random", kind.__name__.encode())
        return self._reduced(value)

    def _text(self, kind: str, text: str) -> bytes:
        text = self._names.get(text, text)
        for place in self._here:
            text = text.replace(place, "here")
        return _hash(kind, text.encode("utf-8", "surrogatepass"))

    def _items(self, kind: str, items: Iterable[tuple[Any, Any]]) -> bytes:
        """Hash pairs in whatever order: options that are given the other way round are the same."""
        return _hash(kind, *sorted(self.of(key) + self.of(value) for key, value in items))

    def _named(self, value: Any) -> bytes:
        """Hash a class or function: by its name where it can be imported, else what it is."""
        module, name = getattr(value, "__module__", None) or "builtins", value.__qualname__
        if module != "__main__" and _found(module, name) is value:
            return _hash("named", module.encode(), name.encode())
        if isinstance(value, types.BuiltinFunctionType):
            return _hash("builtin", self.of(getattr(value, "__self__", None)), name.encode())
        if isinstance(value, type):
            own = {
                key: one
                for key, one in vars(value).items()
                if key not in _OF_PYTHON
                and not isinstance(one, types.GetSetDescriptorType | types.MemberDescriptorType)
            }
            return _hash("class", name.encode(), *map(self.of, value.__bases__), self.of(own))
        return self._function(value)

    def _function(self, value: types.FunctionType) -> bytes:
        code = value.__code__
        used = {name: value.__globals__[name] for name in _names(code) if name in value.__globals__}
        cells = [one.cell_contents for one in value.__closure__ or () if _is_set(one)]
        parts = (code, value.__defaults__, value.__kwdefaults__, used, cells, dict(vars(value)))
        return _hash("function", *map(self.of, parts))

    def _code(self, code: types.CodeType) -> bytes:
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        return _hash("code", code.co_code, *map(self.of, (code.co_consts, *names, *counts)))

    def _reduced(self, value: Any) -> bytes:
        """Hash what pickle would make of it."""
        reducer: Callable[[Any], Any] | None = copyreg.dispatch_table.get(type(value))
        try:
            found: Any = reducer(value) if reducer else value.__reduce_ex__(4)
        except (RecursionError, MemoryError):
            raise
        except Exception as error:
            self.unknown = error
            return _hash("unknown", type(value).__qualname__.encode())
        if isinstance(found, str):
            return _hash("global", str(type(value).__module__).encode(), found.encode())
        make, arguments, state, listed, items = (*found, None, None, None)[:5]
        parts = [self.of(make), self.of(arguments), self.of(state)]
        parts.append(_hash("list", *map(self.of, () if listed is None else listed)))
        pairs = () if items is None else items
        if isinstance(value, OrderedDict):  # one that says that its order matters
            return _hash("object", *parts, *(self.of(key) + self.of(one) for key, one in pairs))
        return _hash("object", *parts, self._items("items", pairs))


def _hash(kind: str, *parts: bytes) -> bytes:
    found = hashlib.blake2b(f"{kind} {len(parts)}".encode(), digest_size=16)
    for part in parts:
        found.update(len(part).to_bytes(8, "little") + part)
    return found.digest()


def _found(module: str, name: str) -> Any:
    try:
        found: Any = sys.modules.get(module) or importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError):
        return None
    return found


def _names(code: types.CodeType) -> set[str]:
    inner = [one for one in code.co_consts if isinstance(one, types.CodeType)]
    return {*code.co_names, *(name for one in inner for name in _names(one))}


def _is_set(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - which raises
    except ValueError:
        return False
    return True
