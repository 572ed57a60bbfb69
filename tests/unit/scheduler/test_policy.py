"""The policy as a table: trouble and history -> action, with the reason as the name of the case."""

# ruff: noqa: E501 - one line a case

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wq_runner.engine.answer import Failure, Kind
from wq_runner.model import Ending, Outcome, Resources
from wq_runner.scheduler import policy
from wq_runner.scheduler.policy import Abort, Cause, History, Retry, Settings, Skip, Split, Trouble
from wq_runner.units import MB

LOSSY = Settings(max_failed=0.01)
SKIPPING = Settings(skip_bad_files=True)
FEW = {"events": 1000}
MANY = {"events": 5000}


def case(reason: str, *values: Any) -> Any:
    return pytest.param(*values, id=reason)


@pytest.mark.parametrize(
    ("cause", "history", "size", "settings", "action"),
    [
        case("out of memory: more is to be had", Cause.EXHAUSTED, {"at_largest": False}, MANY, Settings(), Retry),
        case("out of memory: more was tried often", Cause.EXHAUSTED, {"at_largest": False, "attempts": 6}, MANY, Settings(), Split),
        case("out of memory: at the largest worker", Cause.EXHAUSTED, {}, MANY, Settings(), Split),
        case("out of memory: several chunks", Cause.EXHAUSTED, {}, {"events": 1000, "items": 2}, Settings(), Split),
        case("out of memory: it cannot be smaller", Cause.EXHAUSTED, {}, FEW, Settings(), Abort),
        case("out of memory: within --max-failed", Cause.EXHAUSTED, {"failed_share": 0.01}, FEW, LOSSY, Skip),
        case("lost worker: not the task's fault", Cause.LOST, {"attempts": 19}, MANY, Settings(), Retry),
        case("lost worker: beyond all patience", Cause.LOST, {"attempts": 20}, MANY, Settings(), Abort),
        case("workers die of it: find the events", Cause.DEADLY, {}, MANY, Settings(), Split),
        case("workers die of it: find the chunk", Cause.DEADLY, {}, {"events": 10, "items": 2}, Settings(), Split),
        case("workers die of it: once more to be sure", Cause.DEADLY, {}, FEW, Settings(), Retry),
        case("workers die of it: these events do it", Cause.DEADLY, {"attempts": 1}, FEW, Settings(), Skip),
        case("broken worker: elsewhere", Cause.ENVIRONMENT, {"attempts": 4}, MANY, Settings(), Retry),
        case("broken worker: the only one", Cause.ENVIRONMENT, {"attempts": 5}, MANY, Settings(), Abort),
        case("broken worker: others may show it", Cause.ENVIRONMENT, {"attempts": 5, "others": True}, MANY, Settings(), Retry),
        case("broken worker: all of them", Cause.ENVIRONMENT, {"attempts": 10, "others": True}, MANY, Settings(), Abort),
        case("failed transfer: again", Cause.TRANSFER, {"attempts": 4}, MANY, Settings(), Retry),
        case("failed transfer: always", Cause.TRANSFER, {"attempts": 5}, MANY, Settings(), Abort),
        case("damaged result: again", Cause.DAMAGED, {"attempts": 4}, MANY, Settings(), Retry),
        case("damaged result: always", Cause.DAMAGED, {"attempts": 5}, MANY, Settings(), Abort),
        case("unreadable: again", Cause.INPUT, {"attempts": 1}, MANY, Settings(), Retry),
        case("unreadable: not to be skipped", Cause.INPUT, {"attempts": 2}, MANY, Settings(), Abort),
        case("unreadable: --skip-bad-files", Cause.INPUT, {"attempts": 2}, MANY, SKIPPING, Skip),
        case("processor: once more, elsewhere", Cause.PROCESSOR, {}, MANY, Settings(), Retry),
        case("processor: again", Cause.PROCESSOR, {"attempts": 1}, MANY, Settings(), Abort),
        case("processor: within --max-failed", Cause.PROCESSOR, {"attempts": 1, "failed_share": 0.01}, MANY, LOSSY, Skip),
        case("processor: beyond --max-failed", Cause.PROCESSOR, {"attempts": 1, "failed_share": 0.011}, MANY, LOSSY, Abort),
        case("processor: given up in 3 files", Cause.PROCESSOR, {"attempts": 1, "given_up": 3, "failed_share": 0.0}, MANY, LOSSY, Abort),
        case("processor: seen in 3 files, of which others were done", Cause.PROCESSOR, {"places": 3}, MANY, Settings(), Retry),
        case("processor: nothing else was seen", Cause.PROCESSOR, {"places": 3, "anything_done": False}, MANY, LOSSY, Abort),
        case("processor: two files tell little", Cause.PROCESSOR, {"places": 2, "anything_done": False}, MANY, LOSSY, Retry),
        case("schema: once more, elsewhere", Cause.SCHEMA, {}, MANY, Settings(), Retry),
        case("schema: again", Cause.SCHEMA, {"attempts": 1}, MANY, Settings(), Abort),
        case("result: find the chunk", Cause.RESULT, {}, {"events": 10, "items": 4}, Settings(), Split),
        case("result: it will not be better", Cause.RESULT, {}, MANY, Settings(), Abort),
        case("result: within --max-failed", Cause.RESULT, {"failed_share": 0.0}, MANY, LOSSY, Skip),
        case("interpreter died: once more to be sure", Cause.CRASHED, {}, MANY, Settings(), Retry),
        case("interpreter died: find the events", Cause.CRASHED, {"attempts": 1}, MANY, Settings(), Split),
        case("interpreter died: these events do it", Cause.CRASHED, {"attempts": 1}, FEW, Settings(), Skip),
        case("interpreter died: a third place", Cause.CRASHED, {"attempts": 1, "given_up": 3}, FEW, Settings(), Abort),
        case("interpreter died: a third place within --max-failed", Cause.CRASHED, {"attempts": 1, "given_up": 3, "failed_share": 0.01}, FEW, LOSSY, Skip),
        case("interpreter died: it always does", Cause.CRASHED, {"places": 3, "anything_done": False}, MANY, Settings(), Abort),
        case("workers die of it: they always do", Cause.DEADLY, {"places": 3, "anything_done": False}, MANY, Settings(), Abort),
        case("stalled: it always does", Cause.STALLED, {"places": 3, "anything_done": False}, MANY, Settings(), Abort),
        case("out of memory: chunks are too large for the workers", Cause.EXHAUSTED, {"places": 3, "anything_done": False}, MANY, Settings(), Split),
        case("unreadable: a server may be down", Cause.INPUT, {"places": 3, "anything_done": False}, MANY, Settings(), Retry),
        case("stalled: elsewhere", Cause.STALLED, {"attempts": 1}, MANY, Settings(), Retry),
        case("stalled: everywhere", Cause.STALLED, {"attempts": 2}, MANY, Settings(), Skip),
    ],
)  # fmt: skip
def test_decision(
    cause: Cause,
    history: dict[str, Any],
    size: dict[str, int],
    settings: Settings,
    action: type[policy.Action],
) -> None:
    decision = policy.decide(
        Trouble(cause=cause, message="what happened"),
        items=size.get("items", 1),
        events=size["events"],
        history=History(**history),
        settings=settings,
    )
    assert type(decision) is action
    assert decision.reason


