"""Where the code that runs on workers comes from."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class WorkerEnvironment:
    """How workers start Python, and where it finds the analysis.

    `command` is a shell fragment that stands for ``python``; `paths` come first in ``sys.path``;
    `description` and `reason` say to people what it is and why it was chosen.
    """

    command: str
    paths: tuple[str, ...]
    description: str
    reason: str


def shared(reason: str) -> WorkerEnvironment:
    """Return this very interpreter, for workers that see the same file system."""
    own = [str(Path(entry).absolute()) for entry in sys.path]
    return WorkerEnvironment(
        command=shlex.quote(sys.executable),
        paths=tuple(entry for entry in own if not entry.startswith((sys.prefix, sys.base_prefix))),
        description=f"shared, {sys.executable}",
        reason=reason,
    )
