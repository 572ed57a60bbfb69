"""What fails in the threads and loops of libraries: each kind is one line, and all of it is in the log."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import traceback
from collections.abc import Iterator

from rich.console import Console

from wq_runner.terminal import printing

log = logging.getLogger(__name__)

# which say what fails in a loop or a callback with its whole traceback, each time anew
_LOGGERS = ("asyncio", "concurrent.futures", "tornado", "distributed", "dask_jobqueue", "parsl")
_KINDS = 5  # that are said
_LOGGED = 50  # of each kind, with what is known of it
_TEXT = 300  # characters


class _Dam(logging.Handler):
    """Says the first of each kind, and writes more to the log."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.ERROR)
        self._console = console
        self._counts: dict[str, int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self.take(record.name.partition(".")[0], error, record.getMessage())

    def take(self, source: str, error: BaseException | None, text: str = "") -> None:
        what = f"{type(error).__name__}: {error}" if error is not None else text
        first, *_ = [*what.strip().splitlines(), "nothing"]  # names of temporary files come later, if at all
        kind = f"{source} {re.sub(r'[0-9]+', '0', first)}"
        with self.lock or contextlib.nullcontext():
            number = self._counts[kind] = self._counts.get(kind, 0) + 1
            kinds = len(self._counts)
        if number <= _LOGGED:
            lines = traceback.format_exception(error) if error is not None else []
            log.debug("in %s: %s\n%s", source, text, "".join(lines))
        if number == 1 and kinds <= _KINDS:
            said = " ".join(what.split())[:_TEXT]
            printing.line(self._console, "note", f"failed within {source}: {said} (wq-run.log has all of it)")

    def close(self) -> None:
        more = {kind: number for kind, number in self._counts.items() if number > 1}
        for kind, number in more.items():
            log.info("%s: %d times in all", kind, number)
        super().close()


@contextlib.contextmanager
def dammed(console: Console, *, unless: bool = False) -> Iterator[None]:
    """Keep what libraries say of failures of their own to a line for each kind, while the block runs."""
    if unless:
        yield
        return
    dam = _Dam(console)
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [one.propagate for one in loggers]
    hook = threading.excepthook

    def ended(arguments: threading.ExceptHookArgs) -> None:
        thread = arguments.thread.name if arguments.thread else "a thread"
        dam.take(f"the thread {thread}", arguments.exc_value)

    threading.excepthook = ended
    for one in loggers:
        one.addHandler(dam)
        one.propagate = False
    try:
        yield
    finally:
        threading.excepthook = hook
        for one, was in zip(loggers, before, strict=True):
            one.removeHandler(dam)
            one.propagate = was
        dam.close()
