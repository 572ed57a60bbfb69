"""PocketCoffea's ``datasets_definitions.json``: names of datasets in DAS, and the files with their lists.

https://github.com/PocketCoffea/PocketCoffea: ``docs/datasets.md``, and ``pocket_coffea/utils/dataset.py``.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wq_runner.samples import paths, references
from wq_runner.samples.kinds import IsHere
from wq_runner.samples.reading import DocumentDialect, Found, Prefixes, Reading

log = logging.getLogger(__name__)


def recognises(value: Any, _: IsHere) -> bool:
    return isinstance(value, dict) and any(map(_is_definition, value.values()))


def _is_definition(body: Any) -> bool:
    """Whether these are names of datasets of DAS, or says where their files are written to."""
    return isinstance(body, dict) and (
        "json_output" in body or any(isinstance(one, dict) and "das_names" in one for one in _files(body))
    )


def _files(body: Mapping[Any, Any]) -> Sequence[Any]:
    files = body.get("files")
    return files if isinstance(files, list) else []


def read(
    value: Mapping[Any, Any],
    path: Path,
    prefixes: Prefixes,
    where: str,  # noqa: ARG001 - as a Reader
    reading: Reading,
) -> list[Found]:
    """Read the datasets that are defined, from where ``build-datasets`` wrote their files."""
    shown = paths.shown(path)
    expected: dict[str, None] = {}
    outputs: dict[str, set[str]] = {}
    for name, body in value.items():
        if not _is_definition(body):
            reading.problem(shown, f"{name}: has neither json_output nor das_names, as the others have")
            continue
        expected |= dict.fromkeys(_names(str(name), body))
        if isinstance(body.get("json_output"), str):
            outputs.setdefault(body["json_output"], set()).update(_years(body))
    written = {output: _written(output, years, path, reading) for output, years in outputs.items()}
    lacking = [output for output, files in written.items() if not files]
    if lacking or not outputs:
        reading.problem(shown, _to_build(path, lacking, reading))
        return []
    files = dict.fromkeys(one for some in written.values() for one in some)
    return _chosen(
        [item for one in files for item in reading.read(one, prefixes, shown)], expected, path, reading
    )


def _chosen(
    found: Sequence[Found], expected: Mapping[str, None], path: Path, reading: Reading
) -> list[Found]:
    """Leave out what other definitions wrote into the same files, and miss none of these."""
    shown = paths.shown(path)
    there = {item.dataset.name for item in found}
    missing = [name for name in expected if name not in there]
    if missing and not reading.problems:
        text = f"{_few(missing)}: defined, and not in what was written, which has {_few(sorted(there))}"
        reading.problem(shown, f"{text}: {_build(path)}, or name what was written")
    others = [name for name in sorted(there) if name not in expected]
    if others and not missing:
        log.warning("%s: left out, as not defined here: %s", shown, _few(others))
    return [item for item in found if item.dataset.name in expected]


def _names(name: str, body: Mapping[Any, Any]) -> list[str]:
    """Return what ``build-datasets`` calls the datasets of a definition."""
    names = []
    for one in _entries(body):
        metadata = one["metadata"]
        part = f"_{metadata['part']}" if "part" in metadata else ""
        era = f"_Era{metadata['era']}" if not metadata.get("isMC", True) and "era" in metadata else ""
        names.append(f"{name}{part}_{metadata.get('year')}{era}")
    return names


def _years(body: Mapping[Any, Any]) -> set[str]:
    return {str(one["metadata"].get("year")) for one in _entries(body)}


def _entries(body: Mapping[Any, Any]) -> list[Mapping[str, Any]]:
    return [one for one in _files(body) if isinstance(one, dict) and isinstance(one.get("metadata"), dict)]


def _written(output: str, years: set[str], path: Path, reading: Reading) -> list[Path]:
    """Find what was written: one file, or with ``--split-by-year`` one for each year."""
    whole = references.locate(output, path, reading)
    if whole is not None:
        return [whole]
    stem = output.removesuffix(".json")
    parts = [references.locate(f"{stem}_{year}.json", path, reading) for year in sorted(years)]
    return [one for one in parts if one is not None] if None not in parts else []


def _to_build(path: Path, lacking: Sequence[str], reading: Reading) -> str:
    text = f"names datasets of DAS, not files: {_build(path)}"
    if not lacking:
        return text
    others = [
        f"{output.removesuffix('.json')}{kind}.json"
        for output in lacking
        for kind in ("_redirector", "_local")
    ]
    there = [one for one in others if references.locate(one, path, reading) is not None]
    more = f"; or name {_few(there)}, which is there" if there else ""
    return f"{text}, which writes {_few(lacking)}{more}"


def _build(path: Path) -> str:
    return f"run `pocket-coffea build-datasets --cfg {shlex.quote(paths.shown(path))} -o` first"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


DIALECT = DocumentDialect(rank=50, recognises=recognises, read=read)
