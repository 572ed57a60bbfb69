"""Arguments of coffea 0.7's WorkQueueExecutor: which mean the same here, and what does the others' work.

https://coffea-hep.readthedocs.io/en/backports-v0.7.x/wq.html
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, get_args

from wq_runner import units
from wq_runner.errors import ExecutorArgumentError, did_you_mean
from wq_runner.model import ResourcesMode
from wq_runner.scheduler.allocation import AllocationSettings
from wq_runner.units import MB

_SUMS = "results are added up as they come, on workers first"
_SIZES = "chunks that do not fit are cut until they do"

ANSWERS: Mapping[str, str] = {
    "retries": "each cause of failure has its own number of attempts",
    "compression": "what travels is compressed as suits it",
    "treereduction": _SUMS,
    "chunks_per_accum": _SUMS,
    "chunks_accum_in_mem": _SUMS,
    "fast_terminate_workers": "a chunk that does nothing for ten minutes is ended and tried elsewhere, and "
    "hosts that only break things are left alone",
    "verbose": "a terminal or a notebook shows how it goes; `status=False` does not",
    "print_stdout": "what tasks print is logged by the logger wq_runner, at level INFO",
    "tasks_accum_log": "what each task did is in the ledger of `wq-run`; here, transactions_log has them",
    "wrapper": "workers need no program that unpacks their environment",
    "split_on_exhaustion": _SIZES,
    "dynamic_chunksize": _SIZES,
    "chunksize": "that of the Runner counts",
    "events_total": "it is known from the files",
    "status_display_interval": "it is shown as often as it changes",
    "bar_format": "a terminal or a notebook shows how it goes; `status=False` does not",
    "custom_init": "the queue lives in another process, and is not handed out",
}
"""What does it here, of each argument that is not used."""

_MODES: Mapping[Any, ResourcesMode] = {"max-seen": "auto"}  # coffea's word for what it calls auto as well
_MONITORS: Mapping[Any, str] = {True: "off", False: "off"}
_WATCHED = "tasks watch their memory by themselves; resource_monitor='watchdog' adds the engine's own monitor"


@dataclass(kw_only=True)
class Inherited:
    """Arguments that coffea 0.7's executor has besides ours; None is not given."""

    manager_name: str | None = None
    master_name: str | None = None
    environment_file: str | Path | None = None
    extra_input_files: str | Path | Sequence[str | Path] | None = None
    x509_proxy: str | Path | bool | None = None
    ssl: bool | tuple[str, str] | None = None
    debug_log: str | Path | None = None
    stats_log: str | Path | None = None
    transactions_log: str | Path | None = None
    filepath: str | Path | None = None
    cores: int | None = None
    memory: int | str | None = None
    disk: int | str | None = None
    gpus: int | None = None
    resources_mode: str | None = None
    resource_monitor: str | bool | None = None
    retries: int = 0
    treereduction: int | None = None
    chunks_per_accum: int | None = None
    chunks_accum_in_mem: int | None = None
    fast_terminate_workers: float | None = None
    verbose: bool | None = None
    print_stdout: bool | None = None
    tasks_accum_log: str | Path | None = None
    wrapper: str | None = None
    split_on_exhaustion: bool | None = None
    dynamic_chunksize: Mapping[str, Any] | None = None
    chunksize: int | None = None
    events_total: int | None = None
    status_display_interval: int | None = None
    bar_format: str | None = None
    custom_init: Callable[[Any], None] | None = None


@dataclass(frozen=True, kw_only=True)
class Understood:
    """What these arguments come to; `notes` say what does the work of those that are not used."""

    name: str | None
    environment: str
    extra_files: tuple[Path, ...]
    allocation: AllocationSettings
    monitor: str
    tls: bool
    notes: tuple[str, ...]


