"""From a failure to the chunk that fails: the command that is printed, and the debugger."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nanoaod
import pytest
import running

TROUBLES = running.ANALYSIS.with_name("troubles.py")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Write two files of one name in two directories."""
    for name in ("a", "b"):
        nanoaod.write_simple(tmp_path / "data" / name / "n.root", 100)
    return tmp_path


def failing(file: str, entry: int) -> list[str]:
    arguments = f'{{"what": "error", "file": "{file}", "entry": {entry}}}'
    return ["-p", f"{TROUBLES}:Troubled", "--processor-args", arguments, "--schema", "BaseSchema"]


def place(text: str) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith("first seen in")]
    return line


def test_the_printed_command_fails_at_the_same_place(data: Path) -> None:
    first = running.run(
        *failing("b/n.root", 30), "-e", "futures", "-w", "2", "-c", 25, "-o", "out", "data", cwd=data
    )
    assert first.code == 6
    command = first.error.splitlines()[-1].strip()
    assert command.startswith("env WQ_RUNNER_ENVIRONMENT=shared wq-run -p ")
    assert "/b/n.root:25-50 " in command
    before = (data / "out" / "journal.jsonl").read_bytes()
    environ = {**os.environ, **running.SETTINGS}
    environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
    second = subprocess.run(
        ["sh", "-c", command], cwd=data, env=environ, capture_output=True, text=True, check=False
    )
    assert second.returncode == 6, second.stdout + second.stderr
    assert place(second.stderr) == place(first.err)
    assert second.stdout.count("1 of at most 25 events") == 1
    assert (data / "out" / "journal.jsonl").read_bytes() == before
    assert (data / "out-debug" / "run.json").exists()


def test_the_debugger_needs_the_process(data: Path) -> None:
    ended = running.run("--pdb", "-e", "futures", "data", cwd=data)
    assert ended.code == 2
    assert ended.error.startswith("error: --pdb cannot open a debugger with --executor futures")


def test_the_debugger_opens_once_where_it_failed(data: Path) -> None:
    ours, theirs = pty.openpty()
    options = [*failing("b/n.root", 30), "-e", "iterative", "-c", "25", "--pdb", "data"]
    process = subprocess.Popen(
        [running.program("wq-run"), *options],
        cwd=data,
        env={**os.environ, **running.SETTINGS, "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        drawn = heard(ours)
        before = next(drawn)
        assert "troubles.py" in before
        os.write(ours, b"p events.metadata['entrystart']\n")
        assert "25\r\n" in next(drawn)
        os.write(ours, b"q\n")
        rest = next(drawn)
        assert process.wait(running.PATIENCE) == 6
    finally:
        os.close(ours)
        process.kill()
        process.wait()
    assert "(Pdb)" not in rest
    assert "first seen in data, n.root, events 25-50" in rest


def heard(terminal: int) -> Iterator[str]:
    """Yield what is drawn until the debugger asks, and in the end the rest."""
    text = b""
    while True:
        assert select.select([terminal], [], [], running.PATIENCE)[0], text
        try:
            text += os.read(terminal, 1 << 16)
        except OSError:  # the other side is closed
            yield text.decode()
            return
        if b"(Pdb) " in text:
            said, _, text = text.partition(b"(Pdb) ")
            yield said.decode()
