"""The JSON schema of status.json, made of the types it is made of."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin

from wq_runner.monitor.view import COMPLETE, DIED, FAILED, INTERRUPTED, PARTIAL, RUNNING, RunView

_SIMPLE = {int: "integer", float: "number", str: "string", bool: "boolean"}


def schema() -> dict[str, Any]:
    """Return the schema; later versions may add properties, and raise `format` if one changes its meaning."""
    definitions: dict[str, Any] = {}
    root = _object(RunView, definitions)
    root["properties"]["state"]["enum"] = [RUNNING, COMPLETE, PARTIAL, FAILED, INTERRUPTED, DIED]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The state of a run of wq-run",
        "description": "Times are seconds since the epoch, durations seconds, sizes bytes. "
        "Readers pass over what they do not know.",
        **{key: value for key, value in root.items() if key != "description"},
        "$defs": dict(sorted(definitions.items())),
    }


def _object(kind: type[Any], definitions: dict[str, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    return {
        "type": "object",
        "description": " ".join((inspect.getdoc(kind) or "").split()),
        "properties": {name: _of(hints[name], definitions) for name in names},
        "required": names,
    }


def _of(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if kind in _SIMPLE:
        return {"type": _SIMPLE[kind]}
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if kind.__name__ not in definitions:
            definitions[kind.__name__] = {}
            definitions[kind.__name__] = _object(kind, definitions)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    origin, arms = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return {
            "anyOf": [_of(arm, definitions) if arm is not type(None) else {"type": "null"} for arm in arms]
        }
    if origin is tuple:
        return {"type": "array", "items": _of(arms[0], definitions)}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _of(arms[1], definitions)}
    raise TypeError(f"no JSON for {kind}")


if __name__ == "__main__":
    import json

    print(json.dumps(schema(), indent=2))  # noqa: T201 - to be written to docs/schemas/status.schema.json
