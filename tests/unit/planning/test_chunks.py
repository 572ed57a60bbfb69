from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from wq_runner.config.settings import ChunkSettings
from wq_runner.model import Chunk, Dataset, FileFacts, InputFile
from wq_runner.planning import chunks


def facts(entries: int) -> FileFacts:
    return FileFacts(entries=entries, uuid=entries.to_bytes(16, "big"))


@given(st.integers(0, 10**7), st.integers(0, 5000), st.integers(1, 4000))
def test_cut_is_a_partition_into_the_fewest_equal_pieces(start: int, length: int, chunksize: int) -> None:
    pieces = chunks.cut(start, start + length, chunksize)
    assert pieces[0][0] == start
    assert pieces[-1][1] == start + length
    assert all(left[1] == right[0] for left, right in itertools.pairwise(pieces))
    sizes = [stop - first for first, stop in pieces]
    assert max(sizes) <= chunksize
    assert max(sizes) - min(sizes) <= 1
    assert len(pieces) == max(1, -(-length // chunksize))


@st.composite
def filesets(draw: st.DrawFn) -> tuple[tuple[Dataset, ...], dict[InputFile, FileFacts]]:
    """Draw datasets of files, some restricted to ranges, some that nothing is known of."""
    fileset, known = [], {}
    for number in range(draw(st.integers(1, 3))):
        files = []
        for index in range(draw(st.integers(0, 5))):
            entries = draw(st.integers(0, 50))
            edges = sorted(draw(st.lists(st.integers(0, entries), max_size=4, unique=True)))
            ranges = tuple(zip(edges[::2], edges[1::2], strict=False)) if draw(st.booleans()) else None
            file = InputFile(path=f"/data/{number}/{index}.root", ranges=ranges)
            files.append(file)
            if draw(st.integers(0, 3)):
                known[file] = facts(entries)
        fileset.append(Dataset(name=f"d{number}", files=tuple(files)))
    return tuple(fileset), known


def events_of(plan: list[Chunk]) -> list[tuple[str, str, int]]:
    return [(chunk.dataset, chunk.path, event) for chunk in plan for event in range(chunk.start, chunk.stop)]


@given(filesets(), st.integers(1, 60))
def test_plan_has_every_wanted_event_once(
    drawn: tuple[tuple[Dataset, ...], dict[InputFile, FileFacts]], chunksize: int
) -> None:
    fileset, known = drawn
    found = events_of(chunks.plan(fileset, known, ChunkSettings(chunksize=chunksize)))
    wanted = [
        (dataset.name, file.path, event)
        for dataset in fileset
        for file in dataset.files
        if file in known
        for first, last in (file.ranges if file.ranges is not None else [(0, known[file].entries)])
        for event in range(first, last)
    ]
    assert found == wanted


@given(filesets(), st.integers(1, 60), st.integers(1, 4))
def test_limit_opens_only_what_it_needs(
    drawn: tuple[tuple[Dataset, ...], dict[InputFile, FileFacts]], chunksize: int, limit: int
) -> None:
    fileset, cached = drawn
    every = {
        file: cached.get(file, facts(file.ranges[-1][1] if file.ranges else 10))
        for dataset in fileset
        for file in dataset.files
    }
    known = dict(cached)
    settings = ChunkSettings(chunksize=chunksize, limit_chunks=limit)
    opened: list[InputFile] = []
    while wanted := chunks.files_to_open(fileset, known, settings):
        opened += wanted
        known |= {file: every[file] for file in wanted}
    assert len(opened) == len(set(opened))
    plan = chunks.plan(fileset, known, settings)
    assert plan == chunks.plan(fileset, every, settings)
    for dataset in fileset:
        none = sum(file.ranges == () for file in dataset.files)
        assert sum(file in dataset.files for file in opened) <= limit + none


def test_empty_file_is_one_empty_chunk() -> None:
    file = InputFile(path="/a.root")
    (chunk,) = chunks.plan((Dataset(name="d", files=(file,)),), {file: facts(0)}, ChunkSettings(chunksize=10))
    assert (chunk.start, chunk.stop) == (0, 0)


def test_copies_are_files_of_one_uuid_in_one_dataset() -> None:
    def chunk(dataset: str, path: str, uuid: int, start: int = 0) -> Chunk:
        identity = uuid.to_bytes(16, "big")
        return Chunk(
            dataset=dataset, path=path, treename="Events", start=start, stop=start + 9, uuid=identity
        )

    plan = [
        chunk("d", "root://a//x.root", 1),
        chunk("d", "root://a//x.root", 1, 9),
        chunk("e", "root://b//x.root", 1),
        chunk("d", "root://b//x.root", 1),
        chunk("d", "root://b//x.root", 1, 9),
        chunk("d", "/unknown.root", 0),
        chunk("d", "/unknown_too.root", 0),
        chunk("d", "/y.root", 2),
    ]
    assert chunks.copies(plan) == [("d", "root://a//x.root", "root://b//x.root")]


def test_limit_files_and_without() -> None:
    files = tuple(InputFile(path=f"/{number}.root") for number in range(4))
    fileset = (Dataset(name="d", files=files, metadata={"year": 2018}),)
    (two,) = chunks.limit_files(fileset, 2)
    assert (two.files, two.metadata) == (files[:2], {"year": 2018})
    assert chunks.limit_files(fileset, None) == fileset
    (rest,) = chunks.without(fileset, {"/0.root", "/2.root"})
    assert rest.files == (files[1], files[3])
