"""Datasets by process and variation, as the Analysis Grand Challenge lists them; or by year, or what else.

https://github.com/iris-hep/analysis-grand-challenge: ``nanoaod_inputs.json``, and ``utils/file_input.py``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from wq_runner.samples import kinds, paths
from wq_runner.samples.dialects import fileset
from wq_runner.samples.kinds import IsHere
from wq_runner.samples.reading import DocumentDialect, Found, Prefixes, Reading

log = logging.getLogger(__name__)


def recognises(value: Any, is_here: IsHere) -> bool:
    return (
        isinstance(value, dict)
        and not kinds.are_options(value)
        and not kinds.has_datasets(value, is_here)
        and kinds.has_groups(value)
    )


def read(
    value: Mapping[Any, Any], path: Path, prefixes: Prefixes, where: str, reading: Reading
) -> list[Found]:
    """Read each as ``PROCESS__VARIATION``, with both in the metadata, as their own code names them."""
    origin = str(path.resolve())
    return [
        Found(dataset=dataset, origin=origin, where=where)
        for words, body in _datasets(value, (), {}, path, reading)
        for dataset in fileset.read_dataset(
            "__".join(words), _with_events(words, body, paths.shown(path)), path, prefixes, reading
        )
    ]


def _datasets(
    value: Mapping[Any, Any], above: Sequence[str], shared: Mapping[str, Any], path: Path, reading: Reading
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Find the datasets below; what stands beside them, as a cross section, is metadata of each."""
    scalars = {str(key): one for key, one in value.items() if not isinstance(one, (dict, list))}
    if not above:
        for key, one in scalars.items():
            reading.problem(paths.shown(path), f"{key}: {one!r} is no dataset")
    common = {**shared, **scalars} if above else {}
    for key, body in value.items():
        words = (*above, str(key))
        if kinds.is_dataset_of_group(body) or (above and isinstance(body, list)):
            named = isinstance(body, dict) and "files" in body
            yield words, {**common, **(body if named else {"files": body})} if common or named else body
        elif isinstance(body, dict):
            if not kinds.is_group(body):
                reading.problem(paths.shown(path), kinds.without_files("__".join(words), body))
                continue
            yield from _datasets(body, words, common, path, reading)
        elif isinstance(body, list):
            reading.problem(paths.shown(path), f"{key}: a list, expected datasets by name")


def _with_events(words: Sequence[str], body: Any, where: str) -> Any:
    """Return the dataset with the events of its files added up: what its cross section is divided by."""
    files = body.get("files") if isinstance(body, dict) else None
    if not isinstance(files, list) or not ("nevts_total" in body or any(map(_events, files))):
        return body
    events = [_events(one) for one in files]
    said = body.get("nevts_total")
    known = [one for one in events if one is not None]
    total = sum(known) if len(known) == len(events) else said
    if said is not None and total != said:
        log.warning(
            "%s: %s: nevts_total is %s, and its files have %s: metadata nevts is the latter",
            where,
            "__".join(words),
            said,
            total,
        )
    metadata = {"process": words[0], "variation": words[-1], **(body.get("metadata") or {})}
    if total is not None:
        metadata["nevts"] = total
    return {
        **{key: one for key, one in body.items() if key != "metadata"},
        "files": [_without_events(one) for one in files],
        "metadata": metadata,
    }


def _events(entry: Any) -> int | None:
    events = entry.get("nevts") if isinstance(entry, dict) else None
    return events if isinstance(events, int) and not isinstance(events, bool) else None


def _without_events(entry: Any) -> Any:
    return {key: one for key, one in entry.items() if key != "nevts"} if isinstance(entry, dict) else entry


DIALECT = DocumentDialect(rank=70, recognises=recognises, read=read)
