"""The JSON schemas of status.json and of the journal's lines, made of the types that these are made of."""

from __future__ import annotations

from typing import Any, get_args

import msgspec

from wq_runner.monitor.view import COMPLETE, DIED, FAILED, INTERRUPTED, PARTIAL, RUNNING, RunView
from wq_runner.run_events import Event

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """Return the schema of status.json.

    Later versions may add properties, and raise `format` if one changes its meaning.
    """
    definitions = _definitions(RunView)
    for found in definitions.values():  # all are written, also those that have a default
        found["required"] = list(found["properties"])
        for one in found["properties"].values():
            one.pop("default", None)
    root = definitions.pop(RunView.__name__)
    root["properties"]["checksum"] = {"type": "string", "description": "of all before it"}
    root["required"].append("checksum")
    root["properties"]["state"]["enum"] = [RUNNING, COMPLETE, PARTIAL, FAILED, INTERRUPTED, DIED]
    return {
        "$schema": _DIALECT,
        "title": "The state of a run of wq-run",
        "description": "Times are seconds since the epoch, durations seconds, sizes bytes. "
        "Readers pass over what they do not know.",
        **{key: value for key, value in root.items() if key not in {"title", "description"}},
        "$defs": definitions,
    }


def journal_schema() -> dict[str, Any]:
    """Return the schema of a line of journal.jsonl; events of later versions are not in it."""
    kinds = get_args(Event)
    definitions = _definitions(*kinds)
    for kind in kinds:
        found = definitions[kind.__name__]
        found["properties"] = {
            "time": {"type": "number", "description": "seconds since the epoch"},
            "event": {"const": kind.__name__},
            **found["properties"],
            "crc": {"type": "string", "description": "the checksum of the line"},
        }
        found["required"] = ["time", "event", *found["required"], "crc"]
    return {
        "$schema": _DIALECT,
        "title": "A line of the journal of a run of wq-run",
        "description": "One event: what it is, when, and what it says. Times are seconds since the epoch, "
        "durations seconds, sizes bytes. Readers pass over events and properties that they do not know.",
        "oneOf": [{"$ref": f"#/$defs/{kind.__name__}"} for kind in kinds],
        "$defs": definitions,
    }


def _definitions(*kinds: type[Any]) -> dict[str, Any]:
    _, made = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    definitions: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(made))  # lists for tuples
    for found in definitions.values():
        if "description" in found:
            found["description"] = " ".join(found["description"].split())
    return dict(sorted(definitions.items()))


if __name__ == "__main__":
    import json
    import sys

    # to be written to docs/schemas/NAME.schema.json; NAME is status or journal
    print(json.dumps(journal_schema() if "journal" in sys.argv else schema(), indent=2))  # noqa: T201
