"""What a result depends on besides its input, as names and hashes that two runs can compare."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from wq_runner import literals
from wq_runner.execution import imported
from wq_runner.execution.imported import Source
from wq_runner.model import Fileset

_METADATA = (".dist-info", ".egg-info")  # of installed packages
_CODE = "code "  # before the path of a source file, in a fingerprint


def fingerprint(
    *,
    processor: str,
    arguments: Mapping[str, Any],
    schema: str,
    naming: str,
    environment: str,
    fileset: Fileset,
    seed: int | None = None,
) -> dict[str, str]:
    """Return what results depend on besides the input, without the code."""
    metadata = {dataset.name: dict(dataset.metadata) for dataset in fileset}
    return {
        "the processor": processor,
        "the arguments of the processor": _digest(literals.identity(arguments)),
        "the schema": schema,
        "the naming of files": naming,
        "the environment": environment,
        **({"the seed of random numbers": str(seed)} if seed is not None else {}),
        **{f"the metadata of {name}": _digest(values) for name, values in metadata.items()},
    }


def code(sources: Iterable[Source]) -> dict[str, str]:
    """Return the hash of each source file.

    Of one that was edited since, both hashes: what ran is neither what was there nor what is.
    """
    return {_CODE + str(one.path): f"{one.imported} {one.now}" if one.edited else one.now for one in sources}


def code_again(previous: Mapping[str, str]) -> dict[str, str]:
    """Return the hashes as they are now of the source files of an earlier fingerprint."""
    return {name: imported.hash_file(Path(name[len(_CODE) :])) for name in previous if name.startswith(_CODE)}


def source_files(fingerprint: Mapping[str, str]) -> list[Path]:
    """Return the source files of a fingerprint."""
    return [Path(name[len(_CODE) :]) for name in fingerprint if name.startswith(_CODE)]


def code_name(name: str) -> str:
    """Return the name of an entry, that of a source file without the place where it lies."""
    return _CODE + "/".join(Path(name).parts[-2:]) if name.startswith(_CODE) else name


def changes(previous: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Say in words what differs. Datasets that came or went are no change: their chunks tell."""
    found = []
    for name in sorted({*previous, *now}):
        if previous.get(name) == now.get(name):
            continue
        if name.startswith("the metadata of ") and not (name in previous and name in now):
            continue
        if name.startswith(_CODE):
            path = Path(name[len(_CODE) :])
            found.append(f"the code ({path.parent.name}/{path.name})")
        else:
            found.append(name)
    return found


def installed_packages() -> str:
    """Return a hash of the names and versions of all packages of this interpreter."""
    places = [Path(place) for place in sys.path if Path(place).is_dir()]
    # names of these directories have both, and nothing has to be read
    found = sorted(one.name for place in places for one in place.iterdir() if one.suffix in _METADATA)
    return _digest([sys.version, *found])


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
