"""The error that ends a run, in the words of the user's trade."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wq_runner.errors import EngineError, InputError, ProcessorError, WorkerEnvironmentError, WqRunnerError
from wq_runner.ledger.items import Item
from wq_runner.model import Outcome
from wq_runner.scheduler.policy import Cause, Trouble

_MISSING = re.compile(
    r"no such file|not found|not exist|(cannot|could not|can't|unable to|failed to) open", re.IGNORECASE
)
_RELATIVE = re.compile(r"(?<![\w./~+:-])[\w+-][\w.+-]*(?:/[\w.+-]+)*")
_LACKING = re.compile(r"(ModuleNotFound|Import)Error: ")
_LOOKED_AT = 500  # words of a failure


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What a user can do about a failure, in the words of the program that they started.

    `again` says how to see a chunk fail, `skip_files` how bad files are left out, `schema` how another one is
    taken, and `take_along` how tasks get a file, whose path is to be where ``{}`` is.
    """

    again: Callable[[Item], str]
    skip_files: str
    schema: str
    take_along: str


def _in_one_process(item: Item) -> str:
    alone = f"{{{item.dataset!r}: [{item.path!r}]}}"
    return f"to see it here, in one process, with Runner(executor=IterativeExecutor()):\n  {alone}"


OF_RUNNER = Advice(
    again=_in_one_process,
    # as coffea has it: what is no ROOT file raises a ValueError
    skip_files="Runner(..., skipbadfiles=True) leaves out files that raise an OSError, "
    "(OSError, ValueError) also what is no ROOT file, where coffea takes types",
    schema="Runner(..., schema=...)",
    take_along="WorkQueueExecutor(..., extra_files=['{}'])",
)
"""For those who have a Runner of coffea and our executor in it."""


def left_here(text: str, places: Sequence[Path], take_along: str) -> str:
    """Say which file a failure lacks that is in one of these `places`, and how tasks get it.

    A relative path is one of the user's directory where it was written, and of the task's where it runs.
    """
    if not _MISSING.search(text):
        return ""
    for name in _relative_paths(text):
        for place in places:
            if (place / name).is_file():
                first = place / Path(name).parts[0]
                shown = first.name if place == Path.cwd() else str(first)
                return f"{name} is here, but not where tasks run: {take_along.format(shown)} takes it along"
    return ""


def _relative_paths(text: str) -> Iterator[str]:
    found = _RELATIVE.findall(text)[-_LOOKED_AT:]
    yield from dict.fromkeys(one for one in found if ("/" in one or "." in one) and ".." not in one)


def _here() -> list[Path]:
    """Return where the user's relative paths start: the current directory, and that of the processor."""
    try:
        return list(dict.fromkeys((Path.cwd(), Path(os.path.abspath(sys.path[0] or ".")))))  # noqa: PTH100
    except OSError:  # the current directory is gone
        return []


def _failed(item: Item) -> str:
    """Say that the processor failed, or which of several: the others go on."""
    if item.processor:
        return f"the processor {item.processor} failed, so it was given up"
    return "the processor failed, so the run stopped"


def error_of(
    trouble: Trouble,
    reason: str,
    items: tuple[Item, ...],
    outcome: Outcome,
    advice: Advice = OF_RUNNER,
) -> WqRunnerError:
    """Return the error of items that were not to be forgiven, with what can be done about it."""
    place = items[0].place if len(items) == 1 else f"{items[0].place} and {len(items) - 1} more"
    match trouble.cause:
        case Cause.INPUT:
            text = trouble.message.removeprefix(f"{items[0].path}: ").removeprefix("cannot be read: ")
            # a file that was never opened is no chunk yet
            more = f"\n{advice.again(items[0])}" if items[0].events else ""
            return InputError(f"{items[0].path} cannot be read: {text}", hint=f"{advice.skip_files}{more}")
        case Cause.CHANGED:
            return InputError(
                f"{items[0].path} is not the file that was planned: {trouble.message}",
                hint="start again: what is known of it is forgotten. " + advice.skip_files,
                page="changed-files",
            )
        case Cause.SCHEMA:
            return ProcessorError(
                f"the schema does not fit {items[0].path}, which can be read ({reason})\n\n"
                f"{trouble.traceback or trouble.message}\n\nfirst seen in {place}",
                hint=f"{advice.schema} names another one; BaseSchema takes any tree as it is"
                f"\n{advice.again(items[0])}",
                page="schema",
            )
        case Cause.PROCESSOR | Cause.RESULT | Cause.CRASHED | Cause.DEADLY | Cause.STALLED:
            text = trouble.traceback or trouble.message
            lacks = left_here(text, _here(), advice.take_along) if trouble.cause is Cause.PROCESSOR else ""
            return ProcessorError(
                f"{_failed(items[0])} ({reason})\n\n{text}\n\nfirst seen in {place}",
                hint="\n".join(filter(None, (lacks, advice.again(items[0])))),
            )
        case Cause.EXHAUSTED:
            return EngineError(
                f"{place} does not fit any worker: {trouble.message} ({reason})",
                hint="start workers with more memory, or let the processor do with less of the event at once"
                f"\n{advice.again(items[0])}",
                page="too-large",
            )
        case Cause.ENVIRONMENT if items[0].path and _LACKING.match(trouble.message):
            return WorkerEnvironmentError(
                f"{items[0].path} may be good, and cannot be read without a package ({reason})\n"
                f"  {trouble.message}",
                hint="add it to the environment that tasks run in, and start the same command again",
                page="environment",
            )
        case _:
            where = f" on {outcome.host}" if outcome.host else ""
            # what a package opens when it is imported
            lacks = (
                left_here(trouble.message, _here(), advice.take_along)
                if trouble.cause is Cause.ENVIRONMENT
                else ""
            )
            return EngineError(
                f"{trouble.cause.value}{where}: {trouble.message} ({reason}); {place}", hint=lacks
            )
