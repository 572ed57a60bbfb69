"""Files that libraries in C load by themselves, as models and tables: Python is not told of them.

What the analysis names of them counts as read, whether it is loaded or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from wq_runner.environment import beside
from wq_runner.fingerprint.identity import Places
from wq_runner.remote.contents import FILE, hash_of

ENDINGS = (
    *(".onnx", ".ort", ".ubj", ".bst", ".model", ".xgb", ".lgb", ".xml", ".pt", ".pth", ".pb", ".keras"),
    *(".tflite", ".h5", ".hdf5", ".so"),
)
_DEEP = 4  # containers in containers that are looked into
_LARGEST = 64 << 20  # bytes of a table
# tables and histograms, which most libraries have Python open: these do not, where a script names one of them
_READERS = (
    (
        re.compile(rb"pyarrow|polars|duckdb|read_(parquet|feather|orc)"),
        (".parquet", ".pq", ".feather", ".arrow", ".ipc", ".orc", ".csv", ".tsv", ".json", ".gz", ".bz2"),
    ),
    (re.compile(rb"import ROOT|RDataFrame|cppyy"), (".root", ".h", ".hpp", ".C", ".cxx", ".cc", ".json")),
)


def named(scripts: Iterable[Path], processor: Any, places: Places) -> dict[str, str]:
    """Return the hash of each such file that is named in the text of a script, or by an attribute."""
    scripts = tuple(scripts)
    endings = _endings(scripts)
    found = set(_paths(getattr(processor, "__dict__", {}), _DEEP, endings))
    for script in scripts:
        found |= {*beside.named(script, endings), *_paths(beside.names(script, endings), 1, endings)}
    # a larger one that is no model is rather data, which need not be read at each start
    found = {
        path.resolve() for path in found if path.name.endswith(ENDINGS) or path.stat().st_size <= _LARGEST
    }
    return {places.name(f"{FILE}{path}"): hash_of(f"{FILE}{path}") for path in sorted(found)}


def _endings(scripts: Iterable[Path]) -> tuple[str, ...]:
    """Return how the files end that the scripts may read unseen."""
    found = [*ENDINGS]
    for reader, endings in _READERS:
        if any(reader.search(_text(script)) for script in scripts):
            found += endings
    return tuple(found)


def _text(script: Path) -> bytes:
    try:
        return script.read_bytes()
    except OSError:
        return b""


def _paths(value: Any, depth: int, endings: tuple[str, ...]) -> Iterator[Path]:
    """Yield the paths of files that a value holds, from the current directory if they are relative."""
    if isinstance(value, str | Path):
        if str(value).endswith(endings) and Path(value).is_file():
            yield Path(value)
    elif depth and isinstance(value, Mapping):
        for one in value.values():
            yield from _paths(one, depth - 1, endings)
    elif depth and isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from _paths(one, depth - 1, endings)
