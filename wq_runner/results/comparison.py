"""Why the results of two runs may differ: from their run.json alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wq_runner.config.options import named
from wq_runner.fingerprint import identity

_MANY = 8


def compare(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return what differs, in words, by what it is about: pure."""
    found = {
        "code": list(_code(one, other)),
        "options": list(_values(_options(one), _options(other))),
        "versions": list(_values(one["versions"], other["versions"])),
        "input": list(_inputs(one, other)),
        "events": list(_events(one, other)),
        "result": list(_outputs(one, other)),
    }
    return {about: texts for about, texts in found.items() if texts}


def _code(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    for name in identity.between(one, other):
        yield f"{name} differs"
    before, after = ({entry["name"]: entry for entry in run.get("sources", ())} for run in (one, other))
    for name in sorted({*before, *after}):
        labels = [side[name]["label"] if name in side else "not there" for side in (before, after)]
        if labels[0] != labels[1]:
            yield f"{name}: {labels[0]} and {labels[1]}"
    for key in ("base", "overlay"):
        keys = [run["environment_details"].get(key, "") for run in (one, other)]
        if keys[0] != keys[1]:
            yield f"environment, {key}: {keys[0] or 'none'} and {keys[1] or 'none'}"


def _options(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return those that are a reason: where a run went, or how it looked, is none. Unknown ones may be."""
    harmless = named(lambda one: not one.result)
    return {name: entry["value"] for name, entry in run["options"].items() if name not in harmless}


def _values(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*one, *other}):
        if one.get(name) != other.get(name):
            yield f"{name}: {one.get(name)} and {other.get(name)}"


def _inputs(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    before, after = (
        {(entry["dataset"], entry["path"]): entry for entry in run["files"]} for run in (one, other)
    )
    texts = []
    for place in sorted({*before, *after}):
        name = f"{place[0]}: {place[1]}"
        if place not in after:
            texts.append(f"{name} is in the first only")
        elif place not in before:
            texts.append(f"{name} is in the second only")
        else:
            for key in ("uuid", "identity", "entries", "treename", "planned"):
                values = [side[place].get(key, "") for side in (before, after)]
                if values[0] != values[1]:
                    texts.append(f"{name}: {key} {values[0]} and {values[1]}")
    yield from texts[:_MANY]
    if len(texts) > _MANY:
        yield f"and {len(texts) - _MANY:,} more"


def _events(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    before, after = one["datasets"], other["datasets"]
    for name in sorted({*before, *after}):
        counts = [side[name]["events_processed"] if name in side else 0 for side in (before, after)]
        if counts[0] != counts[1]:
            yield f"{name}: {counts[0]:,} and {counts[1]:,} events are in the result"
    for run, which in ((one, "first"), (other, "second")):
        if not run["complete"]:
            yield f"the {which} is partial"


def _outputs(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    before, after = ({entry["path"]: entry["sha256"] for entry in run["outputs"]} for run in (one, other))
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            both = name in before and name in after
            yield f"{name}: not the same bytes" if both else f"{name} is in one of them only"
