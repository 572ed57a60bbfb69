"""Several processors share the tasks of each chunk, and nothing else."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import counting
import pytest
from counting import Chunk, all_of, chunks, for_each, look, ranges
from scripted import Act, Attempt, Clock, Cost, ScriptedEngine, Worker

from wq_runner import journal
from wq_runner.errors import InputError, ProcessorError
from wq_runner.journal import Journal
from wq_runner.ledger import ledger
from wq_runner.ledger.items import describe
from wq_runner.ledger.ledger import Holding
from wq_runner.ledger.parts import TreeSettings
from wq_runner.model import Category, Ending
from wq_runner.remote.pinned import Code
from wq_runner.run_events import Accepted, TaskSubmitted
from wq_runner.scheduler import policy
from wq_runner.scheduler.batching import Backlog, ShapeSettings
from wq_runner.scheduler.bundles import Fits, bundles
from wq_runner.scheduler.loop import Loop
from wq_runner.scheduler.phase import Context, LoopResult, LoopSettings
from wq_runner.units import MB

BOTH = ("ee", "mm")
SETTINGS = LoopSettings(code=Code(), shape=ShapeSettings(task_time=20, least_time=2))


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Journal]:
    found = Journal(tmp_path / "journal.jsonl")
    yield found
    found.close()


def run(
    root: Path,
    record: Journal,
    values: list[Chunk],
    function: Any = look,
    script: Any = None,
    *,
    tree: TreeSettings | None = None,
    recovered: Sequence[Holding] = (),
    **engine: Any,
) -> LoopResult:
    clock = Clock()
    for name in ("staging", "ledger"):
        (root / name).mkdir(exist_ok=True)
    made = ScriptedEngine(
        (Worker(cores=2),), clock=clock, script=script or (lambda _: Act()), startup=0.5, **engine
    )
    made.start()
    context = Context(staging=root / "staging", journal=record, ledger=root / "ledger", clock=clock)
    settings = replace(SETTINGS, policy=policy.Settings(), tree=tree, processors=BOTH)
    loop = Loop(made, category=Category.PROCESSING, settings=settings, context=context)
    return loop.run([describe(value) for value in values], function, recovered)


def of(found: LoopResult, processor: str) -> list[tuple[str, int, int]]:
    return ranges({key: one for key, one in found.results.items() if key[0].startswith(f"{processor}.")})


def test_a_task_has_a_chunk_for_all_and_each_has_its_own_result(tmp_path: Path, record: Journal) -> None:
    plain = [*chunks("A", 30, files=2), *chunks("B", 5)]
    attempts: list[Attempt] = []

    def script(attempt: Attempt) -> Act:
        attempts.append(attempt)
        return Act()

    found = run(tmp_path, record, for_each(BOTH, plain), script=script)
    assert of(found, "ee") == of(found, "mm") == all_of(plain)
    assert set(found.results) == {(f"{name}.{dataset}", "") for name in BOTH for dataset in "AB"}
    for attempt in attempts:
        places = [(one.filename, one.entrystart) for one in attempt.values]
        assert all(places.count(one) == 2 for one in places)
        assert [one.dataset for one in attempt.values] == sorted(
            (one.dataset for one in attempt.values), key=lambda name: (name[-1], name)
        )
    accepted = [event for _, event in journal.read(tmp_path / "journal.jsonl") if isinstance(event, Accepted)]
    assert sum(len(one.items) for one in accepted) == 2 * len(plain)


@pytest.mark.parametrize("seed", range(10))
def test_whatever_happens_to_tasks_each_event_counts_once_for_each(
    tmp_path: Path, record: Journal, seed: int
) -> None:
    dice = random.Random(seed)
    plain = [*chunks("A", 20, files=2), *chunks("B", 3), *chunks("C", 1, events=0), *chunks("D", 9)]
    acts = [Act(), Act(times=2), Act(ending=Ending.LOST), Act(ending=Ending.EXHAUSTED)]
    acts += [Act(ending=Ending.DIED, detail="killed by signal 11"), Act(spoil=Path.unlink)]
    found = run(
        tmp_path,
        record,
        for_each(("ee", "mm", "em"), plain),
        script=lambda attempt: dice.choice(acts) if attempt.number < 40 and dice.random() < 0.5 else Act(),
        cost=lambda one: Cost(seconds=dice.uniform(0.1, 3), memory=dice.uniform(100, 900) * MB),
    )
    for name in ("ee", "mm", "em"):  # events that ended their process too often are left out, and said to be
        skipped = {one.item.key[:4] for one in found.skipped if one.item.processor == name}
        kept = [
            one for one in plain if (one.filename, "Events", one.entrystart, one.entrystop) not in skipped
        ]
        assert of(found, name) == all_of(kept)
    assert not found.failed


def test_one_that_fails_does_not_keep_the_others_from_their_results(tmp_path: Path, record: Journal) -> None:
    plain = [*chunks("A", 20, files=4), *chunks("B", 5)]
    found = run(tmp_path, record, for_each(BOTH, plain), counting.fail_in_mm)
    assert of(found, "ee") == all_of(plain)
    assert of(found, "mm") == []
    assert "no muons" in found.failed["mm"].message
    assert isinstance(found.failed["mm"].__cause__, ValueError)
    left = [one for one in found.left if one.processor == "mm"]
    assert len(found.left) == len(left)
    assert sum(one.events for one in left) == sum(one.events for one in plain)
    submitted = [
        event for _, event in journal.read(tmp_path / "journal.jsonl") if isinstance(event, TaskSubmitted)
    ]
    tried = sum(event.events for event in submitted if event.dataset.startswith("mm."))
    assert tried < sum(one.events for one in plain) / 2  # it was given up as soon as it was known


@pytest.mark.parametrize("function", [counting.unlike_in_mm, counting.unlike_and_large_in_mm])
@pytest.mark.parametrize("tree", [None, TreeSettings(results=3), TreeSettings(results=3, always=True)])
@pytest.mark.parametrize("count", [5, 30])
def test_results_of_one_that_cannot_be_added_up_are_its_own_affair(
    tmp_path: Path, record: Journal, function: Any, tree: TreeSettings | None, count: int
) -> None:
    plain = [*chunks("A", count), *chunks("B", 2)]
    values = for_each(BOTH, plain)
    found = run(tmp_path, record, values, function, tree=tree)
    assert of(found, "ee") == all_of(plain)
    assert of(found, "mm") == []
    assert "'cuts' of two chunks cannot be added" in found.failed["mm"].message
    assert sum(one.events for one in found.left) == sum(one.events for one in plain)
    assert {one.processor for one in found.left} == {"mm"}
    assert {one.processor for one in found.done} == {"ee"}
    # what was done for both is in the ledger, and a later process finds it as it is
    kept, _ = ledger.holdings(event for _, event in journal.read(tmp_path / "journal.jsonl"))
    again = run(tmp_path, record, [], function, tree=tree, recovered=kept)
    assert of(again, "ee") == all_of(plain)
    assert of(again, "mm") == []


def test_the_last_that_fails_ends_the_run(tmp_path: Path, record: Journal) -> None:
    with pytest.raises(ProcessorError, match="no muons"):
        run(tmp_path, record, for_each(("mm",), chunks("A", 9)), counting.fail_in_mm)


def test_what_all_of_them_need_ends_the_run(tmp_path: Path, record: Journal) -> None:
    with pytest.raises(InputError, match=r"A-1\.root"):
        run(tmp_path, record, for_each(BOTH, chunks("A", 3, files=2)), counting.cannot_read_1)


def test_chunks_are_cut_for_all_alike() -> None:
    items = [describe(one) for one in for_each(BOTH, chunks("A", 2, events=1000))]
    backlog = Backlog(items, ShapeSettings(first_guess=1.0), fits=lambda _: Fits(most=400, best=400))
    taken = []
    while batch := backlog.next_batch(1):
        taken.append(batch)
        cut = {name: [(one.start, one.stop) for one in batch if one.processor == name] for name in BOTH}
        assert cut["ee"] == cut["mm"]
        assert all(stop - start <= 400 for start, stop in cut["ee"])
    assert sum(one.events for batch in taken for one in batch) == 2 * 2000


def test_chunks_that_are_left_for_one_alone_are_by_themselves() -> None:
    values = for_each(BOTH, chunks("A", 4))
    items = [describe(one) for one in values if one.dataset == "ee.A" or one.entrystart > 1000]
    sizes = [len(bundle.items) for bundle in bundles(items)]
    assert sorted(sizes) == [1, 1, 2, 2]


def test_dropping_one_leaves_the_others_as_they_were() -> None:
    values = for_each(BOTH, [*chunks("A", 4), *chunks("B", 2)])
    backlog = Backlog(map(describe, values), ShapeSettings(first_guess=1.0))
    again = backlog.next_batch(1)
    backlog.put_back(again)
    dropped = backlog.drop("mm")
    assert {one.processor for one in dropped} == {"mm"}
    rest = backlog.waiting()
    assert {one.processor for one in rest} == {"ee"}
    assert len(rest) + len(dropped) == len(values)
    taken = list(iter(functools.partial(backlog.next_batch, 1), ()))
    assert sum(map(len, taken)) == len(rest)
    assert not backlog
