"""Output that outlives its reader."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import signal, sys, time
from wq_runner.monitor.steady import outlive_terminal
outlive_terminal()
print("first", flush=True)
if {hangup}:
    signal.raise_signal(signal.SIGHUP)
time.sleep(0.3)
for number in range(20000):
    print("a line that nobody reads", number)
    print("another", file=sys.stderr)
open({done!r}, "w").write("done")
"""


@pytest.mark.parametrize("hangup", [False, True])
def test_it_goes_on_when_nobody_reads(tmp_path: Path, hangup: bool) -> None:
    done = tmp_path / "done"
    program = PROGRAM.format(hangup=hangup, done=str(done))
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stderr
    assert process.stdout.readline() == "first\n"
    process.stdout.close()
    process.stderr.close()
    assert process.wait(60) == 0
    assert done.read_text() == "done"


def test_what_the_terminal_cannot_show_is_replaced() -> None:
    program = "from wq_runner.monitor.steady import outlive_terminal; outlive_terminal(); print('a\\u2501b')"
    environ = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout == "a?b\n"
