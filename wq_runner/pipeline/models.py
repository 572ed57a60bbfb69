"""Files that libraries in C load by themselves, as trained models: Python is not told that they are opened.

What the analysis names of them counts as read, whether it is loaded or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from wq_runner.environment import beside
from wq_runner.pipeline.identity import Places
from wq_runner.remote.contents import FILE, hash_of

ENDINGS = (
    *(".onnx", ".ort", ".ubj", ".bst", ".model", ".xgb", ".lgb", ".xml", ".pt", ".pth", ".pb", ".keras"),
    *(".tflite", ".h5", ".hdf5", ".so"),
)
_DEEP = 4  # containers in containers that are looked into


def named(scripts: Iterable[Path], processor: Any, places: Places) -> dict[str, str]:
    """Return the hash of each such file that is named in the text of a script, or by an attribute."""
    found = set(_paths(getattr(processor, "__dict__", {}), _DEEP))
    for script in scripts:
        found |= {*beside.named(script, ENDINGS), *_paths(beside.names(script, ENDINGS), 1)}
    found = {path.resolve() for path in found}
    return {places.name(f"{FILE}{path}"): hash_of(f"{FILE}{path}") for path in sorted(found)}


def _paths(value: Any, depth: int) -> Iterator[Path]:
    """Yield the paths of files that a value holds, from the current directory if they are relative."""
    if isinstance(value, str | Path):
        if str(value).endswith(ENDINGS) and Path(value).is_file():
            yield Path(value)
    elif depth and isinstance(value, Mapping):
        for one in value.values():
            yield from _paths(one, depth - 1)
    elif depth and isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from _paths(one, depth - 1)
