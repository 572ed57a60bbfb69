"""Exceptions as data: what failed, in whose code, and the same mark for the same failure elsewhere."""

from __future__ import annotations

import hashlib
import pickle
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import blame
from .returned import UnusableResultError

MESSAGE, TRACEBACK = 4000, 16_000  # characters of a failure that travel
PICKLE = 200_000  # bytes of an exception that do

CHANGED = "changed"
"""The kind of a failure for which the file is not the one that was planned."""
ENVIRONMENT = "environment"
"""The kind of one for which this worker cannot do what others can."""

_HERE = str(Path(__file__).parent)


class ChangedFileError(RuntimeError):
    """A file is not the one that was planned: it was written anew under its name."""


def chain(error: BaseException) -> list[BaseException]:
    """Return the exception and its causes, outermost first."""
    links: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in links:
        links.append(link)
        link = link.__cause__
    return links


def shortened(text: str, most: int = MESSAGE) -> str:
    """Return a text of at most about so many characters: its beginning and its end, and what is left out."""
    if len(text) <= most:
        return text
    half, left_out = most // 2, len(text) - most
    return f"{text[:half]}\n[... {left_out:,} characters are left out here ...]\n{text[-half:]}"


def text_of(error: BaseException) -> str:
    """Return what an exception says, whatever that does."""
    try:
        return shortened(_message(error))
    except Exception as other:
        return f"(its text cannot be made: {type(other).__name__})"


def describe(index: int | None, error: BaseException, kind: str | None = None) -> dict[str, Any]:
    """Describe an exception that item `index` of a batch raised.

    `signature` is the same for failures of one type at one place of the code.
    """
    links = chain(error)
    root = links[-1] if _lacks_package(links) else next(filter(_is_input_error, links), links[-1])
    name = type(root).__name__
    unusable = name == UnusableResultError.__name__  # nothing of the processor runs any longer
    own = [] if unusable else _below_machinery(traceback.extract_tb(root.__traceback__))
    text = text_of(root) if unusable else f"{name}: {text_of(root)}"
    # file names only: the directories are other ones on every worker
    place = "|".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in own[-5:])
    return {
        "index": index,
        "kind": "result" if unusable else kind or _kind(links),
        "type": name,
        "message": text_of(root),
        "traceback": shortened("".join(traceback.format_list(own)), TRACEBACK) + text,
        "signature": hashlib.sha1(
            f"{name}|{text if unusable else place}".encode(), usedforsecurity=False
        ).hexdigest()[:12],
    }


def _kind(links: Sequence[BaseException]) -> str:
    if any(map(_is_changed, links)):
        return CHANGED
    kind = blame.INPUT if any(map(_is_input_error, links)) else blame.kind_of(links)
    # no file is bad because a package that reads it is not there
    return ENVIRONMENT if kind == blame.INPUT and _lacks_package(links) else kind


def _lacks_package(links: Sequence[BaseException]) -> bool:
    return isinstance(links[-1], ImportError)


class _OfInput(type):
    """Takes for its instances the errors of the system, while one is handled that is about an input file."""

    def __instancecheck__(cls, one: object) -> bool:
        handled = sys.exc_info()[1]
        return isinstance(one, OSError) and handled is not None and blame.is_of_input(chain(handled))


class UnreadableError(Exception, metaclass=_OfInput):
    """What ``skipbadfiles=True`` of coffea's Runner skips: never a file that is good."""


def portable(error: BaseException) -> BaseException:
    """Return the exception if it survives pickling, else the nearest built-in one with its text."""
    import cloudpickle

    try:
        content = cloudpickle.dumps(error)
        restored = pickle.loads(content) if len(content) <= PICKLE else None
    except Exception:
        restored = None
    if isinstance(restored, BaseException):
        return error
    builtin = next(kind for kind in type(error).__mro__ if kind.__module__ == "builtins")
    try:
        substitute = builtin(f"{type(error).__name__}: {text_of(error)}")
    except Exception:
        substitute = None
    return substitute if isinstance(substitute, BaseException) else RuntimeError(text_of(error))


def _is_input_error(error: BaseException) -> bool:
    # by name: this code travels without wq_runner
    names = [(kind.__module__, kind.__name__) for kind in type(error).__mro__]
    return _is_changed(error) or ("wq_runner.errors", "InputError") in names


def _is_changed(error: BaseException) -> bool:
    # by name: what runs in a task may have this module twice
    return type(error).__name__ == ChangedFileError.__name__


def _message(error: BaseException) -> str:
    if isinstance(error, SystemExit) and not isinstance(error.code, str):
        return f"the processor called sys.exit({'' if error.code is None else error.code})"
    return str(error)


def _below_machinery(frames: traceback.StackSummary) -> list[traceback.FrameSummary]:
    """Return the frames below coffea's machinery and ours: the processor's own and what it called."""
    last = 0
    for depth, frame in enumerate(frames):
        inside = Path(frame.filename).parts[-3:-1] == ("coffea", "processor")
        if inside or frame.filename.startswith(_HERE):
            last = depth + 1
    return list(frames[last:]) or [frame for frame in frames if not frame.filename.startswith(_HERE)]
