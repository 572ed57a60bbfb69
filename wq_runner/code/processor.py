"""Finding the processor and the schema that the user named."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from coffea import nanoevents
from coffea.processor import ProcessorABC

from wq_runner import guarded
from wq_runner.code import own_modules, starters
from wq_runner.code.arguments import of_processor, understood
from wq_runner.errors import NoProcessorError, ProcessorError, UsageError, WqRunnerError, did_you_mean
from wq_runner.remote.several import Several


def load_processor(name: str, args: Mapping[str, Any]) -> Any:
    """Import ``module:name`` or ``file.py:name`` and return a ProcessorABC or a function of events.

    A class is built with `args`, as it wants them. Without ``:name``, the module's only processor class is
    taken.

    Raises
    ------
    UsageError
        If there is no such file, module or name, or if the arguments do not fit.
    ProcessorError
        If the user's code fails while it is imported or built.
    """
    found = find(name)
    return build(found, name, understood(found, args))


def load_all(places: Mapping[str, str], given: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the processor, or several as one, and the arguments as understood, such as ``ee.year``.

    `places` are the processors as they were named, by their names; one alone has the empty name.

    Raises
    ------
    UsageError, ProcessorError
        As for `load_processor`.
    """
    built: dict[str, Any] = {}
    arguments: dict[str, Any] = {}
    for name, place in places.items():
        found = find(place)
        own = understood(found, of_processor(given, name, places))
        built[name] = build(found, place, own)
        arguments |= {f"{name}.{key}" if name else key: value for key, value in own.items()}
    return built[""] if "" in built else Several(built), arguments


def find(name: str) -> Any:
    """Import what ``module:name`` or ``file.py:name`` names: a class, an instance or a function."""
    own_modules.note()
    own_modules.renew()
    place, _, attribute = name.rpartition(":") if ":" in name else (name, "", "")
    if name.count(":") > 1 or not place:
        parts = [part for part in name.split(":") if part]
        raise NoProcessorError(
            f"the processor {name!r} is not FILE.py:NAME or MODULE:NAME, with one colon",
            hint=f"perhaps {':'.join(parts)}" if len(parts) == 2 else "",
        )
    module = _import_file(Path(place)) if place.endswith(".py") else _import_module(place)
    with guarded.code(f"the processor {name} cannot be imported"):
        found = getattr(module, attribute, None) if attribute else _only_processor(module)
    if found is None:
        there = ", ".join(_processors(module))
        raise NoProcessorError(
            f"{place} has no {attribute}.{did_you_mean(attribute, _public(module))}",
            hint=f"processors in it: {there}" if there else "",
        )
    return found


def module_of(name: str) -> str:
    """Return the module of what is named as ``module:name`` or ``file.py:name``."""
    place = name.rpartition(":")[0] if ":" in name else name
    return Path(place).stem if place.endswith(".py") else place


def load_schema(name: str) -> Any:
    """Return a class of coffea.nanoevents by its name, or any other as ``module:Class``."""
    if ":" in name:
        place, _, attribute = name.partition(":")
        module: ModuleType = _import_module(place)
    else:
        module, attribute = nanoevents, name
    with guarded.code(f"the schema {name} cannot be imported"):
        found = getattr(module, attribute, None)
    if found is None:
        known = _schemas(module)
        raise UsageError(
            f"no schema {name}.{did_you_mean(attribute, known)}",
            hint=f"known: {', '.join(known) or 'none'}",
            page="schema",
        )
    return checked_schema(found, name, _schemas(module))


def checked_schema(found: Any, name: str, known: Sequence[str] = ()) -> Any:
    """Return a schema.

    Raises
    ------
    UsageError
        If it is none: coffea says so of each chunk, as of a failure.
    """
    if isinstance(found, type) and issubclass(found, nanoevents.BaseSchema):
        return found
    kind = "a class" if isinstance(found, type) else type(found).__name__
    raise UsageError(
        f"{name} is {kind}, not a schema",
        hint="it must be a class that derives from coffea.nanoevents.BaseSchema"
        + (f"; known: {', '.join(known)}" if known else ""),
        page="schema",
    )


