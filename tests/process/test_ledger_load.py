"""The ledger under load, small: what benchmarks/ledger.py measures at full size."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nanoaod


def test_files_and_memory_do_not_grow_with_the_number_of_results(tmp_path: Path) -> None:
    script = nanoaod.ROOT / "benchmarks" / "ledger.py"
    options = ["--chunks", "200", "--size", "200000", "--directory", str(tmp_path)]
    done = subprocess.run([sys.executable, script, *options], check=True, capture_output=True, timeout=200)
    found = json.loads(done.stdout)
    assert found["files"] < 100
    assert found["memory"] < 400
    assert found["rate"] > 2  # on a busy machine; the benchmark says what it really is
