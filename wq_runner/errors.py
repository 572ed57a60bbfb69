"""Every error that ends a run, and the exit code it ends with.

WqRunnerError               1
├── UsageError              2    the command line, and what fits none of the following
│   ├── OptionError         2    a value of an option, wherever it was set
│   ├── SamplesError        2    a samples file; all its problems at once
│   ├── SelectionError      2    nothing is what was chosen of the samples
│   ├── InputError          2    an input file cannot be read, and may not be skipped
│   ├── NoProcessorError    2    what is named as the processor is none, or is not there
│   ├── ExecutorSetupError  2    an executor is unknown here, or what sets it up makes none
│   ├── ExecutorArgumentError 2  an argument of our executor in somebody's own program
│   ├── WorkersError        2    workers are asked for in a way that makes none
│   ├── SiteError           2    a site is not known, or is described wrongly
│   ├── PackageListError    2    a list of packages makes no environment
│   ├── OutputError         2    the output directory cannot be used
│   ├── ExportError         2    batch jobs without a manager cannot be made, or joined
│   ├── RunDirectoryError   2    directories of runs cannot be used for what is asked of them
│   ├── DamagedResultError  2    what a directory holds is not what the run wrote
│   └── ReportError         2    what is asked of a report or its pictures is not there
├── PartialResultError      3    output written, part of the input is missing from it
├── WorkerEnvironmentError  4    the environment for the workers could not be built
├── EngineError             5    the engine could not start, or was lost for good
│   ├── NoWorkersError      5    no worker came in time
│   └── BatchSystemError    5    a batch system is not there, or takes no jobs
├── ProcessorError          6    code of the user's could not be imported, or failed
└── InterruptedRunError     130  Ctrl-C or SIGTERM

A message says what happened with which value; `hint` says what to do next. docs/errors.md has a section for
each kind, and `page` is its name: that of the class, unless the place that raises it says another.
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
    page: str = "bugs"

    def __init__(self, message: str, *, hint: str = "", page: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.page = page or self.page

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows: the message, which has the lines that matter, and none of ours."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(WqRunnerError):
    exit_code = 2
    page = "command-line"


class OptionError(UsageError):
    page = "options"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong with a file: `where` is ``file`` or ``file:line``."""

    where: str
    text: str


class SamplesError(UsageError):
    """Samples that cannot be understood, with every problem that was found."""

    page = "samples"

    def __init__(self, name: str, problems: Sequence[Problem], *, page: str = "") -> None:
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        width = max(len(problem.where) for problem in problems)
        lines = [f"  {problem.where:<{width}}   {problem.text}" for problem in problems]
        super().__init__("\n".join([f"{name} has {count}", *lines]), page=page)
        self.problems = tuple(problems)


class InputError(UsageError):
    page = "input-files"


class OutputError(UsageError):
    page = "output"


class SelectionError(UsageError):
    page = "choosing-datasets"


class NoProcessorError(UsageError):
    page = "processor-not-found"


class ExecutorSetupError(UsageError):
    page = "executors"


class ExecutorArgumentError(UsageError):
    page = "engine"


class WorkersError(UsageError):
    page = "workers"


class SiteError(UsageError):
    page = "sites"


class PackageListError(UsageError):
    page = "lists-of-packages"


class ExportError(UsageError):
    page = "exports"


class RunDirectoryError(UsageError):
    page = "merging"


class DamagedResultError(UsageError):
    page = "damaged-files"


class ReportError(UsageError):
    page = "reports"


class PartialResultError(WqRunnerError):
    exit_code = 3
    page = "partial-results"


class WorkerEnvironmentError(WqRunnerError):
    exit_code = 4
    page = "environment"


class EngineError(WqRunnerError):
    exit_code = 5
    page = "engine"


class NoWorkersError(EngineError):
    page = "no-workers"


class BatchSystemError(EngineError):
    page = "batch-systems"


class ProcessorError(WqRunnerError):
    exit_code = 6
    page = "processor"


class InterruptedRunError(WqRunnerError):
    exit_code = 130
    page = "interrupted"


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
