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
    r"(?P<kind>[\w.-]+)(?:@(?P<site>[\w.-]+))?:(?P<count>\d+)"
    r"(?:x(?=.)(?P<cores>\d*)(?:x(?=.)(?P<memory>[^\Wx][^x]*|)(?:x(?P<disk>\w[^x]*))?)?)?"
)
_KIND = re.compile(r"[\w.-]+(?:@[\w.-]+)?")
_HINT = (
    "local:4 starts 4 workers of one core here, local:2x4x8GB two of four cores with 8 GB each; "
    "condor:50, slurm:20x4x16GB and condor@SITE:50, or just SITE:50, start them by a factory"
)


@dataclass(frozen=True, kw_only=True)
class BatchSpec:
    """``condor:N``, ``slurm:NxCORESxMEMORYxDISK``, ``condor@SITE:N``, ``SITE:N``; sizes are in bytes.

    What is left out is as usual at the site: ``condor@SITE:50xx6GB``.
    """

    system: str
    count: int
    cores: int | None = None
    memory: int | None = None
    disk: int | None = None
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
    kind, site = match["kind"], match["site"]
    if kind not in BATCH_SYSTEMS:
        from wq_runner.workers import sites

        known = sites.known()
        if kind not in known or site:
            raise UsageError(f"no workers {kind!r}.{did_you_mean(kind, (*KINDS, *known))}", hint=_HINT)
        kind, site = known[kind].system, kind
    try:
        memory = units.worker_memory(match["memory"]) if match["memory"] else None
        disk = units.worker_size(match["disk"]) if match["disk"] else None
    except ValueError as error:
        raise UsageError(f"workers {text!r}: {error}", hint=_HINT) from error
    if int(match["count"]) < 1 or match["cores"] == "0":
        raise UsageError(f"workers {text!r} are none", hint=_HINT)
    return BatchSpec(
        system=kind,
        count=int(match["count"]),
        cores=int(match["cores"]) if match["cores"] else None,
        memory=memory,
        disk=disk,
        site=site,
    )


def completed(
    text: str | None,
    *,
    count: int | None = None,
    cores: int | None = None,
    memory: int | None = None,
    disk: int | None = None,
) -> str | None:
    """Return a form with what is said of the workers by itself; what the form says wins. Sizes are in bytes.

    >>> completed("condor@lxplus", count=400, memory=6_000_000_000)
    'condor@lxplus:400xx6000000000B'
    """
    said = (cores, memory, disk)
    if count is None and (text is None or said == (None, None, None)):
        return text
    kind, _, rest = (text or "local").partition(":")
    if not _KIND.fullmatch(kind) or (rest and not rest[0].isdecimal()):
        return text  # not understood: parse() says so
    numbers = rest.split("x") if rest else ([str(count)] if count else [])
    if not numbers:
        return text
    wanted = (str(cores or ""), f"{memory}B" if memory else "", f"{disk}B" if disk else "")
    filled = [*numbers, *wanted[len(numbers) - 1 :]]
    return f"{kind}:{'x'.join(filled).rstrip('x')}"


def of_python(workers: str | int | None) -> str | None:
    """Return the form that a call names: a number alone is one of workers on this machine."""
    if workers is None or isinstance(workers, bool):
        return "local" if workers else None
    text = str(workers).strip()
    return f"local:{text}" if text[:1].isdecimal() else text


def are_local(text: str | None) -> bool:
    """Say whether all workers of an option are on this machine."""
    return text is not None and (text.isdecimal() or isinstance(parse(text), LocalSpec))


def _local(text: str) -> LocalSpec:
    kind = re.split(r"[@:]", text.strip())[0]
    if kind not in KINDS:
        raise UsageError(f"workers {text!r} not understood.{did_you_mean(kind, KINDS)}", hint=_HINT)
    if kind != "local" and ":" not in text:
        raise UsageError(f"how many workers of {text}?", hint=f"--scaleout N, or --workers {text}:N")
    if kind != "local":
        raise UsageError(f"workers {text!r} not understood", hint=_HINT)
    return LocalSpec.parse(text)
