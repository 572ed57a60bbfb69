"""Distributions, and an environment in which one of them is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Built:
    sdist: Path
    wheel: Path
    unpacked: Path
    """The source distribution, unpacked, of which the wheel was made."""


def build(source: Path, output: Path, *forms: str) -> list[Path]:
    """Build distributions of a directory; the tools are those of the environment of the tests."""
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", *forms, "--outdir", output, source],
        check=True,
        capture_output=True,
        text=True,
    )
    return sorted(output.iterdir())


@dataclass(frozen=True, kw_only=True)
class Clean:
    """An environment with the wheel, and what it needs but for the engine."""

    prefix: Path

    @property
    def site_packages(self) -> Path:
        return next(self.prefix.glob("lib/python3*/site-packages"))

    def run(self, name: str, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
        environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(
            [self.prefix / "bin" / name, *map(str, arguments)],
            cwd=cwd,
            env=environ | {"PATH": f"{self.prefix / 'bin'}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
