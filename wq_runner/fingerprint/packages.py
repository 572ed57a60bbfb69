"""What is installed, by content: a package may be installed again, or edited, under the same version."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from wq_runner.environment.remembered import remembered

_METADATA = (".dist-info", ".egg-info")
_PLACED = (".", "/", "__editable__", "_editable_impl_", "__editables_")  # what says where something lies
_LATER = 2.0  # seconds after its package was installed in which a file is a part of that


def installed_packages() -> str:
    """Return a hash of all packages of this interpreter: their names, versions and files.

    What lies in which place, and when it was installed, is no part of it.
    """
    found = [sys.version]
    for place in _places():
        found += sorted(_described(one) for one in place.iterdir() if one.suffix in _METADATA)
    # what is no package of Python; the names have version and build
    found += sorted(one.name for one in (Path(sys.prefix) / "conda-meta").glob("*.json"))
    return hashlib.blake2b("\n".join(found).encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def edited_files() -> dict[str, str]:
    """Return the modules of installed packages that this process has imported and somebody has edited.

    By their names below the place where they are installed, with the hash of what is in them. An edited
    file is newer than the list of its package, and is not what that says.
    """
    tops: dict[tuple[str, str], tuple[float, Path]] = {}
    for directory in _places():
        for one in directory.iterdir():
            if one.suffix == ".dist-info" and (one / "RECORD").is_file():
                installed = (one / "RECORD").stat().st_mtime
                for top in json.loads(_read(one / "RECORD"))["tops"]:
                    known = tops.get((str(directory), top))
                    if known is None or known[0] < installed:
                        tops[str(directory), top] = installed, one / "RECORD"
    places = [str(place) for place in _places()]
    found: dict[str, str] = {}
    for module in tuple(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str):
            continue
        for place in places:
            if file.startswith(place + "/"):
                inside = file[len(place) + 1 :]
                if (record := tops.get((place, inside.partition("/")[0]))) is not None:
                    found.update(_edited(Path(file), inside, *record))
                break
    return found


def _edited(path: Path, inside: str, installed: float, record: Path) -> Mapping[str, str]:
    try:
        if path.stat().st_mtime <= installed + _LATER:
            return {}
        content = path.read_bytes()
    except OSError:
        return {}
    found = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return {} if dict(_lines(record)).get(inside) == f"sha256={found}" else {inside: found[:16]}


def _places() -> list[Path]:
    return [Path(place) for place in dict.fromkeys(sys.path) if place and Path(place).is_dir()]


def _described(metadata: Path) -> str:
    """Return the name and version of a package, and the hash of its list of files if there is one."""
    record = metadata / "RECORD"
    if metadata.suffix != ".dist-info" or not record.is_file():
        return metadata.name
    return f"{metadata.name} {json.loads(_read(record))['files']}"


def _read(record: Path) -> str:
    return remembered().of_file("record", record, lambda: _summary(record))


def _summary(record: Path) -> str:
    """Return what matters of a list: the hash of its files, and the names of its modules and packages.

    Scripts have the place of Python in them, and the metadata from where it was installed.
    """
    lines = list(_lines(record))
    files = sorted(f"{name} {value}" for name, value in lines if value)
    hashed = hashlib.blake2b("\n".join(files).encode("utf-8", "surrogateescape"), digest_size=8)
    tops = sorted({name.partition("/")[0] for name, _ in lines})
    return json.dumps({"files": hashed.hexdigest(), "tops": tops})


def _lines(record: Path) -> Iterator[tuple[str, str]]:
    try:
        with record.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
            for row in csv.reader(stream):
                if len(row) >= 2 and not (row[0].startswith(_PLACED) or ".dist-info/" in row[0]):
                    yield row[0], row[1]
    except (OSError, csv.Error):
        return
