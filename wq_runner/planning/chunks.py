"""Cutting files into chunks: pure arithmetic of ranges."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from wq_runner.config.settings import ChunkSettings
from wq_runner.model import Chunk, Dataset, FileFacts, Fileset, InputFile, PerDataset, Range, value_of

Facts = Mapping[InputFile, FileFacts]
Limit = int | PerDataset[int | None] | None


def cut(start: int, stop: int, chunksize: int) -> list[Range]:
    """Cut ``[start, stop)`` into the fewest ranges of at most `chunksize`, of nearly equal length.

    An empty range stays one empty range: processors may count on seeing every file.
    """
    count = max(1, -(-(stop - start) // chunksize))
    edges = [start + (stop - start) * number // count for number in range(count + 1)]
    return list(itertools.pairwise(edges))


def chunks_of(
    dataset: Dataset, files: Iterable[InputFile], facts: Facts, settings: ChunkSettings
) -> list[Chunk]:
    """Return the chunks of those files of a dataset whose facts are known, in their order."""
    size, limit = value_of(settings.chunksize, dataset.plain), value_of(settings.limit_chunks, dataset.plain)
    found = (
        Chunk(
            dataset=dataset.name,
            path=file.path,
            treename=file.treename,
            start=start,
            stop=stop,
            uuid=known.uuid,
            identity=known.identity,
        )
        for file in files
        if (known := facts.get(file)) is not None
        for first, last in _ranges(file, known)
        for start, stop in cut(first, last, size)
    )
    return list(itertools.islice(found, limit))


def plan(fileset: Fileset, facts: Facts, settings: ChunkSettings) -> list[Chunk]:
    """Return the chunks of all datasets, of each at most so many as are asked for."""
    return [chunk for dataset in fileset for chunk in chunks_of(dataset, dataset.files, facts, settings)]


def copies(plan: Iterable[Chunk]) -> list[tuple[str, str, str]]:
    """Return dataset, first path and other path of each file that is in its dataset more than once.

    That is one file on two servers or by a link, or a copy: paths differ, what is in them does not. Of files
    that only the samples tell of, it is their uuid.
    """
    firsts: dict[tuple[str, str, bytes], str] = {}
    found = {
        (chunk.dataset, first, chunk.path): None
        for chunk in plan
        if chunk.events
        and any(file := chunk.identity or chunk.uuid)
        and (first := firsts.setdefault((chunk.dataset, chunk.treename, file), chunk.path)) != chunk.path
    }
    return list(found)


def limit_files(fileset: Fileset, limit: Limit) -> Fileset:
    """Keep the first files of each dataset."""
    return tuple(
        replace(dataset, files=dataset.files[: value_of(limit, dataset.name)]) for dataset in fileset
    )


def without(fileset: Fileset, paths: set[str]) -> Fileset:
    """Leave out some files."""
    return tuple(
        replace(dataset, files=tuple(file for file in dataset.files if file.path not in paths))
        for dataset in fileset
    )


def files_to_open(fileset: Fileset, facts: Facts, settings: ChunkSettings) -> list[InputFile]:
    """Return the files that must be opened before the plan is complete.

    With a limit, those are opened at once that suffice even if each gives one chunk only: call
    again with what was learned until nothing is left.
    """
    wanted = (file for dataset in fileset for file in _of_dataset(dataset, facts, settings))
    return list(dict.fromkeys(wanted))  # a file may be in several datasets


def _of_dataset(dataset: Dataset, facts: Facts, settings: ChunkSettings) -> Sequence[InputFile]:
    unknown = [file for file in dataset.files if file not in facts]
    limit = value_of(settings.limit_chunks, dataset.plain)
    if limit is None or not unknown:
        return unknown
    # only chunks before the first unknown file are certain to be among the first ones
    certain = itertools.takewhile(facts.__contains__, dataset.files)
    have = len(chunks_of(dataset, certain, facts, settings))
    return unknown[: limit - have]


def _ranges(file: InputFile, facts: FileFacts) -> Sequence[Range]:
    if file.ranges is None:
        return [(0, facts.entries)]
    return [(start, min(stop, facts.entries)) for start, stop in file.ranges if start < facts.entries]
