"""All options as a file of run options, with their help as comments."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wq_runner import literals, units
from wq_runner.config import types
from wq_runner.config.layers import LITERALS
from wq_runner.config.nature import beside
from wq_runner.config.options import NATURES, RunOptions
from wq_runner.model import PerDataset

_WIDTH = 96
_HEAD = """\
# Run options: wq-run --run-options FILE. Values on the command line and in WQ_RUNNER_* win over these.
# Nothing after a colon leaves an option as if it were not here. Counts may be 128k or 1.5M, sizes 2GB or
# 2000 (MB), times 90, 5m or 2h.
"""
_PER_DATASET = "Or a value for each dataset: {default: VALUE, PATTERN: VALUE}."


def as_yaml(options: RunOptions) -> str:
    """Return a file that gives these options again: group by group, in the order of the help."""
    import yaml

    lines = [_HEAD]
    fields = dataclasses.fields(RunOptions)
    groups = list(dict.fromkeys(field.metadata["group"] for field in fields))
    group = ""
    for field in sorted(fields, key=lambda field: groups.index(field.metadata["group"])):
        if field.metadata["group"] != group:
            group = field.metadata["group"]
            lines.append(f"\n# -- {group} --\n")
        settings = field.metadata["click"]
        lines += [f"# {line}" for line in textwrap.wrap(_help(settings), _WIDTH)]
        value = _plain(field.name, getattr(options, field.name), settings.get("type"))
        key = field.name.replace("_", "-")
        if value is None:
            lines.append(f"{key}:\n")
        else:
            text = yaml.safe_dump({key: value}, default_flow_style=False, sort_keys=False, allow_unicode=True)
            lines.append(text)
    return "\n".join(lines)


def as_words(name: str, value: Any) -> list[str]:
    """Return what sets an option to a value on the command line."""
    (field,) = (one for one in dataclasses.fields(RunOptions) if one.name == name)
    option = next(one for one in field.metadata["names"] if one.startswith("--"))
    plain = _plain(name, value, field.metadata["click"].get("type"))
    if isinstance(plain, bool) or plain is None:
        return [option] if plain else []
    if isinstance(plain, Mapping):
        plain = ",".join(f"{key}={one}" for key, one in plain.items())
    return [f"{option}={_word(one)}" for one in (plain if isinstance(plain, list) else [plain])]


def _word(value: Any) -> str:
    """Return one value as it is typed: a mapping is arguments, a pair is FROM=TO."""
    if isinstance(value, Mapping):
        return repr(dict(value))
    return "=".join(value) if isinstance(value, list) else str(value)


def _help(settings: Mapping[str, Any]) -> str:
    kind = settings.get("type")
    choices = f" One of: {', '.join(kind.choices)}." if isinstance(kind, types.Choice) else ""
    each = f" {_PER_DATASET}" if isinstance(kind, types.PerDatasetValue) else ""
    return f"{settings['help']}{choices}{each}"


def _plain(name: str, value: Any, kind: Any) -> Any:
    """Return a value as the file has it."""
    if isinstance(value, PerDataset):
        pairs = (("default", value.default), *value.patterns)
        return {key: _plain(name, one, kind) for key, one in pairs if one is not None}
    if value is None or isinstance(value, bool):
        return value
    if kind in (types.SIZE, types.MEMORIES, types.WORKER_SIZE, types.WORKER_MEMORY):
        return units.exact_size(value)
    if kind is types.PORTS:
        return "-".join(map(str, value))
    if name in LITERALS:
        return literals.written(value)
    if isinstance(value, tuple):
        return [_plain(name, one, None) for one in value]
    if (form := NATURES[name].path) is not None:
        # read from another directory, it still names this file
        return form(str(value), beside(Path.cwd()))
    return str(value) if isinstance(value, Path) else dict(value) if isinstance(value, Mapping) else value
