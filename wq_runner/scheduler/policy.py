"""What to do about each kind of trouble: pure functions of what happened and what happened before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from wq_runner.engine.answer import Failure, Kind
from wq_runner.model import NEVER_RAN, Ending, Outcome
from wq_runner.units import MB


class Cause(str, Enum):
    """Why items are not in the result of a task, in the words the user reads."""

    LOST = "lost worker"
    DEADLY = "workers are lost with it"
    TRANSFER = "failed transfer"
    DAMAGED = "damaged result"
    ENVIRONMENT = "broken environment"
    CRASHED = "interpreter died"
    STALLED = "stalled"
    EXHAUSTED = "out of resources"
    INPUT = "unreadable input"
    CHANGED = "not the file that was planned"
    PROCESSOR = "processor error"
    SCHEMA = "schema does not fit"
    RESULT = "unusable result"


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Why some items of a task failed. `signature` is the same for the same failure of the code.

    `memory` is what was used when it was too much, in bytes.
    """

    cause: Cause
    message: str
    signature: str = ""
    traceback: str = ""
    memory: int = 0


FIRST_DELAY, LONGEST_DELAY = 0.25, 16.0  # seconds

DEFAULT_BUDGETS: Mapping[Cause, int] = {
    # not the item's fault, so forgiven often: batch systems evict workers all day
    Cause.LOST: 20,
    Cause.TRANSFER: 5,
    Cause.DAMAGED: 5,
    Cause.ENVIRONMENT: 5,
    # may be the item's fault: once more to be sure, then smaller
    Cause.CRASHED: 1,
    Cause.DEADLY: 1,
    Cause.STALLED: 2,
    Cause.EXHAUSTED: 6,
    Cause.INPUT: 2,
    Cause.CHANGED: 1,
    Cause.PROCESSOR: 1,
    Cause.SCHEMA: 1,
    Cause.RESULT: 0,
}


class Changed(str, Enum):
    """What is done about a file that is not the one that was planned."""

    STOP = "stop"
    """As about one that cannot be read."""
    AGAIN = "again"
    """Its chunks are put aside: who planned them does so anew."""
    LEAVE = "leave"
    """It is left out, and the result is partial."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How often each cause is forgiven to an item, and what may be missing in the end.

    `same_failure` is in how many places the same failure of the code stops the run.
    `min_chunk` is how finely a chunk that kills its process is cut to find the events that do it.
    `max_failed` is the share of the events that may be left out, for whatever cause, before the run stops.
    """

    budgets: Mapping[Cause, int] = field(default_factory=lambda: DEFAULT_BUDGETS)
    same_failure: int = 3
    skip_bad_files: bool = False
    changed: Changed = Changed.STOP
    min_chunk: int = 1000
    max_failed: float = 0.0


@dataclass(frozen=True, kw_only=True)
class History:
    """What came before, and how it stands now.

    `attempts` is how often this cause hit these items. `places` is in how many `unit`s this failure was
    seen (files, or chunks where a dataset has few files), `given_up` in how many it was or would be for good.
    `anything_done` is whether any item succeeded so far. `at_largest` is whether they had the largest
    worker's memory; `failed_share` is the share of all events that would be lost if these were given up.
    `others` is whether there are workers on more than one host, as far as is known.
    """

    attempts: int = 0
    places: int = 0
    given_up: int = 0
    unit: str = "files"
    anything_done: bool = True
    at_largest: bool = True
    failed_share: float = 1.0
    others: bool = False


