"""Where options come from: defaults < pyproject.toml < run-options files < environment < command line."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wq_runner import literals
from wq_runner.config import pocketcoffea
from wq_runner.errors import UsageError, did_you_mean

ENV_PREFIX = "WQ_RUNNER"
TABLE = "wq-runner"
LITERALS = ("processor_args",)
PATHS = ("processor", "password_file", "extra_file")  # relative to the file that names them


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Values of one origin, by the names of the options, and what is to be said of its other keys."""

    origin: str
    values: Mapping[str, Any]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Known:
    """The names of the options; those that take several values, and those that may take one per dataset."""

    names: Sequence[str]
    lists: Collection[str] = ()
    mappings: Collection[str] = ()


def find_layers(*, run_options: Iterable[str], near: Sequence[str], known: Known) -> list[Layer]:
    """Read the files, from the weakest to the strongest.

    `near` are the samples: their directory is where settings are looked for if the current one and
    those above it have none.
    """
    layers = []
    settings = find_settings(Path.cwd())
    if settings is None and near and Path(near[0]).exists():
        settings = find_settings(Path(near[0]).resolve().parent)
    if settings is not None:
        layers.append(_layer(settings, f"{settings} [tool.{TABLE}]", _toml_table(settings) or {}, known))
    for name in run_options:
        path = Path(name)
        layers.append(_layer(path, str(path), _yaml_mapping(path), known))
    return layers


def find_settings(directory: Path) -> Path | None:
    """Return the nearest pyproject.toml with our table, here or above."""
    for place in (directory, *directory.parents):
        path = place / "pyproject.toml"
        if path.is_file() and _toml_table(path) is not None:
            return path
    return None


def check_environment(environ: Mapping[str, str], names: Sequence[str]) -> None:
    """Refuse a variable that looks like one of ours and is none.

    Raises
    ------
    UsageError
        With the nearest name.
    """
    known = [f"{ENV_PREFIX}_{name.upper()}" for name in names]
    for variable in environ:
        if variable.startswith(f"{ENV_PREFIX}_") and variable not in known:
            raise UsageError(
                f"no option for the environment variable {variable}.{did_you_mean(variable, known)}"
            )


def _layer(path: Path, origin: str, values: Mapping[str, Any], known: Known) -> Layer:
    found: dict[str, Any] = {}
    notes = []
    for key, value in values.items():
        name = str(key).replace("-", "_")
        if name in pocketcoffea.ANSWERS:
            # nothing, or false, asks for nothing
            notes += [f"{origin}: {key}: {pocketcoffea.ANSWERS[name]}"] if value not in (None, False) else []
            continue
        name = pocketcoffea.ALIASES.get(name, name)
        if name not in known.names:
            options = [one.replace("_", "-") for one in (*known.names, *pocketcoffea.KEYS)]
            raise UsageError(f"{origin}: no option {key}.{did_you_mean(str(key).replace('_', '-'), options)}")
        if name in found:
            raise UsageError(f"{origin}: {key} is there twice, under two names", hint="leave one of them out")
        if value is None:
            continue  # as if it were not there
        shaped = _shaped(name, value, origin, known)
        found[name] = _beside(path, shaped) if name in PATHS else shaped
    return Layer(origin=origin, values=found, notes=tuple(notes))


def _beside(path: Path, value: Any) -> Any:
    """Make a path that is relative to the file that names it absolute, or each of a list."""
    if isinstance(value, list):
        return [_beside(path, one) for one in value]
    name, colon, attribute = str(value).partition(":")
    there = path.resolve().parent / name
    return f"{there}{colon}{attribute}" if there.exists() else value


def _shaped(name: str, value: Any, origin: str, known: Known) -> Any:
    if name in known.lists:
        return value if isinstance(value, list) else [value]
    if isinstance(value, list) or (isinstance(value, Mapping) and name not in known.mappings):
        kind = "list" if isinstance(value, list) else "mapping"
        raise UsageError(f"{origin}: {name.replace('_', '-')} takes one value, not a {kind}")
    return value


def _toml_table(path: Path) -> Mapping[str, Any] | None:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    table: Mapping[str, Any] | None = content.get("tool", {}).get(TABLE)
    return table


def _yaml_mapping(path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text) or {}
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file of run options") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, Mapping):
        raise UsageError(f"{path} is not a mapping of options to values")
    return {**content, **_arguments(text)}


def _arguments(text: str) -> dict[str, Any]:
    """Return a file's options that are literals, read as on the command line: YAML has no None, nor 1e3."""
    import yaml

    root = yaml.compose(text, Loader=yaml.SafeLoader)
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    return {
        key.value: literals.arguments_from(value)
        for key, value in pairs
        if isinstance(key, yaml.ScalarNode) and key.value.replace("-", "_") in LITERALS and value.value
    }
