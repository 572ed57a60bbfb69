"""The histories from which the policy decides."""

from __future__ import annotations

import dataclasses

import pytest

from wq_runner.ledger.items import Item
from wq_runner.scheduler.attempts import Attempts
from wq_runner.scheduler.policy import Cause, History, Settings, Trouble


def chunk(path: str, start: int = 0, dataset: str = "A") -> Item:
    return Item(value=None, dataset=dataset, path=path, start=start, stop=start + 100)


FILES = [chunk(f"f{number}.root") for number in range(5)]
FEW = [chunk("g.root", start, dataset="B") for start in (0, 100, 200)]
TROUBLE = Trouble(cause=Cause.PROCESSOR, message="", signature="here")


@pytest.fixture
def attempts() -> Attempts:
    return Attempts([*FILES, *FEW], Settings(), done=200)


def history(attempts: Attempts, *items: Item, trouble: Trouble = TROUBLE) -> History:
    return attempts.history(trouble, items, at_largest=True, others=False)


def test_attempts_are_counted_by_cause_and_item(attempts: Attempts) -> None:
    attempts.failed(Cause.PROCESSOR, FILES[:2])
    attempts.failed(Cause.PROCESSOR, FILES[:1])
    attempts.failed(Cause.INPUT, FILES[:1])
    assert [history(attempts, item).attempts for item in FILES[:3]] == [2, 1, 0]
    assert history(attempts, *FILES).attempts == 2


def test_a_failure_is_seen_in_files_and_of_few_files_in_chunks(attempts: Attempts) -> None:
    for item in (*FEW, FILES[0]):
        attempts.seen("here", [item])
    attempts.seen("elsewhere", [FILES[1]])
    attempts.seen("here", FILES)  # in which of them is not known
    assert (history(attempts, FILES[0]).places, history(attempts, FILES[0]).unit) == (2, "files")
    assert (history(attempts, FEW[0]).places, history(attempts, FEW[0]).unit) == (4, "chunks")


def test_a_chunk_that_was_cut_counts_by_its_parts(attempts: Attempts) -> None:
    whole, half, quarter = (dataclasses.replace(FEW[0], stop=stop) for stop in (100, 50, 25))
    for item in (whole, half, quarter):
        attempts.seen("here", [item])
    assert history(attempts, quarter).places == 1, "it is one place, that is found more and more exactly"
    other = dataclasses.replace(FEW[0], start=50)
    attempts.seen("here", [other])
    assert history(attempts, other).places == 2


def test_what_is_given_up_counts_with_what_is_about_to_be(attempts: Attempts) -> None:
    attempts.skipped(FILES[:2], "here")
    attempts.skipped(FILES[2:3], "elsewhere")
    assert history(attempts, FILES[3]).given_up == 3
    assert history(attempts, FILES[1]).given_up == 2


def test_whether_anything_was_done_counts_earlier_runs(attempts: Attempts) -> None:
    assert history(attempts, FILES[0]).anything_done
    new = Attempts(FILES, Settings())
    assert not history(new, FILES[0]).anything_done
    new.succeeded()
    assert history(new, FILES[0]).anything_done


def test_the_share_that_is_lost_is_that_of_the_whole_run(attempts: Attempts) -> None:
    attempts.skipped(FILES[:1])
    assert history(attempts, FILES[1]).failed_share == 200 / (200 + 800)


def test_a_part_has_the_history_of_the_whole_but_for_its_size(attempts: Attempts) -> None:
    part = chunk("f0.root")
    for cause in (Cause.CRASHED, Cause.EXHAUSTED):
        attempts.failed(cause, FILES[:1])
    attempts.cut(FILES[0], [part])
    assert history(attempts, part, trouble=Trouble(cause=Cause.CRASHED, message="")).attempts == 1
    assert history(attempts, part, trouble=Trouble(cause=Cause.EXHAUSTED, message="")).attempts == 0


def test_few_files_are_tried_at_first(attempts: Attempts) -> None:
    attempts.begin([FEW[0], FILES[0]])
    attempts.begin([FEW[1]])
    assert attempts.may_try_more
    attempts.begin([FILES[1]])
    assert not attempts.may_try_more
