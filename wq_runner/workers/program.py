"""What the worker's program here says of itself, or its loader of it."""

from __future__ import annotations

from wq_runner import system
from wq_runner.errors import EngineError
from wq_runner.workers.local import find_program


def told(path: str) -> str:
    """Return what it says of its release.

    Raises
    ------
    EngineError
        If it does not start, with what was said instead: of a library that is missing, mostly.
    """
    try:
        return system.run([path, "--version"])
    except system.CommandError as error:
        said = " ".join(error.output.split()).removeprefix(f"{path}: ")
        raise EngineError(
            f"{path} does not start: {said or f'exit code {error.code}'}", page="workers"
        ) from error
    except OSError as error:
        raise EngineError(f"{path} does not start: {error.strerror}", page="workers") from error


def release() -> str | None:
    """Return the release of the worker that would be started here, None if none would start."""
    try:
        words = told(find_program()).split()
    except EngineError:
        return None
    return words[2] if len(words) > 2 else None


def problem() -> str:
    """Return why no worker would start here; empty if one would."""
    try:
        told(find_program())
    except EngineError as error:
        return error.message
    return ""
