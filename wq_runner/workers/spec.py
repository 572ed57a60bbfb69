"""What ``--workers`` says, understood in one place."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wq_runner import units
from wq_runner.errors import UsageError, did_you_mean
from wq_runner.workers.local import LocalSpec

BATCH_SYSTEMS = ("condor", "slurm")
KINDS = ("local", *BATCH_SYSTEMS)

_FORM = re.compile(
    r"(?P<kind>\w+)(?:@(?P<site>[\w.-]+))?:(?P<count>\d+)"
    r"(?:x(?P<cores>\d+)(?:x(?P<memory>\w[\w.]*))?)?"
)
_HINT = (
    "local:4 starts 4 workers of one core here, local:2x4x8GB two of four cores with 8 GB each; "
    "condor:50, slurm:20x4x16GB and condor@SITE:50 start them by a factory"
)


@dataclass(frozen=True, kw_only=True)
class BatchSpec:
    """``condor:N``, ``slurm:NxCORESxMEMORY``, ``condor@SITE:N``; `memory` is in bytes."""

    system: str
    count: int
    cores: int | None = None
    memory: int | None = None
    site: str | None = None


def parse(text: str) -> LocalSpec | BatchSpec:
    """Return the workers that an option asks for.

    Raises
    ------
    UsageError
        If it is none of the forms.
    """
    match = _FORM.fullmatch(text.strip())
    if text.strip().startswith("local") or match is None:
        return _local(text)
    kind = match["kind"]
    if kind not in BATCH_SYSTEMS:
        raise UsageError(f"no workers {kind!r}.{did_you_mean(kind, KINDS)}", hint=_HINT)
    try:
        memory = units.size(match["memory"]) if match["memory"] else None
    except ValueError as error:
        raise UsageError(f"workers {text!r}: {error}", hint=_HINT) from error
    if int(match["count"]) < 1 or match["cores"] == "0":
        raise UsageError(f"workers {text!r} are none", hint=_HINT)
    return BatchSpec(
        system=kind,
        count=int(match["count"]),
        cores=int(match["cores"]) if match["cores"] else None,
        memory=memory,
        site=match["site"],
    )


def are_local(text: str | None) -> bool:
    """Say whether all workers of an option are on this machine."""
    return text is not None and (text.isdecimal() or isinstance(parse(text), LocalSpec))


def _local(text: str) -> LocalSpec:
    kind = re.split(r"[@:]", text.strip())[0]
    if kind not in KINDS:
        raise UsageError(f"workers {text!r} not understood.{did_you_mean(kind, KINDS)}", hint=_HINT)
    if kind != "local":
        raise UsageError(f"workers {text!r} not understood", hint=_HINT)
    return LocalSpec.parse(text)
