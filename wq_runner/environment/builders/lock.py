"""Locks: packages one by one, each by its URL and hash, so that nothing is left to a solver.

Two forms are read: the explicit list of conda (``@EXPLICIT``, then a URL a line) and the YAML of conda-lock.
"""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from wq_runner.errors import PackageListError

EXPLICIT = "@EXPLICIT"
_SUFFIXES = (".conda", ".tar.bz2")
_MACHINES = {"x86_64": "64", "amd64": "64"}


@dataclass(frozen=True, kw_only=True)
class Locked:
    """A conda package by its URL: what the URL says of it, and the hash behind its ``#``, in hexadecimal."""

    url: str
    channel: str
    subdir: str
    file_name: str
    name: str
    version: str
    build: str
    md5: str = ""
    sha256: str = ""


def parse(line: str) -> Locked:
    """Read a line of an explicit list: ``URL``, ``URL#MD5`` or ``URL#sha256:SHA256``.

    Raises
    ------
    ValueError
        If it names no conda package.
    """
    url, _, digest = line.partition("#")
    digest = digest.removeprefix("sha256:")
    channel, _, rest = url.rpartition("/")
    channel, _, subdir = channel.rpartition("/")
    stem = next((rest.removesuffix(suffix) for suffix in _SUFFIXES if rest.endswith(suffix)), "")
    parts = stem.rsplit("-", 2)
    if "://" not in channel or len(parts) != 3 or len(digest) not in (0, 32, 64):
        raise ValueError(f"{line} is no URL of a conda package, CHANNEL/SUBDIR/NAME-VERSION-BUILD.conda#HASH")
    try:
        bytes.fromhex(digest)
    except ValueError as error:
        raise ValueError(f"{line}: {digest} is no hash") from error
    name, version, build = parts
    return Locked(
        url=url,
        channel=channel,
        subdir=subdir,
        file_name=rest,
        name=name,
        version=version,
        build=build,
        md5=digest if len(digest) == 32 else "",
        sha256=digest if len(digest) == 64 else "",
    )


def check_local(package: Locked) -> None:
    """Compare the hash of a package of a ``file://`` channel with the lock's.

    Raises
    ------
    ValueError
        If the file is another one.
    OSError
        If it cannot be read.
    """
    address = urlparse(package.url)
    if address.scheme != "file":
        return
    content = Path(unquote(address.path)).read_bytes()
    for kind, wanted in (("md5", package.md5), ("sha256", package.sha256)):
        found = hashlib.new(kind, content, usedforsecurity=False).hexdigest()
        if wanted and found != wanted:
            raise ValueError(f"{package.url}: the lock says {kind} {wanted}, but the hash is {found}")


def read_explicit(path: Path, lines: Iterable[str]) -> tuple[str, ...]:
    """Return the URLs of an explicit list.

    Raises
    ------
    UsageError
        If a line is none.
    """
    urls = tuple(line for line in lines if line != EXPLICIT)
    problems = []
    for url in urls:
        try:
            parse(url)
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise PackageListError("\n  ".join([f"{path} is no list of packages:", *problems]))
    return urls


def is_conda_lock(content: Any) -> bool:
    return isinstance(content, Mapping) and isinstance(content.get("package"), list)


def read_conda_lock(path: Path, content: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the URLs of conda's packages for this machine, and what pip is to install.

    Packages of optional categories (``dev``) are not for workers, and are left out.

    Raises
    ------
    UsageError
        If there are none for this machine, or the lock is not understood.
    """
    here = this_platform()
    try:
        known = sorted({str(one["platform"]) for one in content["package"]})
        mine = [one for one in content["package"] if one["platform"] == here and not _is_optional(one)]
        urls = tuple(_with_hash(one) for one in mine if one["manager"] == "conda")
        wheels = tuple(_requirement(one) for one in mine if one["manager"] == "pip")
    except (KeyError, TypeError, AttributeError) as error:
        raise PackageListError(
            f"{path} is not understood as a lock of conda-lock: {type(error).__name__} {error}",
            hint="conda-lock of version 1 and later writes what is read here",
        ) from error
    if not urls:
        raise PackageListError(
            f"{path} locks no packages for {here}, only for {', '.join(known) or 'nothing'}",
            hint=f"conda-lock --platform {here} adds them",
        )
    # the lock is complete: what pip would add by itself is not in it
    return read_explicit(path, urls), ("--no-deps", *wheels) if wheels else ()


def this_platform() -> str:
    """Return conda's name of this machine, such as ``linux-64``."""
    system = "osx" if sys.platform == "darwin" else "linux"
    machine = platform.machine().lower()
    return f"{system}-{_MACHINES.get(machine, machine)}"


def _is_optional(package: Mapping[str, Any]) -> bool:
    categories = package.get("categories") or [package.get("category", "main")]
    return "main" not in categories


def _with_hash(package: Mapping[str, Any]) -> str:
    digests = package.get("hash") or {}
    # MD5 is what every tool of this family understands behind a URL
    for digest in (digests.get("md5"), digests.get("sha256")):
        if digest:
            return f"{package['url']}#{digest}"
    return str(package["url"])


def _requirement(package: Mapping[str, Any]) -> str:
    url, digest = package["url"], (package.get("hash") or {}).get("sha256")
    return f"{package['name']} @ {url}" + (f"#sha256={digest}" if digest and "#" not in url else "")
