"""Who keeps what: the objects of a kind that modules of the analysis and its processor hold."""

from __future__ import annotations

import functools
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

from . import pinned

MOST = 20_000  # objects that are looked at; a table of numbers in a list may have more
_ATOMS = (str, bytes, bytearray, int, float, complex, bool, type(None), ModuleType)
# their objects are many, and hold numbers
_NUMBERS = frozenset({"numpy", "awkward", "uproot", "pandas", "pyarrow", "hist", "boost_histogram", "numba"})
_NOT_OWN = frozenset({"builtins", "abc", "typing", "coffea", "__main__"})


class Modules:
    """The modules of the analysis that this process has imported, as far as their files tell."""

    def __init__(self) -> None:
        self._seen = 0
        self._judged: dict[str, bool] = {}
        self._chosen: dict[frozenset[str], frozenset[str]] = {}  # of each set of packages

    def own(self, names: frozenset[str], processor: Any) -> Iterator[tuple[str, Any]]:
        """Yield them by their names: those that are named, not installed, or of the processor's package."""
        if len(sys.modules) != self._seen:
            self._seen = len(sys.modules)
            self._chosen.clear()
            for name in sorted(sys.modules.keys() - self._judged.keys()):
                self._judged[name] = name in names or _is_own(name, sys.modules[name])
        packages = frozenset(kind.__module__.partition(".")[0] for kind in type(processor).__mro__) - _NOT_OWN
        if packages not in self._chosen:
            self._chosen[packages] = frozenset(
                name for name, judged in self._judged.items() if judged or name.partition(".")[0] in packages
            )
        for name in sorted(self._chosen[packages] & sys.modules.keys()):
            yield name, getattr(sys.modules[name], "__dict__", {})


def _is_own(name: str, module: Any) -> bool:
    file = getattr(module, "__file__", None)
    return name != "__main__" and isinstance(file, str) and pinned.own_path(file) is not None


class Search:
    """Looks for objects that are wanted; each is found once, at the place that is looked at first."""

    def __init__(self, wanted: Callable[[Any], bool]) -> None:
        self._wanted = wanted
        self._seen: dict[int, Any] = {}  # with the objects, as ids of those that are gone are used again

    def below(self, name: str, root: Any) -> tuple[list[tuple[str, Any]], int]:
        """Return the places and objects below one, and at how many objects it has looked, at most `MOST`."""
        found: list[tuple[str, Any]] = []
        waiting = deque([(name, root)])
        looked = 0
        while waiting and looked < MOST:
            place, value = waiting.popleft()
            if isinstance(value, _ATOMS) or id(value) in self._seen:
                continue
            self._seen[id(value)] = value
            looked += 1
            if self._wanted(value):
                found.append((place, value))
            else:
                waiting += _children(place, value)
        return found, looked

    def directly(self, name: str, root: dict[str, Any]) -> list[tuple[str, Any]]:
        """Return those that a module has by names of its own."""
        return [(f"{name}.{key}", one) for key, one in tuple(root.items()) if self._wanted(one)]


def _children(place: str, value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, dict):
        return [(f"{place}.{name}", one) for name, one in tuple(value.items())]
    if isinstance(value, list | tuple | set | frozenset | deque):
        return [(f"{place}[{number}]", one) for number, one in enumerate(tuple(value))]
    if isinstance(value, MethodType):
        return [(f"{place}.self", value.__self__), (f"{place}.function", value.__func__)]
    if isinstance(value, functools.partial):
        return [(f"{place}.func", value.func), (f"{place}.args", value.args), (place, value.keywords)]
    if isinstance(value, FunctionType):
        return _of_function(place, value)
    if isinstance(value, type):
        return [(f"{place}.{name}", one) for name, one in vars(value).items()] if _is_ours(value) else ()
    kind: Any = type(value)
    package = str(kind.__module__).partition(".")[0]
    if package in _NUMBERS or (package in sys.stdlib_module_names and kind is not SimpleNamespace):
        return ()
    slots = (name for one in kind.__mro__ for name in _names(getattr(one, "__slots__", ())))
    inside = [(f"{place}.{name}", getattr(value, name, None)) for name in slots if name != "__dict__"]
    held = getattr(value, "__dict__", None)
    inside += [(f"{place}.{name}", one) for name, one in held.items()] if isinstance(held, dict) else []
    return [*inside, (f"{place}.class", kind)] if _is_ours(kind) else inside


def _names(slots: Any) -> Iterable[str]:
    return (slots,) if isinstance(slots, str) else tuple(slots)


@functools.lru_cache(maxsize=10_000)
def _is_ours(kind: Any) -> bool:
    """Whether a class may be one of the analysis, or one that travels by value."""
    module = sys.modules.get(kind.__module__)
    return module is None or kind.__module__ == "__main__" or _is_own(kind.__module__, module)


def _of_function(place: str, function: FunctionType) -> list[tuple[str, Any]]:
    """Return what a function holds; one that travels by value has globals of its own."""
    cells = [cell for cell in function.__closure__ or () if _is_filled(cell)]
    found: list[tuple[str, Any]] = [(f"{place}.closure", [cell.cell_contents for cell in cells])]
    found.append((f"{place}.defaults", [*(function.__defaults__ or ()), function.__kwdefaults__]))
    module = sys.modules.get(function.__module__ or "")
    if module is None or vars(module) is not function.__globals__:
        names = function.__code__.co_names
        held = {name: function.__globals__[name] for name in names if name in function.__globals__}
        found.append((f"{place}.globals", held))
    return found


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - it raises if it is empty
    except ValueError:
        return False
    return True
