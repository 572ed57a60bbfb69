"""How files are to be read: options of uproot, how long a request may take, what is read ahead."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from wq_runner.errors import InputError, UsageError, did_you_mean
from wq_runner.model import Fileset, InputFile
from wq_runner.remote.opening import HANDLERS, Reading
from wq_runner.samples import content
from wq_runner.scheduler.phase import LoopSettings
from wq_runner.scheduler.read_columns import ReadSettings

_LOOKS = 5  # files, of as many datasets, that are opened to look for names
_TIMEOUT = "timeout"


def preloaded(fileset: Fileset, reads: ReadSettings) -> Fileset:
    """Return the datasets with the columns that are preloaded: those of the samples, unless an option says.

    Raises
    ------
    UsageError
        If there are parquet files, of which nothing can be preloaded.
    """
    if reads.reading.learning:
        return fileset
    named = reads.columns or None
    others = (file.path for dataset in fileset for file in dataset.files)
    if named and (path := next((one for one in others if content.kind(one) == content.PARQUET), None)):
        raise UsageError(
            f"--preload {','.join(named)}: {path} is a parquet file, and only columns of ROOT files are "
            "preloaded",
            hint="leave --preload out",
        )
    return tuple(dataclasses.replace(dataset, preload=named) for dataset in fileset)


def with_names(settings: LoopSettings, fileset: Fileset) -> LoopSettings:
    """Return the settings with the columns that datasets preload."""
    named = {dataset.plain: frozenset(dataset.preload) for dataset in fileset if dataset.preload is not None}
    return dataclasses.replace(settings, reads=dataclasses.replace(settings.reads, named=named))


def check(fileset: Fileset, reads: ReadSettings) -> None:
    """Find out whether uproot has such options, and the files such columns.

    Raises
    ------
    UsageError
        If not, as far as that can be told from here.
    """
    _check_options(reads.reading.options)
    if reads.columns:
        _check_names(reads.columns, _known_columns(fileset, reads.columns, reads.reading))


# -- options of uproot


def _check_options(given: Mapping[str, Any]) -> None:
    if not given:
        return
    import uproot

    ours = set(inspect.signature(uproot.open).parameters) - {"options"}
    known = sorted({*uproot.open.defaults, *HANDLERS, _TIMEOUT})
    for name, value in given.items():
        if name in ours:
            raise UsageError(f"--uproot-option {name}: wq-run has its own, which every run needs")
        # others are for the file system, which uproot hands them to
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
        if _TIMEOUT in {name, *close}:
            raise UsageError(f"--uproot-option {name}: use --read-timeout for how long a server may take")
        if name not in known and close:
            raise UsageError(f"--uproot-option {name}: uproot.open has no such option; nearest: {close[0]}")
        if name in HANDLERS:
            _check_handler(name, value)


def _check_handler(name: str, value: Any) -> None:
    import uproot

    def is_source(one: Any) -> bool:
        return isinstance(one, type) and issubclass(one, uproot.source.chunk.Source)

    if not isinstance(value, str) or not is_source(getattr(uproot, value, None)):
        known = sorted(one for one in dir(uproot) if is_source(getattr(uproot, one)))
        raise UsageError(
            f"--uproot-option {name}={value}: uproot has no such class to read files by."
            f"{did_you_mean(str(value), known)} Known: {', '.join(known)}"
        )


# -- names of columns


def _check_names(wanted: Iterable[str], looked: tuple[Collection[str], InputFile] | None) -> None:
    if looked is None:
        return  # nothing opens here, and a worker reads as ever what is not there
    known, file = looked
    if missing := [one for one in wanted if one not in known]:
        raise UsageError(
            f"--preload {missing[0]}: no column of this name in {file.path}, tree {file.treename}."
            f"{did_you_mean(missing[0], sorted(known))}",
            hint="columns have the names of the file, such as Muon_pt; without --preload, they are learned "
            "from the first chunks",
        )


def _known_columns(
    fileset: Fileset, wanted: Collection[str], reading: Reading
) -> tuple[Collection[str], InputFile] | None:
    """Return the columns of the datasets until all are found, and the file that was opened first.

    Simulated events have columns that data have not: so each name has to be somewhere.
    """
    found: set[str] = set()
    first: InputFile | None = None
    for file in _firsts(fileset):
        try:
            found |= _columns(file, reading)
        except (InputError, OSError, ValueError, KeyError):
            continue
        first = first or file
        if found.issuperset(wanted):
            break
    return (found, first) if first is not None else None


def _firsts(fileset: Fileset) -> Iterator[InputFile]:
    files = [dataset.files[0] for dataset in fileset if dataset.files]
    yield from files[:_LOOKS]


def _columns(file: InputFile, reading: Reading) -> set[str]:
    import uproot

    options = {_TIMEOUT: round(reading.timeout or 30), **reading.options_for(file.path)}
    with uproot.open({file.path: None}, **options) as root:
        tree = root[file.treename]
        return {*tree.keys(full_paths=True), *tree.keys(full_paths=False)}
