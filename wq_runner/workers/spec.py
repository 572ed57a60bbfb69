"""The grammar of ``--workers``: read once, into a value that says which workers are wanted."""

from __future__ import annotations

import numbers
import os
import re
from dataclasses import dataclass, replace
from typing import Any

from wq_runner import units
from wq_runner.errors import WorkersError, did_you_mean
from wq_runner.workers.batch import SYSTEMS
from wq_runner.workers.local import LocalSpec

LOCAL = "local"
KINDS = (LOCAL, *SYSTEMS)

_NAME = re.compile(r"(?P<kind>[\w.-]+)(?:@(?P<site>[\w.-]+))?")
_NUMBERS = re.compile(
    r"(?P<count>\d+)(?:x(?=.)(?P<cores>\d*)(?:x(?=.)(?P<memory>[^\Wx][^x]*|)(?:x(?P<disk>\w[^x]*))?)?)?"
)
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

    def __str__(self) -> str:
        return str(
            Form(
                kind=self.system,
                site=self.site or "",
                count=self.count,
                cores=self.cores,
                memory=self.memory,
                disk=self.disk,
            )
        )


Wanted = LocalSpec | BatchSpec


@dataclass(frozen=True, kw_only=True)
class Form:
    """``KIND[@SITE][:COUNT[xCORES[xMEMORY[xDISK]]]]``, or the numbers alone; sizes are in bytes.

    KIND is ``local``, a batch system, or the name of a site.
    """

    kind: str = ""
    site: str = ""
    count: int | None = None
    cores: int | None = None
    memory: int | None = None
    disk: int | None = None

    def __str__(self) -> str:
        name = f"{self.kind}@{self.site}" if self.site else self.kind
        sizes = (units.exact_size(one) if one else "" for one in (self.memory, self.disk))
        numbers = "x".join((str(self.count), str(self.cores or ""), *sizes)).rstrip("x")
        return name if self.count is None else f"{name}:{numbers}".lstrip(":")

    def filled(
        self,
        *,
        count: int | None = None,
        cores: int | None = None,
        memory: int | None = None,
        disk: int | None = None,
    ) -> Form:
        """Return it with what is said of the workers by other options; what the form says wins.

        >>> str(read("condor@lxplus").filled(count=400, memory=6 * 2**30))
        'condor@lxplus:400xx6GB'
        """
        count = count if self.count is None else self.count
        if count is None:
            return self  # `meant` asks for it
        return replace(
            self,
            count=count,
            cores=self.cores or cores,
            memory=self.memory or memory,
            disk=self.disk or disk,
        )


def read(text: str) -> Form:
    """Return what a text says.

    Raises
    ------
    UsageError
        If it is none of the forms.
    """
    text = text.strip()
    alone = text[:1].isdecimal() and ":" not in text
    name, colon, numbers = ("", ":", text) if alone else text.partition(":")
    named, sized = _NAME.fullmatch(name), _NUMBERS.fullmatch(numbers)
    if not (named or alone) or (colon and not sized):
        kind = re.split(r"[@:]", text)[0]
        raise WorkersError(f"--workers {text!r} is not understood.{did_you_mean(kind, KINDS)}", hint=_HINT)
    form = Form(kind=named["kind"], site=named["site"] or "") if named else Form()
    if sized is None:
        return form
    try:
        memory = units.worker_memory(sized["memory"]) if sized["memory"] else None
        disk = units.worker_size(sized["disk"]) if sized["disk"] else None
    except ValueError as error:
        raise WorkersError(f"--workers {text!r}: {error}", hint=_HINT) from error
    count, cores = int(sized["count"]), int(sized["cores"]) if sized["cores"] else None
    if count < 1 or cores == 0:
        raise WorkersError(
            f"--workers {text!r} asks for no {'workers' if count < 1 else 'cores'}: at least 1 is needed",
            hint=_HINT,
        )
    return replace(form, count=count, cores=cores, memory=memory, disk=disk)


def meant(form: Form) -> Wanted:
    """Return the workers that a form asks for: numbers alone are workers on this machine.

    Raises
    ------
    UsageError
        If it does not say how many, or names nothing that starts workers.
    """
    sizes = {"memory": form.memory, "disk": form.disk}
    if form.kind in {"", LOCAL} and not form.site:
        return LocalSpec(count=form.count or os.cpu_count() or 1, cores=form.cores or 1, **sizes)
    system, site = form.kind, form.site or None
    if system not in SYSTEMS:
        from wq_runner.workers import sites

        known = sites.known()
        if system not in known or site:
            raise WorkersError(
                f"no workers {system!r}.{did_you_mean(system, (*KINDS, *known))}",
                hint=_HINT,
            )
        system, site = known[system].system, system
    if form.count is None:
        raise WorkersError(f"how many workers of {form}?", hint=f"--scaleout N, or --workers {form}:N")
    return BatchSpec(system=system, count=form.count, cores=form.cores, site=site, **sizes)


def parse(text: str) -> Wanted:
    """Return the workers that a text asks for.

    Raises
    ------
    UsageError
        If it cannot be understood.
    """
    return meant(read(text))


def judge(text: str) -> None:
    """Look whether a text names workers at all, whoever is to start them, and however many.

    Raises
    ------
    UsageError
        If it does not.
    """
    form = read(text)
    meant(form if form.count else replace(form, count=1))


def processes(form: Form | None) -> LocalSpec:
    """Return how many processes to start on this machine: as many as it has cores if nothing is said.

    Raises
    ------
    UsageError
        If the form asks for something else.
    """
    wanted = meant(form) if form else LocalSpec(count=os.cpu_count() or 1)
    if not isinstance(wanted, LocalSpec):
        raise WorkersError(
            f"--workers {form}: this executor has processes of this machine only",
            hint="--workers 4 starts four; -e work_queue starts workers by a batch system",
        )
    return wanted


def at_site(name: str, form: Form | None) -> Form:
    """Return ``SYSTEM@SITE:N`` of numbers alone.

    Raises
    ------
    UsageError
        If there is no such site, or if it is not said how many.
    """
    from wq_runner.workers import sites

    system = sites.find(name).system
    if form is None or form.kind or form.count is None:
        said = f" --workers {form} does not say it" if form else ""
        raise WorkersError(
            f"how many workers to start at {name}?{said}",
            hint="--workers 20, or 20x4x8GB for 4 cores and 8 GB each",
        )
    return replace(form, kind=system, site=name)


def of_python(workers: Any) -> Form | None:
    """Return the form that a call names: a number alone is one of workers on this machine.

    Raises
    ------
    UsageError
        If it is none of the forms, or asks for no workers.
    """
    if workers is None or isinstance(workers, bool):
        return Form(kind=LOCAL) if workers else None
    if isinstance(workers, numbers.Real):
        if workers < 1:  # "-1" would be a name
            raise WorkersError(f"workers={workers} asks for no workers: at least 1 is needed", hint=_HINT)
        workers = f"{float(workers):g}"
    form = read(str(workers))
    return form if form.kind else replace(form, kind=LOCAL)