def understood(
    given: Inherited,
    *,
    name: str | None = None,
    environment: str = "auto",
    extra_files: str | Path | Sequence[str | Path] = (),
    compression: int | None = 1,
) -> Understood:
    """Return what is meant, together with what was said by our own names.

    Raises
    ------
    UsageError
        If the same is said twice and differs, or a value cannot be understood.
    """
    named = {"name": name, "manager_name": given.manager_name, "master_name": given.master_name}
    file = str(given.environment_file) if given.environment_file else None
    places = {"environment": environment if environment != "auto" else None, "environment_file": file}
    mode = _one_of(given.resources_mode, "resources_mode", _MODES, get_args(ResourcesMode)) or "auto"
    files = (*several(extra_files), *several(given.extra_input_files))
    monitor = _one_of(given.resource_monitor, "resource_monitor", _MONITORS, ("off", "measure", "watchdog"))
    return Understood(
        name=_agreed(named),
        environment=_agreed(places) or "auto",
        extra_files=tuple(dict.fromkeys(map(Path, files))),
        allocation=AllocationSettings(
            mode=mode,  # type: ignore[arg-type] # it is one of them
            cores=_whole(given.cores, "cores") or 1,
            memory=_megabytes(given.memory, "memory"),
            disk=_megabytes(given.disk, "disk"),
            gpus=_whole(given.gpus, "gpus"),
        ),
        monitor=monitor or "off",
        tls=bool(given.ssl),
        notes=tuple(_notes(given, compression)),
    )


def several(value: Any) -> Sequence[Any]:
    """Return what is one or a list of them as a list: a name alone is no list of its letters."""
    if value is None or value == "":
        return ()
    return (value,) if isinstance(value, str | Path) else tuple(value)


def ports(value: int | str | Sequence[int] | None, default: tuple[int, int]) -> tuple[int, int]:
    """Return the lowest and the highest port to try: of one, of a pair, a list of one or two, or "LOW-HIGH".

    Raises
    ------
    UsageError
        If it is none of these.
    """
    if value is None:
        return default
    try:
        if isinstance(value, str):
            return units.ports(value)
        numbers = list(value) if isinstance(value, Iterable) else [value]
        return units.ports("-".join(str(int(one)) for one in (numbers[0], numbers[-1])))
    except (ValueError, IndexError, TypeError) as error:
        raise ExecutorArgumentError(
            f"port={value!r} is not a port, or the lowest and the highest to try"
        ) from error


def _agreed(said: Mapping[str, str | None]) -> str | None:
    """Return what was said under several names, of which one is enough."""
    values = {name: value for name, value in said.items() if value}
    if len(set(values.values())) > 1:
        both = " and ".join(f"{name}={value!r}" for name, value in values.items())
        raise ExecutorArgumentError(f"{both} say two things", hint="leave one of them out")
    return next(iter(values.values()), None)


def _one_of(value: Any, name: str, same: Mapping[Any, str], known: Sequence[str]) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):  # their `True` is no number
        return same[value] if value in same else _unknown(value, name, same, known)
    word = value.strip().lower().replace("_", "-").replace(" ", "-")
    written = {str(one).lower(): meant for one, meant in same.items()}
    return word if word in known else written.get(word) or _unknown(value, name, same, known)


def _unknown(value: Any, name: str, same: Mapping[Any, str], known: Sequence[str]) -> NoReturn:
    raise ExecutorArgumentError(
        f"{name}={value!r} is not known.{did_you_mean(str(value), known)}",
        hint=f"known: {', '.join((*known, *(one for one in same if isinstance(one, str))))}",
    )


def _whole(value: float | str | None, name: str) -> int | None:
    if not value:
        return None
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if number < 1 or number != int(number):
        raise ExecutorArgumentError(
            f"{name}={value!r} is not a number of them", hint=f"write {name}=1, or leave it out"
        )
    return int(number)


def _megabytes(value: float | str | None, name: str) -> float | None:
    """Return what a task asks for, of which a number is the engine's own already."""
    if not value:
        return None
    if not isinstance(value, str):
        if name == "memory" and value < units.LEAST_MEMORY / MB:
            raise ExecutorArgumentError(
                f"memory={value!r} is MB, less than Python needs", hint=f'write memory="{value:g}GB"'
            )
        return float(value)
    try:
        return units.size(value) / MB
    except ValueError as error:
        raise ExecutorArgumentError(f"{name}={value!r}: {error}") from error


def _notes(given: Inherited, compression: int | None) -> list[str]:
    """Say what does the work of what was given and is not used; what asks for nothing needs no word."""
    asked = {one.name: getattr(given, one.name) for one in dataclasses.fields(Inherited)}
    asked["compression"] = compression if compression != 1 else None  # coffea's default
    notes = [
        f"{name}={value!r} is not used: {ANSWERS[name]}"
        for name, value in asked.items()
        if name in ANSWERS and value not in (None, False, 0)
    ]
    if given.resource_monitor is True:
        notes.append(f"resource_monitor=True is not used: {_WATCHED}")
    if isinstance(given.ssl, tuple | list):
        notes.append("the files of `ssl` are not used: the queue is encrypted with a certificate of its own")
    return notes
