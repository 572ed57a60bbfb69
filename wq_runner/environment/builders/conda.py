"""conda, mamba and micromamba: the same command lines."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from wq_runner import system
from wq_runner.environment.builders.pip import install
from wq_runner.environment.builders.request import BuildError, Request


class Conda:
    """One of the programs of this family, on PATH or where its own variable says."""

    def __init__(self, name: str) -> None:
        self.name = name

    def available(self) -> bool:
        return self._program() is not None

    def understands(self, request: Request) -> bool:
        return bool(request.specs or request.urls)

    def build(self, request: Request, prefix: Path) -> str:
        program = self._program()
        assert program is not None
        common = [program, "create", "--yes", "--quiet", "--prefix", str(prefix)]
        if request.urls:
            with tempfile.NamedTemporaryFile("w", suffix=".txt") as listing:
                listing.write("\n".join(["@EXPLICIT", *request.urls, ""]))
                listing.flush()
                output = _run([*common, "--file", listing.name])
        else:
            channels = [word for channel in request.channels for word in ("--channel", channel)]
            output = _run([*common, "--override-channels", *channels, *request.specs])
        return output + install(prefix, request.pip)

    def _program(self) -> str | None:
        # what the shell functions of conda and mamba export for their users
        variable = {"conda": "CONDA_EXE", "mamba": "MAMBA_EXE", "micromamba": "MAMBA_EXE"}[self.name]
        named = os.environ.get(variable, "")
        if Path(named).name == self.name and os.access(named, os.X_OK):
            return named
        return shutil.which(self.name)


def _run(command: list[str]) -> str:
    # nothing of an active environment or of a notebook may get into the new one
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    try:
        return system.run(command, env=env)
    except system.CommandError as error:
        raise BuildError(f"exit code {error.code}", f"$ {' '.join(command)}\n{error.output}") from error
    except OSError as error:
        raise BuildError(str(error), f"$ {' '.join(command)}\n{error}") from error
