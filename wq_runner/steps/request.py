"""What the user asked a run to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from wq_runner.coffea_adapter.runner import Analysis
from wq_runner.config.commands import Typed
from wq_runner.config.settings import RunSettings
from wq_runner.directory.opening import default_directory
from wq_runner.executors.sessions import Wanted
from wq_runner.scheduler.session import Session


class Keeper(Protocol):
    """Whoever keeps a session from run to run."""

    def make_session(self, wanted: Wanted) -> Session: ...


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asked for: what each room is told of it, and what is on record.

    `options` are on record, with their names, and `origins` say where the value of each came from.
    `analysis` is there if it was given in Python, and need not be imported by its name; a `keeper` keeps
    the session, which else ends with the run.
    """

    samples: Sequence[str]
    settings: RunSettings
    options: Mapping[str, Any]
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
        return Typed(words=self.command, options=self.options, origins=self.origins, directory=Path.cwd())

    @property
    def processors(self) -> Mapping[str, str]:
        """The processors by their names, as they were named; one that has none has the empty name."""
        return self.settings.analysis.processors

    @property
    def arguments(self) -> Mapping[str, Any]:
        if self.analysis is not None:
            return {}  # what it was built with is in it
        return self.settings.analysis.arguments

    @property
    def directory(self) -> Path:
        output = self.settings.output
        return output.directory or default_directory(self.samples, part=output.part)
