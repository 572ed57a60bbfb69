"""py-rattler: solves and installs conda packages without any conda; the only module that imports it."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wq_runner.environment.builders import lock
from wq_runner.environment.builders.pip import install
from wq_runner.environment.builders.request import BuildError, Request

if TYPE_CHECKING:
    import rattler


class Rattler:
    """A solver and installer of conda packages as a library."""

    name = "rattler"

    def available(self) -> bool:
        return importlib.util.find_spec("rattler") is not None

    def understands(self, request: Request) -> bool:
        return bool(request.specs or request.urls)

    def build(self, request: Request, prefix: Path) -> str:
        try:
            records = _locked(request) if request.urls else asyncio.run(_solve(request))
        except Exception as error:
            raise BuildError("the packages could not be resolved", _words(request, error)) from error
        try:
            # what is in the user's cache would be taken without a look at the hash of the lock
            cache = prefix.with_name("packages") if request.urls else None
            asyncio.run(_install(records, prefix, cache))
        except Exception as error:
            raise BuildError("packages could not be installed", _words(request, error)) from error
        lines = [f"{record.name.normalized} {record.version} {record.build}" for record in records]
        return "\n".join([*_asked(request), *lines, ""]) + install(prefix, request.pip)


async def _solve(request: Request) -> list[rattler.RepoDataRecord]:
    from rattler import Channel, MatchSpec, VirtualPackage, solve

    return await solve(
        sources=[Channel(channel) for channel in request.channels],
        specs=[MatchSpec(spec, strict=False) for spec in request.specs],  # as lenient as conda is
        platforms=[_platform(), "noarch"],
        virtual_packages=VirtualPackage.detect(),
    )


def _locked(request: Request) -> list[rattler.RepoDataRecord]:
    """Take the packages as they are named; their own metadata are in them."""
    import rattler
    from rattler import PackageRecord, RepoDataRecord

    # plain text in older releases
    build: Any = getattr(rattler, "BuildString", str)
    packages = [lock.parse(url) for url in request.urls]
    for package in packages:
        lock.check_local(package)  # the library compares hashes of what it downloads only
    return [
        RepoDataRecord(
            PackageRecord(
                name=one.name,
                version=one.version,
                build=build(one.build),
                build_number=_number(one.build),
                subdir=one.subdir,
                md5=bytes.fromhex(one.md5) or None,
                sha256=bytes.fromhex(one.sha256) or None,
            ),
            file_name=one.file_name,
            url=one.url,
            channel=one.channel,
        )
        for one in packages
    ]


def _number(build: str) -> int:
    """Return the build number, which by convention ends the build string: ``py311h1234_3``."""
    last = build.rpartition("_")[2]
    return int(last) if last.isdecimal() else 0


def _platform() -> rattler.Subdir:
    import rattler

    # called Platform in older releases
    kind = rattler.Subdir if hasattr(rattler, "Subdir") else rattler.Platform
    return kind.current()


async def _install(records: list[rattler.RepoDataRecord], prefix: Path, cache: Path | None) -> None:
    from rattler import install as install_packages

    await install_packages(records=records, target_prefix=str(prefix), cache_dir=cache, show_progress=False)


def _asked(request: Request) -> list[str]:
    if request.urls:
        return [f"packages: {len(request.urls)}, by their URLs"]
    return [f"channels: {' '.join(request.channels)}", f"specs: {', '.join(request.specs)}"]


def _words(request: Request, error: Exception) -> str:
    return "\n".join([*_asked(request), f"{type(error).__name__}: {error}"])
