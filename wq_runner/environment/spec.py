"""What is installed in an environment, and the key that follows from it.

The key is made of what was resolved (names, versions, builds, hashes), never of what was asked for. A
package that pip installed counts with the hashes of its files.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from enum import Enum
from pathlib import Path
from typing import Any

from wq_runner import system
from wq_runner.environment import seals

VERSION = 1  # raised when the same packages are packed in another way


class Kind(str, Enum):
    """How an environment was made, and so how it is packed."""

    CONDA = "conda"
    VENV = "venv"


@dataclass(frozen=True, kw_only=True)
class Package:
    """`origin` is conda or pip; `build` is conda's build string; `digest` of the archive or of the files."""

    name: str
    version: str
    build: str = ""
    digest: str = ""
    origin: str = "conda"

    def __str__(self) -> str:
        return " ".join(part for part in (self.name, self.version, self.build) if part)


@dataclass(frozen=True, kw_only=True)
class Installed:
    """An environment as it is: where, of which kind, and what is in it apart from editable packages."""

    prefix: Path
    kind: Kind
    packages: tuple[Package, ...]
    base_python: str = ""
    """The interpreter that a virtual environment needs beside itself."""

    @property
    def key(self) -> str:
        found = hashlib.sha256(f"{VERSION} {self.kind.value} {self.base_python}\n".encode())
        for package in sorted(self.packages, key=lambda one: (one.origin, one.name)):
            found.update(f"{dataclasses.astuple(package)}\n".encode())
        return f"{self.label}-{found.hexdigest()[:12]}"

    @property
    def label(self) -> str:
        """A readable beginning of the key: ``py311-coffea2026.9.0``."""
        versions = {package.name: package.version for package in self.packages}
        python = versions.get("python", "")
        parts = [f"py{''.join(python.split('.')[:2])}"] if python else [self.kind.value]
        if "coffea" in versions:
            parts.append(f"coffea{versions['coffea'].partition('+')[0]}")
        return "-".join(parts)


def kind_of(prefix: Path) -> Kind | None:
    """Say how the environment at `prefix` was made; None for a bare interpreter."""
    if (prefix / "conda-meta").is_dir():
        return Kind.CONDA
    return Kind.VENV if (prefix / "pyvenv.cfg").is_file() else None


def inspect(
    prefix: Path, kind: Kind, *, leave_out: Sequence[Path] = (), cache: Path | None = None
) -> Installed:
    """Look at what is installed. `leave_out` are metadata directories that do not count.

    `cache` is a file that remembers what was found as long as no package changes: an environment has
    hundreds of packages, and a run starts with this.
    """
    stamp = _stamp(prefix, leave_out)
    remembered = _remembered(cache, stamp) if cache else None
    if remembered is None:
        packages = (*_conda_packages(prefix), *_pip_packages(prefix, leave_out))
        python = "" if any(package.name == "python" for package in packages) else _config(prefix, "version")
        if python:
            packages = (Package(name="python", version=python, origin="venv"), *packages)
        remembered = packages
        if cache is not None:
            system.make_private(cache.parent)
            known = [dataclasses.asdict(package) for package in packages]
            system.write_json(cache, seals.sealed({"stamp": stamp, "packages": known}))
    home = _config(prefix, "home") if kind is Kind.VENV else ""
    return Installed(prefix=prefix, kind=kind, packages=remembered, base_python=home)


def site_packages(prefix: Path) -> list[Path]:
    """Return the directories in which packages are installed."""
    # lib64 is a link to lib in a virtual environment
    return sorted({path.resolve() for path in prefix.glob("lib*/python3*/site-packages")})


def python_of(prefix: Path) -> Path:
    return prefix / "bin" / "python"


def read_metadata(directory: Path) -> dict[str, str]:
    """Return the headers of a dist-info's METADATA or an egg-info's PKG-INFO, by lower-case name."""
    for name in ("METADATA", "PKG-INFO"):
        path = directory / name
        if path.is_file():
            headers = HeaderParser().parsestr(path.read_text(encoding="utf-8", errors="replace"))
            return {key.lower(): str(value) for key, value in headers.items()}
    return {}


def _conda_packages(prefix: Path) -> Iterator[Package]:
    for path in sorted((prefix / "conda-meta").glob("*.json")):
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        yield Package(
            name=facts["name"],
            version=facts["version"],
            build=facts.get("build", ""),
            digest=facts.get("sha256") or facts.get("md5") or facts.get("url", ""),
        )


def _pip_packages(prefix: Path, leave_out: Sequence[Path]) -> Iterator[Package]:
    for directory in _metadata_directories(prefix, leave_out):
        installer = directory / "INSTALLER"
        if installer.is_file() and installer.read_text().strip() == "conda":
            continue  # counted with its archive
        facts = read_metadata(directory)
        record = directory / "RECORD"
        yield Package(
            name=facts.get("name", directory.stem),
            version=facts.get("version", ""),
            digest=_record_digest(record) if record.is_file() else "",
            origin="pip",
        )


def _record_digest(record: Path) -> str:
    # not its own lines about what an installer writes, which depend on where and when
    found = hashlib.sha256()
    for line in sorted(record.read_text(encoding="utf-8", errors="replace").splitlines()):
        name, digest, *_ = line.rsplit(",", 2)
        if digest and not name.endswith(".pyc") and not name.startswith("../") and ".dist-info/" not in name:
            found.update(f"{name},{digest}\n".encode())
    return found.hexdigest()


def _metadata_directories(prefix: Path, leave_out: Sequence[Path]) -> list[Path]:
    skipped = {path.resolve() for path in leave_out}
    return [
        path
        for site in site_packages(prefix)
        for pattern in ("*.dist-info", "*.egg-info")
        for path in sorted(site.glob(pattern))
        if path.resolve() not in skipped and path.is_dir()
    ]


def _stamp(prefix: Path, leave_out: Sequence[Path]) -> str:
    found = hashlib.sha256(f"{VERSION} {sys.version}".encode())
    files = [*sorted((prefix / "conda-meta").glob("*.json")), prefix / "pyvenv.cfg"]
    files += [
        directory / name for directory in _metadata_directories(prefix, leave_out) for name in ("RECORD", "")
    ]
    for path in files:
        try:
            facts = path.stat()
        except OSError:
            continue
        found.update(f"{path} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return found.hexdigest()


def _remembered(cache: Path, stamp: str) -> tuple[Package, ...] | None:
    known = seals.read(cache)
    if known is None or known["stamp"] != stamp:
        return None
    return tuple(Package(**one) for one in known["packages"])


def _config(prefix: Path, name: str) -> str:
    """Read a value of pyvenv.cfg."""
    try:
        lines = (prefix / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    pairs = (line.partition("=") for line in lines)
    return next((value.strip() for key, _, value in pairs if key.strip().lower() == name), "")
