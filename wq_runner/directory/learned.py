"""What chunks of earlier runs took, by the name of their processor: kept beside what is known of files.

It is a guess for the first chunks of the next run. So nothing here raises, and nobody waits for another.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from wq_runner import checksums, system
from wq_runner.checksums import DamagedRecordError
from wq_runner.scheduler.prior import NOTHING, Prior

log = logging.getLogger(__name__)

MOST = 200  # processors that are remembered, the newest ones
_PROCESSORS = "processors"


def recall(path: Path, processor: str) -> Prior:
    """Return what is remembered of a processor."""
    try:
        found = _read(path).get(processor)
        return NOTHING if found is None else _prior(found)
    except (LookupError, TypeError, ValueError, AttributeError):
        return NOTHING  # of another version


def remember(path: Path, processor: str, took: Prior) -> None:
    """Remember what the chunks of a run took, in place of what was known of its processor."""
    if not took.memory:
        return
    try:
        found = _read(path)
        found.pop(processor, None)
        found[processor] = {"memory": took.memory, "pace": took.pace}
        kept = dict(list(found.items())[-MOST:])
        system.make_private(path.parent)
        checksums.write_json(path, {_PROCESSORS: kept})
    except OSError as error:
        log.info("what chunks took is not remembered: %s", error)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = checksums.read_json(path).get(_PROCESSORS)
    except (OSError, DamagedRecordError):
        return {}
    return found if isinstance(found, dict) else {}


def _prior(found: Any) -> Prior:
    memory = tuple((int(events), float(peak)) for events, peak in found["memory"])
    pace = None if found["pace"] is None else float(found["pace"])
    if any(events <= 0 or peak <= 0 for events, peak in memory) or (pace is not None and pace <= 0):
        return NOTHING
    return Prior(memory=memory, pace=pace)
