"""The error that ends a run, in the words of the user's trade."""

from __future__ import annotations

from collections.abc import Callable

from wq_runner.errors import EngineError, InputError, ProcessorError, WqRunnerError
from wq_runner.execution.items import Item
from wq_runner.execution.policy import Cause, Trouble
from wq_runner.model import Outcome


def advice(item: Item) -> str:
    """Say how coffea's Runner has a chunk in one process."""
    alone = f"{{{item.dataset!r}: [{item.path!r}]}}"
    return f"to see it here, in one process, with Runner(executor=IterativeExecutor()):\n  {alone}"


def error_of(
    trouble: Trouble,
    reason: str,
    items: tuple[Item, ...],
    outcome: Outcome,
    again: Callable[[Item], str] = advice,
) -> WqRunnerError:
    """Return the error of items that were not to be forgiven; `again` says how to see one of them fail."""
    place = items[0].place if len(items) == 1 else f"{items[0].place} and {len(items) - 1} more"
    match trouble.cause:
        case Cause.INPUT:
            text = trouble.message.removeprefix(f"{items[0].path}: ")
            left_out = "--skip-bad-files leaves such files out, and says so in the result"
            # a file that was never opened is no chunk yet
            more = f"\n{again(items[0])}" if items[0].events else ""
            return InputError(f"{items[0].path} cannot be read: {text}", hint=f"{left_out}{more}")
        case Cause.CHANGED:
            return InputError(
                f"{items[0].path} is not the file that was planned: {trouble.message}",
                hint="start again: what is known of it is forgotten. --skip-bad-files leaves such files out",
                page="changed-files",
            )
        case Cause.SCHEMA:
            return ProcessorError(
                f"the schema does not fit {items[0].path}, which can be read ({reason})\n\n"
                f"{trouble.traceback or trouble.message}\n\nfirst seen in {place}",
                hint="--schema names another one; BaseSchema takes any tree as it is"
                + f"\n{again(items[0])}",
                page="schema",
            )
        case Cause.PROCESSOR | Cause.RESULT | Cause.CRASHED | Cause.DEADLY | Cause.STALLED:
            text = trouble.traceback or trouble.message
            return ProcessorError(
                f"the processor failed, so the run stopped ({reason})\n\n{text}\n\nfirst seen in {place}",
                hint=again(items[0]),
            )
        case Cause.EXHAUSTED:
            return EngineError(
                f"{place} does not fit any worker: {trouble.message} ({reason})",
                hint="start workers with more memory, or let the processor do with less of the event at once"
                f"\n{again(items[0])}",
                page="too-large",
            )
        case _:
            where = f" on {outcome.host}" if outcome.host else ""
            return EngineError(f"{trouble.cause.value}{where}: {trouble.message} ({reason}); {place}")
