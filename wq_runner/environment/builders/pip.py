"""A virtual environment of a list of requirements, and pip for the others."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from wq_runner import system
from wq_runner.environment.builders.request import BuildError, Request


class Venv:
    """Python's own, for requirements of pip without any of conda."""

    name = "venv"

    def available(self) -> bool:
        return True

    def understands(self, request: Request) -> bool:
        return bool(request.pip) and not request.specs and not request.urls

    def build(self, request: Request, prefix: Path) -> str:
        # not of our own virtual environment: the new one has to stand when that is gone
        base = getattr(sys, "_base_executable", sys.executable)
        return _run([base, "-m", "venv", str(prefix)]) + install(prefix, request.pip)


def install(prefix: Path, requirements: Sequence[str]) -> str:
    """Install with the pip of an environment, and return what it printed."""
    if not requirements:
        return ""
    command = [str(prefix / "bin" / "python"), "-m", "pip", "install", "--no-input"]
    return _run([*command, "--disable-pip-version-check", *requirements])


def _run(command: list[str]) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    try:
        return system.run(command, env={**env, "PYTHONNOUSERSITE": "1"})
    except system.CommandError as error:
        raise BuildError(
            f"{Path(command[0]).name} exit code {error.code}", f"$ {' '.join(command)}\n{error.output}"
        ) from error
    except OSError as error:
        raise BuildError(str(error), f"$ {' '.join(command)}\n{error}") from error