histories = st.builds(
    History,
    attempts=st.integers(0, 30),
    places=st.integers(0, 5),
    given_up=st.integers(0, 5),
    at_largest=st.booleans(),
    anything_done=st.booleans(),
    failed_share=st.floats(0, 1),
    others=st.booleans(),
)


@given(
    cause=st.sampled_from(Cause), history=histories, items=st.integers(1, 5), events=st.integers(1, 10_000)
)
def test_nothing_is_tried_for_ever(cause: Cause, history: History, items: int, events: int) -> None:
    """Beyond its budget an item is not tried again just as it is, and what cannot be cut is not split."""
    settings = Settings()
    decision = policy.decide(
        Trouble(cause=cause, message=""), items=items, events=events, history=history, settings=settings
    )
    if isinstance(decision, Retry):
        assert history.attempts < 2 * max(settings.budgets[cause], 1)
        assert 0 <= decision.delay <= policy.LONGEST_DELAY
    if isinstance(decision, Split):
        assert items > 1 or events > settings.min_chunk


def test_retries_on_a_broken_worker_wait_longer_and_longer() -> None:
    trouble = Trouble(cause=Cause.ENVIRONMENT, message="")
    decisions = [
        policy.decide(
            trouble, items=1, events=1, history=History(attempts=attempts, others=True), settings=Settings()
        )
        for attempts in range(10)
    ]
    delays = [decision.delay for decision in decisions if isinstance(decision, Retry)]
    assert len(delays) == 10
    assert delays == sorted(delays)
    assert sum(delays) > 60, "time for a first chunk elsewhere"


