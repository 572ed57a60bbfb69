"""What the user asked a run to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from wq_runner import literals
from wq_runner.config.options import LIMITS, RunOptions
from wq_runner.execution.session import Session
from wq_runner.pipeline.commands import Typed
from wq_runner.pipeline.directory import default_directory
from wq_runner.pipeline.engines import Wanted
from wq_runner.pipeline.process import Analysis

SURVEY = "wq_runner.survey:Survey"


class Keeper(Protocol):
    """Whoever keeps a session from run to run."""

    def make_session(self, wanted: Wanted) -> Session: ...


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asked for. `origins` say where the value of each option came from.

    `analysis` is there if it was given in Python, and need not be imported by its name; a `keeper` keeps
    the session, which else ends with the run.
    """

    samples: Sequence[str]
    options: RunOptions
    origins: Mapping[str, str]
    command: Sequence[str]
    version: str
    analysis: Analysis | None = None
    keeper: Keeper | None = None

    @property
    def in_python(self) -> bool:
        """Whether it is a call of Python rather than a command."""
        return self.keeper is not None

    @property
    def typed(self) -> Typed:
        """The command as it was typed, of which others are made."""
        return Typed(
            words=self.command, options=vars(self.options), origins=self.origins, directory=Path.cwd()
        )

    @property
    def processor(self) -> str:
        return self.options.processor or SURVEY

    @property
    def arguments(self) -> Mapping[str, Any]:
        if self.analysis is not None:
            return {}  # what it was built with is in it
        return literals.merged(self.options.processor_args)

    @property
    def directory(self) -> Path:
        options = self.options
        limited = any(getattr(options, name) for name in LIMITS)
        part = "test" if options.test else "probe" if options.probe else "part" if limited else ""
        return options.output or default_directory(self.samples, part=part)

    @property
    def limits(self) -> dict[str, Any]:
        """How the plan is cut."""
        return {"chunksize": self.options.planned_chunksize, "limit_chunks": self.options.limit_chunks}
