"""Between Python's values and C's."""

import os
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from ndcctools.work_queue._cwork_queue import ffi, lib


class Values(SimpleNamespace):
    """The fields of a C structure at the moment it was read; nothing in it points to C."""


def text(pointer: Any) -> str | None:
    return None if pointer == ffi.NULL else ffi.string(pointer).decode("utf-8", "surrogateescape")


def chars(value: str | os.PathLike[str] | None) -> Any:
    """Return what a function that takes `char *` is given for this text or path; None is NULL."""
    return ffi.NULL if value is None else os.fspath(value).encode("utf-8", "surrogateescape")


def statistics(pointer: Any) -> Values:
    return Values(**{name: getattr(pointer, name) for name, _ in _FIELDS["work_queue_stats"]})


def summary(pointer: Any) -> Values | None:
    """Return the resources in an `rmsummary`, with those of its limits, peaks and snapshots."""
    if pointer == ffi.NULL:
        return None
    values = {name: _field(getattr(pointer, name), ctype) for name, ctype in _FIELDS["rmsummary"]}
    values["snapshots"] = [summary(pointer.snapshots[i]) for i in range(pointer.snapshots_count)]
    return Values(**values)


def rmsummary(resources: Mapping[str, float]) -> Any:
    """Return an `rmsummary` of these resources, which is freed with the object that is returned."""
    pointer = ffi.gc(lib.rmsummary_create(-1), lib.rmsummary_delete)
    for name, value in resources.items():
        if name not in RESOURCES:
            raise ValueError(f"no resource {name!r}, only {', '.join(sorted(RESOURCES))}")
        setattr(pointer, name, value)
    return pointer


def _field(value: Any, ctype: Any) -> Any:
    if ctype is ffi.typeof("char *"):
        return text(value)
    return summary(value) if ctype is ffi.typeof("struct rmsummary *") else value


_FIELDS = {
    name: [(field, details.type) for field, details in ffi.typeof(f"struct {name}").fields]
    for name in ("rmsummary", "work_queue_stats")
}
RESOURCES = {field for field, ctype in _FIELDS["rmsummary"] if ctype is ffi.typeof("double")}
