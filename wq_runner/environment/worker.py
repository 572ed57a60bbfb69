"""What the engine needs to know of an environment: how a worker starts Python, and which files it gets."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wq_runner.environment.store import Lease


@dataclass(frozen=True, kw_only=True)
class WorkerEnvironment:
    """How workers start Python, and where it finds the analysis.

    `command` is a shell fragment that stands for ``python``; `inputs` are files that go with every task, as
    pairs of a path here and a name in the task's directory, and stay in the cache of workers; `paths` come
    first in ``sys.path``; `description` and `reason` say to people what it is and why it was chosen.
    """

    command: str
    paths: tuple[str, ...] = ()
    inputs: tuple[tuple[Path, str], ...] = ()
    description: str
    reason: str
    mode: str = "shared"
    base: str = ""
    """The key of the base layer; empty where none is shipped."""
    overlay: str = ""
    """The key of the overlay; empty where none is shipped."""
    sources: Sequence[Mapping[str, Any]] = ()
    """The repositories that the overlay was made from, with their commits."""
    shipped: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The file here of each that is in the overlay, by its path there."""
    notes: tuple[str, ...] = ()
    """What else people should know, as a warning that it deserves."""
    lease: Lease | None = field(default=None, repr=False, compare=False)

    def as_json(self) -> dict[str, Any]:
        """Return what `run.json` says of it."""
        return {
            "mode": self.mode,
            "description": self.description,
            "reason": self.reason,
            "base": self.base,
            "overlay": self.overlay,
            "sources": list(self.sources),
            "notes": list(self.notes),
        }


def shared(reason: str) -> WorkerEnvironment:
    """Return this very interpreter, for workers that see the same file system."""
    own = [str(Path(entry).absolute()) for entry in sys.path]
    return WorkerEnvironment(
        command=shlex.quote(sys.executable),
        paths=tuple(entry for entry in own if not entry.startswith((sys.prefix, sys.base_prefix))),
        description=f"shared, {sys.executable}",
        reason=reason,
    )
