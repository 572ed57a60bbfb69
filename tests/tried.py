"""Try rings with the engine that can be imported, and print what docs/reference/releases.md says of it.

python tests/tried.py engine executors/test_foremen.py
"""

from __future__ import annotations

import datetime
import platform
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import ndcctools.work_queue as wq

from wq_runner.engine.release import release_of

TESTS = Path(__file__).parent
_COUNT = re.compile(r"(\d+) (passed|failed|skipped|errors?)\b")


def tried(ring: str) -> tuple[str, bool]:
    """Return what became of the tests of a ring, and whether all is well."""
    command = [sys.executable, "-m", "pytest", "-q", "-n0", str(TESTS / ring)]
    ended = subprocess.run(command, cwd=TESTS.parent, stdout=subprocess.PIPE, text=True, check=False)
    lines = ended.stdout.strip().splitlines() or ["nothing"]
    sys.stderr.write("".join(f"{line}\n" for line in lines if line.startswith(("FAILED", "ERROR"))))
    counts = ", ".join(f"{number} {what}" for number, what in _COUNT.findall(lines[-1]))
    return counts or lines[-1], ended.returncode == 0


def main(rings: list[str]) -> int:
    """Print a row for each ring, and return 1 if something failed."""
    row = [
        f"`ndcctools` {release_of(wq)}",
        datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat(),
        f"Python {platform.python_version()}, coffea {metadata.version('coffea')}",
    ]
    sys.stderr.write(f"{wq.__file__}\n")
    well = True
    for ring in rings:
        counts, fine = tried(ring)
        well = well and fine
        print("| " + " | ".join([*row, f"`tests/{ring}`", counts]) + " |", flush=True)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["engine", "executors", "fitting", "ledger", "batch"]))
