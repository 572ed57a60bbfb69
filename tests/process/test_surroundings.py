"""What surrounds a run and is not as it should be: one clear message, or the run goes on."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import nanoaod
import pytest
import running

RUN = ("-p", f"{running.ANALYSIS}:Sums", "--schema", "BaseSchema", "-e", "iterative")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return nanoaod.write_simple(tmp_path / "data" / "a.root", 100)


def in_shell(text: str, cwd: Path, **environ: str) -> running.Ended:
    """Run a line of a shell, in which $RUN is wq-run with its options."""
    line = " ".join([running.program("wq-run"), *RUN])
    done = subprocess.run(
        ["sh", "-c", text.replace("$BIN", str(Path(line.split()[0]).parent)).replace("$RUN", line)],
        cwd=cwd,
        env={**os.environ, **running.SETTINGS, **environ},
        capture_output=True,
        text=True,
        timeout=running.PATIENCE,
        check=False,
    )
    return running.Ended(code=done.returncode, out=done.stdout, err=done.stderr, seconds=0)


@pytest.mark.parametrize("closed", [">&- 2>&-", "> /dev/full"])
def test_nothing_can_be_printed(closed: str, data: Path, tmp_path: Path) -> None:
    ended = in_shell(f"exec $RUN -o out {data} {closed}", tmp_path)
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert running.output(tmp_path / "out")["entries"] == 100


def test_there_is_no_home(data: Path, tmp_path: Path) -> None:
    home = {"HOME": "/proc/nowhere", "XDG_CACHE_HOME": "", "XDG_CONFIG_HOME": ""}
    ended = running.run(*RUN, "-o", "out", data, cwd=tmp_path, **home)
    assert ended.code == 0, ended.err
    assert "known files are not remembered: /proc/nowhere/.cache" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("command", ["$RUN -o {there}/out {data}", "$BIN/wq-status"])
def test_the_current_directory_is_gone(command: str, data: Path, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    line = command.format(there=tmp_path, data=data)
    ended = in_shell(f"cd gone && rmdir ../gone && exec {line}", tmp_path)
    assert ended.code == 2
    assert "the current directory does not exist any more" in ended.error


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("$BIN/wq-samples list {data} > /dev/full", "what is printed: No space left on device"),
        ("ulimit -f 1; exec $RUN -o out {data}", "File too large"),
        ("$RUN -o /proc/nowhere/out {data}", "/proc/nowhere/out cannot be used for the output"),
        ("$RUN -ro mixed.yaml {data}", "mixed.yaml: no option 1"),
        ("$RUN -o out kinds.yaml", "the dataset name 2018 is not text"),
        ("$RUN --schema NanoEventsFactory -o out {data}", "NanoEventsFactory is a class, not a schema"),
    ],
)
def test_what_it_is_about_is_named(command: str, said: str, data: Path, tmp_path: Path) -> None:
    (tmp_path / "mixed.yaml").write_text("1: 2\nprocessor: a.py\n")
    (tmp_path / "kinds.yaml").write_text(f"a: {{files: [{data}]}}\n2018: {{files: [{data}]}}\n")
    ended = in_shell(command.format(data=data), tmp_path)
    assert ended.code == 2
    assert said in ended.error


def test_metadata_with_keys_of_two_kinds(data: Path, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(
        f"a: {{files: [{data}], metadata: {{1: x, b: {{2: y, z: 3}}, true: 4}}}}\n"
    )
    ended = in_shell("$RUN -o out s.yaml", tmp_path)
    assert ended.code in (0, 2), ended.err
    assert "Traceback" not in ended.err


def test_a_processor_that_cannot_be_sent(data: Path, tmp_path: Path) -> None:
    (tmp_path / "locked.py").write_text(
        "import threading\nfrom coffea.processor import ProcessorABC\nclass Locked(ProcessorABC):\n"
        "    def __init__(self): self.lock = threading.Lock()\n"
        "    def process(self, events): return {}\n    def postprocess(self, output): pass\n"
    )
    ended = in_shell(f"$RUN -p locked.py:Locked -o out {data}", tmp_path)
    assert ended.code == 6
    assert "cannot be sent to workers: TypeError: cannot pickle '_thread.lock' object" in ended.error
