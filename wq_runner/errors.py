"""Every error that ends a run, and the exit code it ends with.

WqRunnerError            1
├── UsageError           2   the command line, an option, a settings file
│   ├── SamplesError     2   a samples file; all its problems at once
│   ├── InputError       2   an input file cannot be read, and may not be skipped
│   └── OutputError      2   the output directory cannot be used
├── PartialResultError   3   output written, part of the input is missing from it
├── WorkerEnvironmentError 4 the environment for the workers could not be built
├── EngineError          5   the engine could not start, or was lost for good
│   └── NoWorkersError   5   no worker came in time
├── ProcessorError       6   the processor could not be imported, or failed
└── InterruptedRunError  130 Ctrl-C or SIGTERM

A message says what happened with which value; `hint` says what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar


class WqRunnerError(RuntimeError):
    """An error that is shown to the user without a traceback.

    A RuntimeError, because coffea swallows OSError when bad files are skipped.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(WqRunnerError):
    exit_code = 2


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong with a file: `where` is ``file`` or ``file:line``."""

    where: str
    text: str


class SamplesError(UsageError):
    """Samples that cannot be understood, with every problem that was found."""

    def __init__(self, name: str, problems: Sequence[Problem]) -> None:
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        width = max(len(problem.where) for problem in problems)
        lines = [f"  {problem.where:<{width}}   {problem.text}" for problem in problems]
        super().__init__("\n".join([f"{name} has {count}", *lines]))
        self.problems = tuple(problems)


class InputError(UsageError):
    pass


class OutputError(UsageError):
    pass


class PartialResultError(WqRunnerError):
    exit_code = 3


class WorkerEnvironmentError(WqRunnerError):
    exit_code = 4


class EngineError(WqRunnerError):
    exit_code = 5


class NoWorkersError(EngineError):
    pass


class ProcessorError(WqRunnerError):
    exit_code = 6


class InterruptedRunError(WqRunnerError):
    exit_code = 130


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like `name`, or None if none is alike. The start of a name is alike.

    Of a pattern that ends with ``*``, only the start is compared.
    """
    names = list(known)
    core = name.strip("*?")
    if core != name:
        begins = {one[: len(core) + 1]: one for one in reversed(names)}
        alike = difflib.get_close_matches(core, begins, n=1, cutoff=0.6)
        return begins[alike[0]] if alike else None
    begun = [one for one in names if len(name) > 2 and one.startswith(name)]
    if begun:
        return min(begun, key=len)
    matches = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return matches[0] if matches else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean X?``, or an empty text when nothing is alike."""
    match = nearest(name, known)
    return f" Did you mean {match}?" if match else ""