def _schemas(module: ModuleType) -> list[str]:
    return [name for name in dir(module) if name.endswith("Schema")]


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        others = [str(other.relative_to(path.parent)) for other in path.parent.glob("*.py")]
        raise NoProcessorError(
            f"the processor's file {path} does not exist.{did_you_mean(path.name, others)}",
            hint=f"looked in {path.resolve().parent}",
        )
    starters.check(path)
    _put_first(str(path.resolve().parent))  # for the modules beside it, as `python file.py` does
    own_modules.make_way(path)
    module = _run_import(path.stem, str(path))
    file = getattr(module, "__file__", None)
    if file is None or Path(file).resolve() != path.resolve():
        raise NoProcessorError(
            f"{path} has the name of a module that is imported already: {file or 'one of Python itself'}",
            hint="rename the file",
        )
    return module


def _put_first(directory: str) -> None:
    if directory in sys.path:
        sys.path.remove(directory)
    sys.path.insert(0, directory)


def _import_module(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    return _run_import(name, name)


def _run_import(name: str, shown: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and name.split(".")[: error.name.count(".") + 1] == error.name.split("."):
            raise NoProcessorError(
                f"no module {error.name} for the processor {shown}",
                hint=f"looked in {Path.cwd()} and in {sys.prefix}{_with_a_colon(name)}",
            ) from error
        raise _import_failed(shown, error) from error
    except (WqRunnerError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise _import_failed(shown, error) from error


def _with_a_colon(name: str) -> str:
    """Say how a class is named that was named with a dot, if it may have been."""
    module, dot, attribute = name.rpartition(".")
    if not dot or not attribute[:1].isupper():
        return ""
    return f"; a class in a module is named with a colon: {module}:{attribute}"


def _import_failed(shown: str, error: BaseException) -> ProcessorError:
    return ProcessorError(f"the processor {shown} cannot be imported\n\n{guarded.lines_of(error)}")


def _public(module: ModuleType) -> list[str]:
    return [name for name in dir(module) if not name.startswith("_")]


def _processors(module: ModuleType) -> dict[str, Any]:
    """Return the classes of processors that a module defines."""
    return {
        value.__name__: value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, ProcessorABC) and value.__module__ == module.__name__
    }


def _only_processor(module: ModuleType) -> Any:
    classes = _processors(module)
    if len(classes) != 1:
        many = f"several processor classes ({', '.join(classes)})" if classes else "no processor class"
        raise NoProcessorError(
            f"{module.__name__} has {many}", hint=f"name one: --processor {module.__name__}:NAME"
        )
    return next(iter(classes.values()))


def _lacking(kind: type) -> str:
    """Say what a class has to have, where coffea has it abstract; only some do so with postprocess."""
    abstract = sorted(getattr(kind, "__abstractmethods__", ()))
    if abstract == ["postprocess"]:
        return (
            "the coffea of this environment wants one of each processor:\n"
            "  def postprocess(self, accumulator):\n"
            "      return accumulator"
        )
    return f"the class lacks {', '.join(abstract)}" if abstract else ""


def _taken(kind: type, args: Mapping[str, Any]) -> str:
    """Say which arguments a class takes."""
    try:
        known = [*inspect.signature(kind).parameters]
    except (TypeError, ValueError):
        return ""
    near = "".join(did_you_mean(one, known) for one in args if one not in known)
    return f"it takes {', '.join(known) or 'none'}.{near}"


def build(found: Any, name: str, args: Mapping[str, Any]) -> Any:
    """Return a processor: a class is built with `args`, which nothing else takes."""
    if isinstance(found, type):
        with guarded.code(f"{name} cannot be built"):
            try:
                found = found(**args)
            except TypeError as error:
                if guarded.is_in_call(error):
                    raise NoProcessorError(
                        f"{name} cannot be built with {dict(args)}: {error}",
                        hint=_lacking(found) or _taken(found, args),
                    ) from error
                raise
    elif args:
        raise NoProcessorError(f"{name} is not a class, so it takes no --processor-args")
    if not isinstance(found, ProcessorABC) and not callable(found):
        kind = type(found).__name__
        what = "this" if name == kind else name
        raise NoProcessorError(
            f"{what} is {'an' if kind[:1].lower() in 'aeiou' else 'a'} {kind}, not a processor",
            hint="a processor derives from coffea.processor.ProcessorABC, or is a function of events",
        )
    return found
