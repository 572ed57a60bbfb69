"""What a call of `run` is given, read as the command line is: options, samples, processors."""

from __future__ import annotations

import dataclasses
import json
import numbers
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from wq_runner import literals, names
from wq_runner.api.keywords import Keywords
from wq_runner.code.arguments import of_processor
from wq_runner.coffea_adapter.runner import Analysis
from wq_runner.config import habits, processors
from wq_runner.config.options import RunOptions
from wq_runner.config.types import KEY_VALUES
from wq_runner.errors import NoProcessorError, OptionError, UsageError, did_you_mean
from wq_runner.remote import several
from wq_runner.remote.several import Several
from wq_runner.scheduler.session import temporary_directory
from wq_runner.workers import spec


def options_of(given: Mapping[str, Any]) -> RunOptions:
    """Return the options, read as on the command line where they are text."""
    known = {one.name: one for one in dataclasses.fields(RunOptions)}
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            raise OptionError(
                f"run() has no option {name}.{_meant(name, known)}",
                hint="help(wq_runner.run) and wq-run --help-all list the options",
            )
        if value is None and "None" not in str(Keywords.__annotations__.get(name, None)):
            continue  # as if it had not been given
        settings = known[name].metadata["click"]
        if settings.get("is_flag"):
            values[name] = _yes_or_no(name, value)
            continue
        kind = settings.get("type")
        many = settings.get("multiple", False)
        parts = list(value) if many and isinstance(value, list | tuple) else [value]
        if kind is KEY_VALUES and all(isinstance(part, Mapping) for part in parts):
            parts = [dict(part) for part in parts]  # values of Python are what they are
        elif kind is not None:
            parts = [_converted(kind, name, part) for part in parts]
        values[name] = tuple(parts) if many else parts[0]
    if "processor" in values:
        values["processor"] = _joined(values["processor"])
    if "workers" in values:
        values["workers"] = _workers(values["workers"], given.get("executor"))
    return RunOptions(**values)


def _meant(name: str, known: Iterable[str]) -> str:
    """Say which option was meant, also in the words of other programs."""
    elsewhere = habits.answer(f"--{name.strip('_').replace('_', '-')}", ())
    said = re.search(r"--([a-z-]+)", elsewhere or "")
    option = said[1].replace("-", "_") if said else ""
    return f" Did you mean {option}?" if option in known else did_you_mean(name, known)


def _yes_or_no(name: str, value: Any) -> bool:
    """Return a flag; a text such as "no" would be true."""
    if isinstance(value, str):
        return bool(_converted(click.BOOL, name, value))
    if isinstance(value, bool) or value in (0, 1):
        return bool(value)
    raise OptionError(f"{name}: {value!r} is not True or False", hint="wq-run --help-all explains it")


def _converted(kind: Any, name: str, value: Any) -> Any:
    if value is None:
        return value
    try:
        return kind.convert(value, None, None)
    except click.BadParameter as error:
        raise OptionError(f"{name}: {error.message}", hint="wq-run --help-all explains it") from error
    except (AttributeError, TypeError) as error:
        raise OptionError(
            f"{name}: {value!r} is not understood", hint="wq-run --help-all explains what it can be"
        ) from error


def _workers(value: Any, executor: Any) -> Any:
    """Return the form of workers: a number alone is one of this machine, unless the executor has a place."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral | str | None):
        raise OptionError(f"workers: {value!r} is not understood", hint='workers=4, "local:4", "slurm:20"')
    here = executor in {None, "work_queue"}
    if not here:
        return None if value is None else str(value)
    form = spec.of_python(value)
    return str(form) if form else None


def sample_names(samples: Any, processor: str = "") -> list[str]:
    """Return what names the samples; a fileset is written to a file that is called after the `processor`."""
    if isinstance(samples, str | Path):
        return [str(samples)]
    if not isinstance(samples, Iterable) or isinstance(samples, bytes):
        raise UsageError(
            f"the samples are {type(samples).__name__}: run() takes the samples first, then the processor",
            hint="samples are the name of a file or several of them, or a fileset as a dict",
            page="samples",
        )
    if isinstance(samples, Mapping):
        name = names.file_name(processor.rpartition(":")[2] or "samples")
        path = temporary_directory() / f"{name}.json"
        path.write_text(json.dumps(samples, default=str), encoding="utf-8")
        return [str(path)]
    found = list(samples)
    wrong = [one for one in found if not isinstance(one, str | Path)]
    if wrong or not found:
        what = f"hold {wrong[0]!r}, which is no name of a file" if wrong else "are empty"
        raise UsageError(
            f"the samples {what}",
            hint="samples are the name of a file or several of them, or a fileset as a dict",
            page="samples",
        )
    return [str(one) for one in found]


def processor_option(processor: Any) -> list[str]:
    """Return the option that names a processor, or several."""
    if not isinstance(processor, Mapping):
        return [_place(processor)]
    if not processor or not all(isinstance(name, str) and name.isidentifier() for name in processor):
        raise NoProcessorError(
            f"the names of the processors are {', '.join(map(repr, processor)) or 'missing'}",
            hint='names are words: run(samples, {"ee": EE, "mm": MM})',
        )
    return processors.told({name: _place(one) for name, one in processor.items()})


def _place(processor: Any) -> str:
    if isinstance(processor, str):
        return processor
    return import_name(processor if hasattr(processor, "__qualname__") else type(processor))


def title(processor: Any) -> str:
    """Return what a run of these is called."""
    if isinstance(processor, Mapping):
        return "-".join(map(str, processor))
    return "" if processor is None else _place(processor)


def is_text(processor: Any) -> bool:
    """Whether all that was given are names."""
    some = processor.values() if isinstance(processor, Mapping) else [processor]
    return all(isinstance(one, str) for one in some)


def _joined(texts: Iterable[str]) -> str | None:
    try:
        return processors.join(texts)
    except ValueError as error:
        raise OptionError(f"processor: {error}") from error


def built(processor: Any, options: RunOptions) -> Any:
    """Return a processor that was given as an object: a class of them is built.

    Raises
    ------
    UsageError
        If it is none, or if it is built already and there are arguments to build it with.
    """
    given = literals.merged(options.processor_args)
    if not isinstance(processor, Mapping):
        return _built_one(processor, given)
    own = {name: of_processor(given, name, processor) for name in processor}
    return Several({name: _built_one(one, own[name]) for name, one in processor.items()})


def _built_one(processor: Any, arguments: Mapping[str, Any]) -> Any:
    from wq_runner.code.processor import build, load_processor

    if isinstance(processor, str):
        return load_processor(processor, arguments)
    name = import_name(processor) if isinstance(processor, type) else type(processor).__name__
    if arguments and not isinstance(processor, type):
        raise NoProcessorError(
            f"the processor is built already ({name}), so processor_args have no effect",
            hint="give its class: run(samples, Class, processor_args={...})",
        )
    return build(processor, name, arguments)


def import_name(thing: Any) -> str:
    return f"{thing.__module__}:{thing.__qualname__}"


def schema_of(given: Any) -> Any:
    from wq_runner.code.processor import checked_schema

    return checked_schema(given, repr(given))


def analysis(processor: Any, schema: str) -> Analysis:
    from wq_runner.code import pins
    from wq_runner.code.processor import load_schema

    loaded = load_schema(schema)
    homes = pins.home_of(*several.each(processor).values(), loaded)
    return Analysis(processor=processor, schema=loaded, modules=homes)