@pytest.mark.parametrize(
    ("outcome", "cause"),
    [
        (Outcome(task_id=1, ending=Ending.LOST), Cause.LOST),
        (Outcome(task_id=1, ending=Ending.DEADLY), Cause.DEADLY),
        (Outcome(task_id=1, ending=Ending.TRANSFER), Cause.TRANSFER),
        (Outcome(task_id=1, ending=Ending.EXHAUSTED), Cause.EXHAUSTED),
        (Outcome(task_id=1, ending=Ending.DIED, exit_code=0), Cause.CRASHED),
        (Outcome(task_id=1, ending=Ending.NO_RESULT, exit_code=97), Cause.ENVIRONMENT),
        (Outcome(task_id=1, ending=Ending.NO_RESULT, exit_code=127), Cause.ENVIRONMENT),
        (Outcome(task_id=1, ending=Ending.NO_RESULT, exit_code=137), Cause.CRASHED),
        (Outcome(task_id=1, ending=Ending.NO_RESULT, exit_code=-11), Cause.CRASHED),
        (Outcome(task_id=1, ending=Ending.NO_RESULT, exit_code=-1), Cause.ENVIRONMENT),
        (Outcome(task_id=1, ending=Ending.NO_RESULT, exit_code=0), Cause.CRASHED),
    ],
)
def test_cause_of_an_attempt_without_an_answer(outcome: Outcome, cause: Cause) -> None:
    assert policy.trouble_of_outcome(outcome).cause is cause


def test_what_the_engine_measured_was_too_little() -> None:
    outcome = Outcome(
        task_id=1,
        ending=Ending.EXHAUSTED,
        allocated=Resources(memory=300),
        measured=Resources(memory=310),
    )
    assert policy.trouble_of_outcome(outcome).memory == 310 * MB


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_failure_has_a_cause(kind: Kind) -> None:
    failure = Failure(
        index=0, kind=kind, type="ValueError", message="first\nsecond", traceback="", signature="s", memory=5
    )
    trouble = policy.trouble_of_failure(failure)
    assert trouble.cause in Settings().budgets
    assert "second" not in trouble.message
    assert (trouble.signature, trouble.memory) == ("s", 5)


def test_the_last_words_of_a_command_are_kept() -> None:
    outcome = Outcome(task_id=1, ending=Ending.NO_RESULT, exit_code=97, output="one\nno space left\n")
    assert policy.trouble_of_outcome(outcome).message == "no answer (exit code 97): no space left"


def test_a_command_that_never_ran_was_ended_by_no_signal() -> None:
    outcome = Outcome(task_id=1, ending=Ending.NO_RESULT, exit_code=-1, detail="output missing")
    assert policy.trouble_of_outcome(outcome).message == "no answer (it never ran: output missing)"
