"""Python's debugger where the processor failed: only in the process that runs it."""

from __future__ import annotations

import pdb
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from rich.console import Console

from wq_runner.terminal import printing


def opener(console: Console, clear: Callable[[], None]) -> Callable[[BaseException], None]:
    """Return a function that opens the debugger at a failure, after `clear` has removed the bars."""

    def opened(error: BaseException) -> None:
        clear()
        cause = _of_the_processor(error)
        console.print("".join(traceback.format_exception_only(cause)).rstrip(), markup=False, highlight=False)
        printing.line(console, "pdb", "where the processor failed; q ends the run, h lists the commands")
        pdb.post_mortem(cause.__traceback__)

    return opened


def _of_the_processor(error: BaseException) -> BaseException:
    """Return the exception that is not coffea's own about another one."""
    while error.__cause__ is not None and _raised_by_coffea(error.__traceback__):
        error = error.__cause__
    return error


def _raised_by_coffea(found: TracebackType | None) -> bool:
    frames = traceback.extract_tb(found)
    return bool(frames) and Path(frames[-1].filename).parts[-3:-1] == ("coffea", "processor")