@dataclass(frozen=True, kw_only=True)
class Retry:
    """Try again just so, after some seconds."""

    reason: str
    delay: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Split:
    """Try again in two halves: of the batch, or of the chunk if it is the only one."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Skip:
    reason: str


@dataclass(frozen=True, kw_only=True)
class Abort:
    reason: str


@dataclass(frozen=True, kw_only=True)
class Again:
    """Put aside, to be planned again."""

    reason: str


Action = Retry | Split | Skip | Abort | Again


def decide(  # noqa: PLR0912 - one table
    trouble: Trouble, *, items: int, events: int, history: History, settings: Settings
) -> Action:
    """Decide about so many items, with so many events, that failed together."""
    budget = settings.budgets[trouble.cause]
    left = history.attempts < budget
    times = f"{history.attempts + 1} of {budget + 1}"
    if items == 1 and (reason := _hopeless(trouble.cause, history, settings)):
        return Abort(reason=reason)
    match trouble.cause:
        case Cause.PROCESSOR | Cause.SCHEMA | Cause.RESULT:
            if items > 1:
                return Split(reason="to find the chunk that does it")
            if left:
                return Retry(reason="once more, elsewhere")
            return _give_up(history, settings, f"attempt {times}")
        case Cause.INPUT:
            if left:
                return Retry(reason=f"attempt {times} could not read it")
            if settings.skip_bad_files:
                return Skip(reason=f"unreadable {times} times")
            return Abort(reason=f"unreadable {times} times")
        case Cause.CHANGED:
            if settings.changed is Changed.AGAIN:
                return Again(reason="it is opened and planned again")
            if left:
                return Retry(reason=f"attempt {times}")
            if settings.skip_bad_files or settings.changed is Changed.LEAVE:
                return Skip(reason="it is left out")
            return Abort(reason=f"attempt {times}")
        case Cause.CRASHED:
            if left:
                return Retry(reason=f"attempt {times}")
            if items > 1 or events > settings.min_chunk:
                return Split(reason="to find the events that do it")
            return _leave_out(history, settings, "these events end the interpreter")
        case Cause.DEADLY:
            if items > 1 or events > settings.min_chunk:
                return Split(reason="to find the events that do it")
            if left:
                return Retry(reason=f"attempt {times}")
            return _leave_out(history, settings, "these events end their workers")
        case Cause.EXHAUSTED:
            if not history.at_largest and left:
                return Retry(reason="with more memory")
            if items > 1 or events > settings.min_chunk:
                return Split(reason="it is too large for the largest worker")
            return _give_up(history, settings, "it does not fit the largest worker")
        case Cause.STALLED:
            return Retry(reason="elsewhere") if left else _leave_out(history, settings, f"attempt {times}")
        case Cause.LOST:
            return Retry(reason="not the task's fault") if left else Abort(reason=f"attempt {times}")
        case Cause.TRANSFER | Cause.DAMAGED | Cause.ENVIRONMENT:
            # others need time to show that it is the worker: then its host gets no more
            if left or (history.others and history.attempts < 2 * budget):
                delay = min(FIRST_DELAY * 2**history.attempts, LONGEST_DELAY)
                return Retry(reason="not the task's fault", delay=delay)
            return Abort(reason=f"{history.attempts + 1} times")


# what may be the code's fault in every chunk. Memory is not among these: chunks that are too large for the
# workers are all cut first
OF_THE_CODE = frozenset(
    {Cause.PROCESSOR, Cause.SCHEMA, Cause.RESULT, Cause.CRASHED, Cause.DEADLY, Cause.STALLED}
)


def _hopeless(cause: Cause, history: History, settings: Settings) -> str:
    """Say where this very failure was seen, if nothing else was: then it is not these events that do it."""
    if cause in OF_THE_CODE and not history.anything_done and history.places >= settings.same_failure:
        return f"the same way in {history.places} {history.unit}, and nothing was done"
    return ""


def _repeated(history: History, settings: Settings) -> str:
    if history.given_up >= settings.same_failure:
        return f"the same way in {history.given_up} {history.unit}"
    return ""


def _give_up(history: History, settings: Settings, reason: str) -> Skip | Abort:
    """Leave these events out as far as was allowed."""
    if repeated := _repeated(history, settings):
        return Abort(reason=repeated)
    if history.failed_share <= settings.max_failed:
        return Skip(reason=f"{reason}; within --max-failed")
    return Abort(reason=reason)


def _leave_out(history: History, settings: Settings, reason: str) -> Skip | Abort:
    """Leave out events that end their process: a few, and then only as far as was allowed."""
    if history.failed_share > settings.max_failed and (repeated := _repeated(history, settings)):
        return Abort(reason=f"{repeated}: {reason}")
    return Skip(reason=reason)


_CAUSES = {
    Kind.INPUT: Cause.INPUT,
    Kind.CHANGED: Cause.CHANGED,
    Kind.PROCESSOR: Cause.PROCESSOR,
    Kind.SCHEMA: Cause.SCHEMA,
    Kind.MEMORY: Cause.EXHAUSTED,
    Kind.STALL: Cause.STALLED,
    Kind.CRASH: Cause.CRASHED,
    Kind.RESULT: Cause.RESULT,
    Kind.ENVIRONMENT: Cause.ENVIRONMENT,
}


def trouble_of_failure(failure: Failure) -> Trouble:
    """Name the cause of a failure that the task reported."""
    return Trouble(
        cause=_CAUSES[failure.kind],
        message=failure.summary,
        signature=failure.signature,
        traceback=failure.traceback,
        memory=failure.memory,
    )


def trouble_of_outcome(outcome: Outcome) -> Trouble:
    """Name the cause of an attempt that brought no answer."""
    match outcome.ending:
        case Ending.LOST:
            return Trouble(cause=Cause.LOST, message=outcome.detail or "the worker went away")
        case Ending.TRANSFER:
            return Trouble(cause=Cause.TRANSFER, message=outcome.detail)
        case Ending.EXHAUSTED:
            had = max(outcome.measured.memory or 0, outcome.allocated.memory or 0)
            return Trouble(cause=Cause.EXHAUSTED, message=outcome.detail, memory=int(had * MB))
        case Ending.DEADLY:
            return Trouble(cause=Cause.DEADLY, message="its worker was lost each time", signature="deadly")
        case Ending.DIED:
            return Trouble(cause=Cause.CRASHED, message=outcome.detail, signature=outcome.detail)
        case Ending.NO_RESULT | Ending.RETURNED:
            cause, message = _without_answer(outcome)
            return Trouble(cause=cause, message=message, signature=message if cause is Cause.CRASHED else "")


def _without_answer(outcome: Outcome) -> tuple[Cause, str]:
    """Return the cause and the last words of a command that ended by itself."""
    code = outcome.exit_code
    lines = outcome.output.strip().splitlines()
    if outcome.never_ran:
        how = f"it never ran: {outcome.detail}" if outcome.detail else "it never ran"
    elif code < 0:
        how = f"signal {-code}"
    else:
        how = f"exit code {code}"
    # what goes wrong once Python runs is an answer; above 128 a signal ended the command
    started = code > 128 or code < NEVER_RAN
    text = f"no answer ({how}): {lines[-1]}" if lines else f"no answer ({how})"
    return Cause.CRASHED if started or not code else Cause.ENVIRONMENT, text
