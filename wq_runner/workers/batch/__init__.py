"""Batch systems: each is one value, and a new one is a module beside these and a name in this list."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from wq_runner.workers.batch.batch_system import BatchSystem
from wq_runner.workers.batch.condor import CONDOR
from wq_runner.workers.batch.slurm import SLURM

SYSTEMS: Mapping[str, BatchSystem] = {one.name: one for one in (CONDOR, SLURM)}
"""By their names; the first is meant where somebody names none."""

USUAL = next(iter(SYSTEMS))
NAMES = "|".join(SYSTEMS)

QUEUES = ", ".join(f"{one.title}'s {one.queue_word}" for one in SYSTEMS.values())
OPTIONS = ", or ".join(one.options_word for one in SYSTEMS.values())
"""What `--queue` and `--batch-options` are, in a sentence."""

SCRATCH = functools.reduce(
    lambda rest, one: f"${{{one.scratch_variable}:-{rest}}}",
    reversed(list(SYSTEMS.values())),
    "${TMPDIR:-/tmp}",
)
"""The scratch directory of a job, for a shell, whichever batch system runs it."""


def several(pattern: str) -> str:
    """Return a pattern with ``{}`` for each of them, as in a sentence: ``condor:4 or slurm:4``."""
    return " or ".join(pattern.format(name) for name in SYSTEMS)
