"""Code of the user's that runs in this process: what fails in it is its own, and said with its own lines."""

from __future__ import annotations

import contextlib
import functools
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path

from wq_runner.errors import ProcessorError, WqRunnerError
from wq_runner.remote.failure import TRACEBACK, shortened

_OURS = str(Path(__file__).parent)
_IMPORTING = "importlib"  # frozen or not


@contextlib.contextmanager
def code(doing: str, *, hint: str = "", page: str = "") -> Iterator[None]:
    """Run code of the user's; `doing` says what failed.

    Raises
    ------
    ProcessorError
        If it fails, whatever it raises: no exception of its own is taken for one of the surroundings.
    """
    try:
        yield
    except (WqRunnerError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        failed = ProcessorError(f"{doing}\n\n{lines_of(error)}", hint=hint)
        failed.page = page or failed.page
        raise failed from error


def lines_of(error: BaseException) -> str:
    """Return the traceback of an exception, without our lines, coffea's and Python's own."""
    lines = [*traceback.format_list(frames_of(error)), *traceback.format_exception_only(error)]
    return shortened("".join(lines).rstrip(), TRACEBACK)


def frames_of(error: BaseException) -> list[traceback.FrameSummary]:
    """Return the frames of an exception from the user's first on; if there is none, those of libraries."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if not _is_machinery(one.filename)]
    first = next((at for at, one in enumerate(frames) if not _is_installed(one)), 0)
    return frames[first:]


def is_of_user(error: BaseException) -> bool:
    """Whether a line of what is not installed is in the traceback."""
    return not all(map(_is_installed, frames_of(error)))


def is_in_call(error: BaseException) -> bool:
    """Whether the call itself failed, as its arguments do not fit, and nothing in what was called."""
    frames = traceback.extract_tb(error.__traceback__)
    return all(_is_ours(frame.filename) for frame in frames)


def comes_from_us(error: BaseException, caller: str) -> bool:
    """Whether other code of ours than the `caller`, a file, was on the way to an exception."""
    frames = traceback.extract_tb(error.__traceback__)
    return any(_is_ours(frame.filename) and frame.filename != caller for frame in frames)


def _is_installed(frame: traceback.FrameSummary) -> bool:
    return frame.filename.startswith(_installed())


@functools.lru_cache(maxsize=1)
def _installed() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return ("<", *(paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")))


def _is_machinery(filename: str) -> bool:
    return _is_ours(filename) or _IMPORTING in filename or _is_coffeas(filename)


def _is_ours(filename: str) -> bool:
    return filename.startswith(_OURS)


def _is_coffeas(filename: str) -> bool:
    return Path(filename).parts[-3:-1] == ("coffea", "processor")
