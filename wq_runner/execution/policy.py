"""What to do about each kind of trouble: pure functions of what happened and what happened before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from wq_runner.engine.answer import Failure, Kind
from wq_runner.model import Ending, Outcome


class Cause(str, Enum):
    """Why items are not in the result of a task, in the words the user reads."""

    LOST = "lost worker"
    TRANSFER = "failed transfer"
    DAMAGED = "damaged result"
    ENVIRONMENT = "broken environment"
    CRASHED = "interpreter died"
    EXHAUSTED = "out of resources"
    INPUT = "unreadable input"
    PROCESSOR = "processor error"
    RESULT = "result cannot be sent"


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Why some items of a task failed. `signature` is the same for the same failure of the code."""

    cause: Cause
    message: str
    signature: str = ""
    traceback: str = ""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How often each cause is forgiven to an item, and what may be missing in the end.

    Causes which are not the item's fault are forgiven often: batch systems evict workers all day.
    """

    budgets: Mapping[Cause, int] = field(
        default_factory=lambda: {
            Cause.LOST: 20,
            Cause.TRANSFER: 5,
            Cause.DAMAGED: 5,
            Cause.ENVIRONMENT: 3,
            Cause.CRASHED: 2,
            Cause.EXHAUSTED: 2,
            Cause.INPUT: 2,
            Cause.PROCESSOR: 1,
            Cause.RESULT: 0,
        }
    )
    same_failure_files: int = 3
    skip_bad_files: bool = False


@dataclass(frozen=True, kw_only=True)
class History:
    """What came before: how often this cause hit these items, and how many files this failure hit."""

    attempts: int = 0
    files_with_signature: int = 0


@dataclass(frozen=True, kw_only=True)
class Retry:
    reason: str


@dataclass(frozen=True, kw_only=True)
class Split:
    """Try again in two halves."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Skip:
    reason: str


@dataclass(frozen=True, kw_only=True)
class Abort:
    reason: str


Action = Retry | Split | Skip | Abort


def decide(trouble: Trouble, *, items: int, history: History, settings: Settings) -> Action:
    """Decide about so many items that failed together; `history` is what this cause did to them before."""
    budget = settings.budgets[trouble.cause]
    left = history.attempts < budget
    times = f"{history.attempts + 1} of {budget + 1}"
    match trouble.cause:
        case Cause.PROCESSOR:
            if history.files_with_signature >= settings.same_failure_files:
                return Abort(reason=f"the same failure in {history.files_with_signature} files")
            return Retry(reason="once more, elsewhere") if left else Abort(reason=f"attempt {times}")
        case Cause.INPUT:
            if left:
                return Retry(reason=f"attempt {times} could not read it")
            if settings.skip_bad_files:
                return Skip(reason=f"unreadable {times} times")
            return Abort(reason=f"unreadable {times} times, and --skip-bad-files is not set")
        case Cause.CRASHED | Cause.EXHAUSTED:
            if items > 1:
                return Split(reason=f"{trouble.cause.value}: one of {items} chunks is the reason")
            return Retry(reason=f"attempt {times}") if left else Abort(reason=f"attempt {times}")
        case Cause.RESULT:
            return Abort(reason="it would fail again")
        case Cause.LOST | Cause.TRANSFER | Cause.DAMAGED | Cause.ENVIRONMENT:
            return Retry(reason="not the task's fault") if left else Abort(reason=f"attempt {times}")


_CAUSES = {
    Kind.INPUT: Cause.INPUT,
    Kind.PROCESSOR: Cause.PROCESSOR,
    Kind.MEMORY: Cause.EXHAUSTED,
    Kind.RESULT: Cause.RESULT,
    Kind.ENVIRONMENT: Cause.ENVIRONMENT,
}


def trouble_of_failure(failure: Failure) -> Trouble:
    """Name the cause of an exception that the payload reported."""
    return Trouble(
        cause=_CAUSES[failure.kind],
        message=failure.summary,
        signature=failure.signature,
        traceback=failure.traceback,
    )


def trouble_of_outcome(outcome: Outcome) -> Trouble:
    """Name the cause of an attempt that brought no answer."""
    match outcome.ending:
        case Ending.LOST:
            return Trouble(cause=Cause.LOST, message=outcome.detail or "the worker went away")
        case Ending.TRANSFER:
            return Trouble(cause=Cause.TRANSFER, message=outcome.detail)
        case Ending.EXHAUSTED:
            return Trouble(cause=Cause.EXHAUSTED, message=outcome.detail)
        case Ending.NO_RESULT | Ending.RETURNED:
            return Trouble(cause=Cause.CRASHED, message=_last_words(outcome))


def _last_words(outcome: Outcome) -> str:
    how = f"signal {-outcome.exit_code}" if outcome.exit_code < 0 else f"exit code {outcome.exit_code}"
    lines = outcome.output.strip().splitlines()
    return f"no result ({how}): {lines[-1]}" if lines else f"no result ({how})"
