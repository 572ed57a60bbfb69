"""A process that has everything imported, and runs wq-run in copies of itself: a run takes a moment.

It reads a line of JSON for each run, with the directory, the arguments, variables and where to import from
first, and answers with a line: the exit code. What is printed goes to a file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 90.0


@dataclass(frozen=True, kw_only=True)
class Ended:
    code: int
    out: str


class Forks:
    """Runs with one seed of hashes."""

    def __init__(self, seed: int, log: Path) -> None:
        self._log = log
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(log)],
            env={**os.environ, "PYTHONHASHSEED": str(seed), "WQ_RUNNER_ENVIRONMENT": "shared"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self, arguments: Sequence[object], cwd: Path, first: Sequence[Path], environ: Mapping[str, str]
    ) -> Ended:
        """Run wq-run; `first` is where modules are imported from before all others."""
        assert self._process.stdin
        assert self._process.stdout
        request = {
            "arguments": ["wq-run", *map(str, arguments)],
            "cwd": str(cwd),
            "first": [*map(str, first)],
            "environ": dict(environ),
        }
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the process that runs wq-run is gone"
        return Ended(code=int(answer), out=self._log.read_text(encoding="utf-8"))

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(PATIENCE)
        self._process.stdout.close()


def serve(log: Path) -> None:
    import uproot  # noqa: F401

    from wq_runner.cli.run import main

    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            code = 70
            try:
                output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                for stream in (1, 2):
                    os.dup2(output, stream)
                os.chdir(request["cwd"])
                os.environ.update(request["environ"])
                sys.path[:0] = request["first"]
                sys.argv = request["arguments"]
                main()
            except SystemExit as error:
                code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
