"""Where options come from: defaults < pyproject.toml < run-options files < environment < command line."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wq_runner import literals
from wq_runner.config import pocketcoffea, processors
from wq_runner.config.nature import PathForm, beside
from wq_runner.errors import OptionError, UsageError, did_you_mean

ENV_PREFIX = "WQ_RUNNER"
TABLE = "wq-runner"
LITERALS = ("processor_args", "uproot_option")
"""Options whose values are read as literals, each with a name."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Values of one origin, by the names of the options, and what is to be said of its other keys."""

    origin: str
    values: Mapping[str, Any]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Known:
    """The names of the options; those that take several values, and those that may take one per dataset.

    `paths` are those that name files, and how.
    """

    names: Sequence[str]
    lists: Collection[str] = ()
    mappings: Collection[str] = ()
    paths: Mapping[str, PathForm] = field(default_factory=dict)


def find_layers(
    *, run_options: Iterable[str], near: Sequence[str], known: Known, place: str = ""
) -> list[Layer]:
    """Read the files, from the weakest to the strongest; `place` is where a run goes, as ``condor@lxplus``.

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
        content, blocks = pocketcoffea.flattened(_yaml_mapping(path), place, known.names)
        layer = _layer(path, str(path), content, known)
        notes = (f"{path}: {blocks}",) if blocks else ()
        layers.append(replace(layer, notes=(*notes, *layer.notes)))
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
            raise OptionError(
                f"no option for the environment variable {variable}.{did_you_mean(variable, known)}"
            )


def _layer(path: Path, origin: str, values: Mapping[str, Any], known: Known) -> Layer:
    found: dict[str, Any] = {}
    winning: dict[str, Any] = {}
    notes = []
    unknown = []
    for key, value in values.items():
        name = str(key).replace("-", "_")
        if name in pocketcoffea.ANSWERS:
            if not pocketcoffea.asks_for_nothing(value):
                notes.append(f"{origin}: {key}: {pocketcoffea.answer(name, value)}")
            continue
        special = name in pocketcoffea.VALUES
        name, value = pocketcoffea.meant(name, value)  # noqa: PLW2901 - the key as we have it
        if special:
            winning |= {name: value} if name else {}
            continue
        if name not in known.names:
            unknown.append(str(key))
            continue
        if name in found:
            raise OptionError(
                f"{origin}: {key} is there twice, under two names", hint="leave one of them out"
            )
        if value is None:
            continue  # as if it were not there
        shaped = _shaped(name, value, origin, known)
        found[name] = _beside(path, known.paths[name], shaped) if name in known.paths else shaped
    if unknown:
        raise _no_options(unknown, origin, known)
    return Layer(origin=origin, values={**found, **winning}, notes=tuple(notes))


def _no_options(keys: Sequence[str], origin: str, known: Known) -> UsageError:
    """Return the error of all keys that are no options, with those that were meant."""
    options = [one.replace("_", "-") for one in (*known.names, *pocketcoffea.KEYS)]
    meant = {key: pocketcoffea.misspelt(key, options) for key in keys}
    if len(meant) == 1:
        ((key, one),) = meant.items()
        return OptionError(
            f"{origin}: no option {key}." + (f" Did you mean {one}?" if one else ""),
            hint="" if one else "wq-run --help-all has all, and --write-options FILE writes them",
        )
    lines = [f"  {key}{f': did you mean {one}?' if one else ''}" for key, one in meant.items()]
    return OptionError(
        "\n".join([f"{origin}: {len(meant)} keys are no options", *lines]),
        hint="wq-run --help-all has all, and --write-options FILE writes them",
    )


def _beside(path: Path, form: PathForm, value: Any) -> Any:
    """Return a path, or each of a list, as seen from the file that names it."""
    if isinstance(value, list):
        return [_beside(path, form, one) for one in value]
    return form(str(value), beside(path.resolve().parent))


def _shaped(name: str, value: Any, origin: str, known: Known) -> Any:
    if name in known.lists:
        if isinstance(value, Mapping) and name in known.mappings:
            return processors.told(value)
        return value if isinstance(value, list) else [value]
    if isinstance(value, list) or (isinstance(value, Mapping) and name not in known.mappings):
        kind = "list" if isinstance(value, list) else "mapping"
        raise OptionError(f"{origin}: {name.replace('_', '-')} takes one value, not a {kind}")
    return value


def _toml_table(path: Path) -> Mapping[str, Any] | None:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise OptionError(f"{path} cannot be read: {error}") from error
    table: Mapping[str, Any] | None = content.get("tool", {}).get(TABLE)
    return table


def _yaml_mapping(path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text) or {}
    except FileNotFoundError as error:
        raise OptionError(f"{path}: no such file of run options") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise OptionError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, Mapping):
        raise OptionError(f"{path} is not a mapping of options to values")
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
