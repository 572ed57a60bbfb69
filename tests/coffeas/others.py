"""Environments with other coffeas than that of the tests, and what runs in them."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import running

OURS = "ours"
"""The environment of the tests."""

VERSIONS = ("0.7.29", "2025.7.3", "2025.12.0", OURS)


@dataclass(frozen=True, kw_only=True)
class Other:
    """An environment, and a directory with the analysis and its inputs."""

    bin: Path
    place: Path

    def start(self, name: str, *arguments: object, **environ: str) -> subprocess.Popen[str]:
        """Start a program of the environment; the caller ends it."""
        path = f"{self.bin}:{os.environ['PATH']}"
        return subprocess.Popen(
            [self.bin / name, *map(str, arguments)],
            cwd=self.place,
            env={**os.environ, **running.SETTINGS, "PATH": path, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, name: str, *arguments: object, **environ: str) -> running.Ended:
        return running.finish(self.start(name, *arguments, **environ), PATIENCE)

    def wq_run(
        self, output: str, *arguments: object, samples: str = "samples.json", patience: float = 0
    ) -> running.Ended:
        words = (*_options(output), *arguments, samples)
        return running.finish(self.start("wq-run", *words), patience or PATIENCE)

    def gate(self, output: str) -> Path:
        """Return the file that chunks of `gated` wait for."""
        return self.place / f"{output}.gate"

    def gated_options(self, output: str) -> list[object]:
        return ["-w", "local:2", "--task-time", 0, "--processor-args", f"gate={self.gate(output)}"]

    @contextlib.contextmanager
    def gated(self, output: str, *arguments: object, **environ: str) -> Iterator[subprocess.Popen[str]]:
        """Start a run that has a first chunk, and whose others wait; it is killed at the end."""
        options = (*_options(output), *self.gated_options(output), *arguments, "samples.json")
        process = self.start("wq-run", *options, **environ)
        try:
            running.until(lambda: _lives(process) and running.accepted(self.place / output), "a first chunk")
            yield process
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()

    def compare(self, *names: str) -> list[str]:
        """Compare results with that of coffea's own Runner; return what is said of each."""
        ended = self.run("python", "muons.py", *names)
        assert ended.code == 0, ended.out + ended.err
        return ended.out.splitlines()


PATIENCE = 3 * running.PATIENCE
"""Of a command: coffeas of 2025 are imported for 3 s of an idle core, by each process."""

PACKING = 900
"""Seconds of a command that packs its environment: 350 MB, while others want the cores."""


def _options(output: str) -> list[str]:
    return ["-o", output, "--chunksize", "500", "-p", "muons.py:Muons"]


def _lives(process: subprocess.Popen[str]) -> bool:
    assert process.poll() is None, process.communicate()
    return True
