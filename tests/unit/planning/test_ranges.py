"""Whatever is planned, cut, done, lost and cut again: every event is there exactly once."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wq_runner.config.settings import ChunkSettings
from wq_runner.directory import remainder
from wq_runner.ledger.ledger import Holding, Recovered
from wq_runner.model import Chunk, Dataset, FileFacts, InputFile
from wq_runner.planning import chunks, ranges

sizes = st.integers(min_value=1, max_value=40)
entries = st.lists(st.integers(min_value=0, max_value=120), min_size=1, max_size=4)
pieces = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=8)


def plan_of(counts: Sequence[int], chunksize: int) -> list[Chunk]:
    files = tuple(InputFile(path=f"/f{number}.root") for number in range(len(counts)))
    facts = {
        file: FileFacts(entries=count, uuid=bytes([number]) * 16)
        for number, (file, count) in enumerate(zip(files, counts, strict=True))
    }
    return chunks.chunks_of(Dataset(name="d", files=files), files, facts, ChunkSettings(chunksize=chunksize))


def events(plan: Sequence[Chunk]) -> list[tuple[str, int]]:
    return sorted((chunk.path, event) for chunk in plan for event in range(chunk.start, chunk.stop))


def everything(counts: Sequence[int]) -> list[tuple[str, int]]:
    return sorted(
        (f"/f{number}.root", event) for number, count in enumerate(counts) for event in range(count)
    )


def key(chunk: Chunk) -> tuple[str, str, int, int, str]:
    return (chunk.path, chunk.treename, chunk.start, chunk.stop, chunk.uuid.hex())


@given(counts=entries, chunksize=sizes)
def test_a_plan_is_the_input(counts: list[int], chunksize: int) -> None:
    plan = plan_of(counts, chunksize)
    assert events(plan) == everything(counts)
    assert all(chunk.events <= chunksize for chunk in plan)
    assert {chunk.path for chunk in plan} == {f"/f{number}.root" for number in range(len(counts))}


@given(counts=entries, steps=st.lists(st.tuples(sizes, st.data()), min_size=1, max_size=4), last=sizes)
@settings(max_examples=150)
def test_resumed_again_and_again_with_other_chunks(
    counts: list[int], steps: list[tuple[int, st.DataObject]], last: int
) -> None:
    """Each process does some of what is left, may split it, and its parts may be lost afterwards."""
    holdings: list[Holding] = []
    done: list[Chunk] = []
    for number, (chunksize, data) in enumerate([*steps, (last, None)]):
        recovered = Recovered(holdings=tuple(holdings))
        left = remainder.remainder(plan_of(counts, chunksize), recovered)
        assert left.redone == []
        assert sorted(events(left.chunks) + events(done)) == everything(counts)
        some = list(left.chunks)
        if data is not None:
            some = [chunk for chunk in some if data.draw(st.booleans())]
            some = [part for chunk in some for part in split(chunk, data.draw(st.integers(1, 30)))]
        kept = some if data is None else [chunk for chunk in some if data.draw(st.integers(0, 4))]
        holdings += [
            Holding(name=f"part-{number}-{place}", dataset="d", tasks=(place,), items=(key(chunk),))
            for place, chunk in enumerate(kept)
        ]
        done += kept
    assert events(done) == everything(counts)
    empty = [chunk.path for chunk in done if not chunk.events]
    assert len(empty) == len(set(empty)) == counts.count(0)


def split(chunk: Chunk, at: int) -> list[Chunk]:
    if at >= chunk.events:
        return [chunk]
    middle = chunk.start + at
    return [replace(chunk, stop=middle), replace(chunk, start=middle)]


@given(wanted=st.tuples(st.integers(0, 60), st.integers(0, 60)).map(sorted), taken=pieces)
def test_what_is_left_and_what_is_taken_are_the_whole(
    wanted: list[int], taken: list[tuple[int, int]]
) -> None:
    start, stop = wanted
    there = ranges.merged(taken)
    left = ranges.subtract((start, stop), there)
    inside = {event for first, last in there for event in range(first, last)}
    assert [event for first, last in left for event in range(first, last)] == [
        event for event in range(start, stop) if event not in inside
    ]
    assert ranges.merged(left) == left


@given(parts=pieces)
def test_merged_is_the_union(parts: list[tuple[int, int]]) -> None:
    found = ranges.merged(parts)
    assert {event for start, stop in found for event in range(start, stop)} == {
        event for start, stop in parts for event in range(start, stop)
    }
    assert all(left[1] < right[0] for left, right in itertools.pairwise(found))


@given(counts=entries, before=sizes, after=sizes)
def test_a_dataset_that_shrank_starts_over(counts: list[int], before: int, after: int) -> None:
    all_of_it = plan_of([*counts, 10], before)
    held = tuple(
        Holding(name=f"part-{number}", dataset="d", tasks=(number,), items=(key(chunk),))
        for number, chunk in enumerate(all_of_it)
    )
    left = remainder.remainder(plan_of(counts, after), Recovered(holdings=held))
    assert left.redone == ["d"]
    assert left.recovered.holdings == ()
    assert events(left.chunks) == everything(counts)


@pytest.mark.parametrize("counts", [[10], [0], [10, 0]])
def test_what_two_results_hold_starts_over(counts: list[int]) -> None:
    """It would count twice."""
    plan = plan_of(counts, 5)
    twice = [*plan, plan[-1]]
    held = tuple(
        Holding(name=f"part-{number}", dataset="d", tasks=(number,), items=(key(chunk),))
        for number, chunk in enumerate(twice)
    )
    assert remainder.remainder(plan, Recovered(holdings=held[:-1])).redone == []
    left = remainder.remainder(plan, Recovered(holdings=held))
    assert left.redone == ["d"]
    assert events(left.chunks) == everything(counts)


def test_datasets_whose_files_are_another_now_are_named() -> None:
    plan = plan_of([10, 10, 10], 5)
    done = [replace(chunk, dataset=chunk.path[1:3]) for chunk in plan if chunk.path != "/f2.root"]
    done.append(replace(plan[0], dataset="gone", path="/gone.root"))
    held = tuple(
        Holding(name=f"part-{number}", dataset=chunk.dataset, tasks=(number,), items=(key(chunk),))
        for number, chunk in enumerate(done)
    )
    left = remainder.remainder(plan, Recovered(holdings=held))
    assert left.renamed == {"d": ["f0", "f1"]}
    assert left.redone == ["f0", "f1", "gone"]
    assert events(left.chunks) == everything([10, 10, 10])
