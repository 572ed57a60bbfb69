"""The JSON schemas of status.json and of the journal's lines, made of the types that these are made of."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin

from wq_runner import journal
from wq_runner.monitor.view import COMPLETE, DIED, FAILED, INTERRUPTED, PARTIAL, RUNNING, RunView

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SIMPLE = {int: "integer", float: "number", str: "string", bool: "boolean"}


def schema() -> dict[str, Any]:
    """Return the schema of status.json.

    Later versions may add properties, and raise `format` if one changes its meaning.
    """
    definitions: dict[str, Any] = {}
    root = _object(RunView, definitions)
    root["properties"]["state"]["enum"] = [RUNNING, COMPLETE, PARTIAL, FAILED, INTERRUPTED, DIED]
    return {
        "$schema": _DIALECT,
        "title": "The state of a run of wq-run",
        "description": "Times are seconds since the epoch, durations seconds, sizes bytes. "
        "Readers pass over what they do not know.",
        **{key: value for key, value in root.items() if key != "description"},
        "$defs": dict(sorted(definitions.items())),
    }


def journal_schema() -> dict[str, Any]:
    """Return the schema of a line of journal.jsonl; events of later versions are not in it."""
    definitions: dict[str, Any] = {}
    kinds = get_args(journal.Event)
    for kind in kinds:
        found = definitions[kind.__name__] = _object(kind, definitions)
        found["properties"] = {
            "time": {"type": "number", "description": "seconds since the epoch"},
            "event": {"const": kind.__name__},
            **found["properties"],
        }
        optional = {
            field.name for field in dataclasses.fields(kind) if field.default is not dataclasses.MISSING
        }
        found["required"] = [name for name in found["properties"] if name not in optional]
    return {
        "$schema": _DIALECT,
        "title": "A line of the journal of a run of wq-run",
        "description": "One event: what it is, when, and what it says. Times are seconds since the epoch, "
        "durations seconds, sizes bytes. Readers pass over events and properties that they do not know.",
        "oneOf": [{"$ref": f"#/$defs/{kind.__name__}"} for kind in kinds],
        "$defs": definitions,
    }


def _object(kind: type[Any], definitions: dict[str, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    text = " ".join((inspect.getdoc(kind) or "").split())
    said = {} if text.startswith(f"{kind.__name__}(") else {"description": text}  # dataclasses make one up
    return {
        "type": "object",
        **said,
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
    if origin is tuple and arms[-1] is not Ellipsis:
        items = [_of(arm, definitions) for arm in arms]
        return {"type": "array", "prefixItems": items, "minItems": len(arms), "maxItems": len(arms)}
    if origin is tuple:
        return {"type": "array", "items": _of(arms[0], definitions)}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _of(arms[1], definitions)}
    raise TypeError(f"no JSON for {kind}")


if __name__ == "__main__":
    import json
    import sys

    # to be written to docs/schemas/NAME.schema.json; NAME is status or journal
    print(json.dumps(journal_schema() if "journal" in sys.argv else schema(), indent=2))  # noqa: T201
