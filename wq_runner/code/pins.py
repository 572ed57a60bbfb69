"""The code of the analysis that travels with a function: texts of modules as they were imported here."""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from wq_runner.code import deferred_imports, own_modules
from wq_runner.remote.pinned import Code, Pin

# of modules that nobody named and that may be imported by a name that is made when code runs
_MOST_BESIDE = 500
_LARGEST_BESIDE = 1_000_000  # bytes


def code(named: Sequence[str] = ()) -> Code:
    """Return the own modules: what is imported, what these import when they run, and what lies beside them.

    `named` are imported on workers before anything is unpickled.
    """
    found = own_modules.renewable()
    pins = {name: _pin(one) for name, one in found.items() if one.text is not None}
    pins |= _beside(found, pins)
    pins |= _namespaces(pins)
    return Code(pins=pins, named=tuple(named), apart=own_modules.apart())


def home_of(*things: Any) -> tuple[str, ...]:
    """Return the modules that things came from: of their classes, and those that have them by a name.

    So a module that changes another one and makes a processor of it is among them.
    """
    own = dict(own_modules.modules())
    found = {name: None for name, module in own.items() if any(_has(module, thing) for thing in things)}
    for thing in things:
        kind = thing if hasattr(thing, "__qualname__") else type(thing)
        found[kind.__module__] = None
    return tuple(name for name in found if name not in own_modules.SCRIPTS and name in sys.modules)


def of_script() -> tuple[str, ...]:
    """Return the own modules that the script, or the notebook, has imported itself or has something of.

    Who hands a processor over as an object names no module: so what these do when they are imported is done
    on workers as well.
    """
    own = dict(own_modules.modules())
    values = tuple(vars(sys.modules["__main__"]).values())
    things = [value for value in values if _module_name(value) in own]
    found = {*home_of(*things), *(value.__name__ for value in values if isinstance(value, ModuleType))}
    return tuple(name for name in own if name in found and name not in own_modules.SCRIPTS)


def _module_name(thing: Any) -> str | None:
    kind = thing if hasattr(thing, "__qualname__") else type(thing)
    name = getattr(kind, "__module__", None)
    return name if isinstance(name, str) else None


def _has(module: ModuleType, thing: Any) -> bool:
    return any(value is thing for value in tuple(vars(module).values()))


def _pin(source: own_modules.Source) -> Pin:
    locations = (str(source.path.parent),) if source.path.name == "__init__.py" else None
    return Pin(file=source.file, text=source.text, locations=locations)


def _beside(found: dict[str, own_modules.Source], known: Container[str]) -> dict[str, Pin]:
    """Return the modules in the same directories: the names of some are made when code runs."""
    beside = {}
    for name, path in itertools.islice(_names(found, known), _MOST_BESIDE):
        if "." not in name:
            place = deferred_imports.find(name)
            if place is None or place.path.resolve() != path.resolve():
                continue  # it is not to be imported by this name: another one comes first
        with contextlib.suppress(OSError):
            beside[name] = Pin(file=str(path), text=path.read_bytes())
    return beside


def _names(found: dict[str, own_modules.Source], known: Container[str]) -> Iterator[tuple[str, Path]]:
    for directory, package in dict.fromkeys(
        (one.path.parent, _package(name, one)) for name, one in found.items()
    ):
        for path in sorted(directory.glob("*.py")):
            name = f"{package}.{path.stem}" if package else path.stem
            if name in known or name in sys.modules or path.stem == "__init__":
                continue
            with contextlib.suppress(OSError):
                if path.stat().st_size < _LARGEST_BESIDE:
                    yield name, path


def _package(name: str, source: own_modules.Source) -> str:
    return name if source.path.name == "__init__.py" else name.rpartition(".")[0]


def _namespaces(pins: dict[str, Pin]) -> dict[str, Pin]:
    """Return the directories without a file of their own that these modules are in."""
    found = {}
    for name in pins:
        for parent in itertools.accumulate(name.split(".")[:-1], "{}.{}".format):
            places = getattr(sys.modules.get(parent), "__path__", None)
            if parent not in pins and places is not None:
                found[parent] = Pin(file="", text=None, locations=tuple(places))
    return found
