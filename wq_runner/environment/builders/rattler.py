"""py-rattler: solves and installs conda packages without any conda; the only module that imports it."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

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
        return bool(request.specs)

    def build(self, request: Request, prefix: Path) -> str:
        try:
            records = asyncio.run(_solve(request))
        except Exception as error:
            raise BuildError("the packages could not be resolved", _words(request, error)) from error
        try:
            asyncio.run(_install(records, prefix))
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


def _platform() -> rattler.Subdir:
    import rattler

    # called Platform in older releases
    kind = rattler.Subdir if hasattr(rattler, "Subdir") else rattler.Platform
    return kind.current()


async def _install(records: list[rattler.RepoDataRecord], prefix: Path) -> None:
    from rattler import install as install_packages

    await install_packages(records=records, target_prefix=str(prefix), show_progress=False)


def _asked(request: Request) -> list[str]:
    return [f"channels: {' '.join(request.channels)}", f"specs: {', '.join(request.specs)}"]


def _words(request: Request, error: Exception) -> str:
    return "\n".join([*_asked(request), f"{type(error).__name__}: {error}"])
