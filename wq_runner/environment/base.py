"""The base layer: an environment as it is installed, packed under the key of what is in it."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wq_runner import names
from wq_runner.environment import packing, seals, smoke
from wq_runner.environment.choice import ARCHIVES
from wq_runner.environment.editables import Editable, find_editables
from wq_runner.environment.spec import Installed, Kind, inspect, kind_of
from wq_runner.environment.store import Layer, Store, Stored
from wq_runner.environment.trees import digest
from wq_runner.errors import UsageError, WorkerEnvironmentError

ARCHIVE = "base.tar.gz"


@dataclass(frozen=True, kw_only=True)
class Base:
    """A packed environment. `built` if just now; `hint` says what else a worker has to have for it."""

    key: str
    archive: Path
    stored: Stored
    built: bool = False
    hint: str = ""

    @property
    def suffix(self) -> str:
        return suffix_of(self.archive)

    @property
    def size(self) -> int:
        return self.archive.stat().st_size


def active_prefix() -> Path:
    """Return the environment that this Python belongs to."""
    return Path(sys.prefix)


def look(prefix: Path, store: Store, editables: tuple[Editable, ...] | None = None) -> Installed:
    """Say what is installed at `prefix`, apart from editable packages.

    Raises
    ------
    WorkerEnvironmentError
        If it is neither a conda environment nor a virtual one.
    """
    kind = kind_of(prefix)
    if kind is None:
        raise WorkerEnvironmentError(
            f"{prefix} is neither a conda environment nor a virtual one, so it cannot be packed",
            hint="activate the one to ship, or name it, or a list of what is in it: --environment SPEC.yml",
        )
    if editables is None:
        editables = find_editables(prefix)
    metadata = [editable.metadata for editable in editables if editable.metadata]
    name = names.file_name(str(prefix.resolve()))
    try:
        return inspect(prefix, kind, leave_out=metadata, cache=store.packages / f"{name}.json")
    except (ValueError, KeyError) as error:
        raise WorkerEnvironmentError(f"the metadata of {prefix} is damaged: {error}") from error
    except OSError as error:
        # a cache that cannot be written is no reason not to look
        if error.filename and Path(error.filename).is_relative_to(store.root):
            return inspect(prefix, kind, leave_out=metadata)
        raise


def pack(
    installed: Installed,
    store: Store,
    *,
    editables: tuple[Editable, ...] | None = None,
    progress: packing.Progress = packing.quiet,
    origin: str = "",
    on_build: Callable[[str], None] = packing.quiet,
) -> Base:
    """Return the base layer of an environment; packed and tried out if it is not in the store.

    Raises
    ------
    WorkerEnvironmentError
        If it cannot be packed, or does not work when it is unpacked.
    """
    if editables is None:
        editables = find_editables(installed.prefix)
    without = [path for editable in editables for path in editable.files]
    hint = venv_hint(installed)

    def make(place: Path) -> Mapping[str, Any]:
        on_build(f"packing {installed.prefix}")
        archive = place / ARCHIVE
        packing.pack(
            installed.prefix, installed.kind, archive, leave_out=without, progress=progress, say=on_build
        )
        on_build("unpacking and testing it")
        unpacked = smoke.try_base(archive, installed.key, store, hint=hint)
        return {
            "kind": installed.kind.value,
            "prefix": str(installed.prefix),
            "origin": origin or str(installed.prefix),
            "base_python": installed.base_python,
            "unpacked": unpacked,
            "cksum": seals.worker_sum(archive),
            "packages": [dataclasses.asdict(package) for package in installed.packages],
        }

    stored, built = store.build(Layer.BASE, installed.key, make)
    return Base(
        key=installed.key,
        archive=stored.path / ARCHIVE,
        stored=stored,
        built=built,
        hint=hint,
    )


def from_tarball(archive: Path, store: Store, *, on_build: Callable[[str], None] = packing.quiet) -> Base:
    """Take an environment that somebody else packed; its key is the digest of the file.

    Raises
    ------
    UsageError
        If it is no archive that a worker could unpack.
    WorkerEnvironmentError
        If it does not work.
    """
    archive = archive.resolve()
    suffix = suffix_of(archive)
    key = f"{archive.name.removesuffix(suffix)}-{digest(archive)[:12]}"

    def make(_: Path) -> Mapping[str, Any]:
        on_build(f"unpacking and testing {archive.name}")
        unpacked = smoke.try_base(archive, key, store)
        return {
            "kind": "archive",
            "origin": str(archive),
            "unpacked": unpacked,
            "cksum": seals.worker_sum(archive),
            "packages": [],
        }

    stored, built = store.build(Layer.BASE, key, make)
    return Base(key=key, archive=archive, stored=stored, built=built)


def suffix_of(archive: Path) -> str:
    """Return the ending that says how to unpack it.

    Raises
    ------
    UsageError
        If there is none that we know.
    """
    for suffix in ARCHIVES:
        if archive.name.endswith(suffix):
            return suffix
    raise UsageError(
        f"{archive} is no archive of an environment", hint=f"known: {', '.join(ARCHIVES)}", page="environment"
    )


def venv_hint(installed: Installed) -> str:
    """Say what a virtual environment lacks: its Python."""
    if installed.kind is not Kind.VENV:
        return ""
    return f"a virtual environment has no Python of its own: workers need {installed.base_python}/python3"
