"""The formats of files as Markdown, from their JSON schemas."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from commands import plain


def properties(path: Path) -> str:
    """Return the properties of the file that a schema describes, and those of the objects in it."""
    schema = json.loads(path.read_text())
    parts = [plain(schema.get("description", "")), *_tables(schema, path)]
    return "\n\n".join(part for part in parts if part)


def _tables(schema: Mapping[str, Any], path: Path) -> Iterator[str]:
    yield _link(path)
    yield _table(schema)
    for name, one in schema.get("$defs", {}).items():
        if "properties" in one:
            yield f"**{name}**: {plain(one.get('description', ''))}".rstrip(": ")
            yield _table(one)


def events(path: Path) -> str:
    """Return the events of the journal."""
    schema = json.loads(path.read_text())
    parts = [plain(schema["description"]), _link(path)]
    kinds = [one["$ref"].rpartition("/")[2] for one in schema["oneOf"]]
    rest = [name for name in schema["$defs"] if name not in kinds]
    for name in (*kinds, *rest):
        one = schema["$defs"][name]
        parts += [f"### {name}", plain(one.get("description", "")), _table(one)]
    return "\n\n".join(part for part in parts if part)


def _link(path: Path) -> str:
    return f"Its schema: [{path.name}](../schemas/{path.name})."


def _table(schema: Mapping[str, Any]) -> str:
    needed = schema.get("required", ())
    rows = []
    for name, one in schema.get("properties", {}).items():
        text = plain(one.get("description", ""))
        if "default" in one:
            text = f"{text} (default {json.dumps(one['default'])})".strip()
        kind = _kind(one) + ("" if name in needed else ", optional")
        rows.append(f"| `{name}` | {plain(kind)} | {text} |")
    return "\n".join(["| | | |", "|---|---|---|", *rows])


def _kind(one: Mapping[str, Any]) -> str:
    if "const" in one:
        return json.dumps(one["const"])
    if "enum" in one:
        return " or ".join(json.dumps(value) for value in one["enum"])
    if "$ref" in one:
        return str(one["$ref"]).rpartition("/")[2]
    if "anyOf" in one:
        return " or ".join(_kind(arm) for arm in one["anyOf"])
    kind = one.get("type", "anything")
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind == "array":
        if "prefixItems" in one:
            return f"[{', '.join(_kind(item) for item in one['prefixItems'])}]"
        return f"array of {_kind(one['items'])}" if one.get("items") else "array"
    if kind == "object" and isinstance(inner := one.get("additionalProperties"), dict):
        return f"object of {_kind(inner)}"
    return str(kind)
