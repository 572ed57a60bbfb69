"""The directory of a run: made, proved to be usable, and kept from others while the run lives."""

from __future__ import annotations

import copy
import logging
import re
import shutil
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import filelock

from wq_runner import kept_results, names, summary, system
from wq_runner.errors import OutputError
from wq_runner.plain import plain
from wq_runner.system import RunPaths

_PROBE = bytes(1 << 16)  # enough to find a full disk


def default_directory(samples: Sequence[str], *, part: str = "") -> Path:
    """Return ``wq-run-NAME``, of the first samples file, directory or glob.

    A run of a `part` only has a directory of its own: it must not touch what the whole one keeps.
    """
    name = Path(samples[0]).name
    stem = re.sub(r"(\.json\.gz|\.[A-Za-z]+)$", "", name)
    name = re.sub(r"^[-.*?]+|[*?]+", "", stem) or "samples"
    return Path("-".join(["wq-run", names.file_name(name), *([part] if part else [])]))


def open_directory(root: Path) -> tuple[RunPaths, AbstractContextManager[object]]:
    """Make the directory, lock it for this process, and clear what an earlier run left half done.

    The lock is a context that is entered already: leaving it gives the directory back.

    Raises
    ------
    OutputError
        If it cannot be made or written, or another process works in it.
    """
    paths = RunPaths(root=root.absolute())
    if (home := summary.home(paths)) != paths:
        raise OutputError(
            f"{root} is a result that {home.root} keeps: nothing runs there",
            hint=f"the command that made it finds it with -o {home.root}",
        )
    try:
        paths.root.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(paths.lock, timeout=0).acquire()
        _prepare(paths)
    except filelock.Timeout as error:
        raise OutputError(
            f"another wq-run works in {root}", hint="wait for it, or choose another directory with -o"
        ) from error
    except OSError as error:
        raise OutputError(
            f"{root} cannot be used for the output: {error.strerror or error}",
            hint="choose another directory with -o",
        ) from error
    return paths, lock


def _prepare(paths: RunPaths) -> None:
    probe = paths.root / ".probe"
    try:
        probe.write_bytes(_PROBE)
    finally:
        probe.unlink(missing_ok=True)
    kept_results.settle(paths)
    for directory in (paths.staging, paths.workers):
        shutil.rmtree(directory, ignore_errors=True)
        system.make_private(directory)  # a queue that outlives its manager by a second may write there
    system.make_private(paths.ledger, 0o755)


class _LogFile(logging.FileHandler):
    """A log that never stops what it tells of, not even on a full disk."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's
        pass

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()

    def close(self) -> None:
        with suppress(OSError):
            super().close()


if TYPE_CHECKING:
    _StreamHandler = logging.StreamHandler[TextIO]
else:
    _StreamHandler = logging.StreamHandler  # generic in Python 3.11


class _ToTerminal(_StreamHandler):
    """Writes to what is standard error by then: a kernel and a test have another one each time."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


class _OneLine(logging.Formatter):
    """The message without its traceback, which is in the file, and without what a terminal would obey."""

    def format(self, record: logging.LogRecord) -> str:
        bare = copy.copy(record)
        bare.exc_info = bare.exc_text = bare.stack_info = None
        return plain(super().format(bare))


def start_logging(path: Path, level: str) -> logging.Handler:
    """Log everything to a file, and what is at least `level` to the terminal.

    Returns the file's handler, to be removed at the end.
    """
    root = logging.getLogger("wq_runner")
    root.setLevel(logging.DEBUG)
    root.propagate = False
    to_file = _LogFile(path, encoding="utf-8")
    to_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    to_terminal = _ToTerminal()
    to_terminal.setLevel(level.upper())
    to_terminal.setFormatter(_OneLine("%(levelname)s: %(message)s"))
    root.handlers = [to_file, to_terminal]
    return to_file
