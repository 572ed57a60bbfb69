from __future__ import annotations

import json
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wq_runner import system
from wq_runner.system import CommandError


def test_run_returns_what_was_printed() -> None:
    code = "import sys; print(sys.stdin.read() == ''); print('aside', file=sys.stderr)"
    assert system.run([sys.executable, "-c", code]) == "True\n"


def test_a_command_that_fails_is_quoted_with_its_output() -> None:
    command = [sys.executable, "-c", "import sys; print('a'); sys.exit('b c')"]
    with pytest.raises(CommandError) as caught:
        system.run(command)
    assert (caught.value.command, caught.value.code) == (tuple(command), 1)
    assert "a" in caught.value.output
    assert "b c" in caught.value.output
    assert "-c 'import sys; " in str(caught.value)


@pytest.mark.parametrize("code", ["", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"])
def test_stop_ends_the_willing_and_the_unwilling(tmp_path: Path, code: str) -> None:
    process = system.start(
        [sys.executable, "-c", f"{code}\nprint('ready', flush=True)\nimport time; time.sleep(100)"],
        output=tmp_path / "log",
    )
    try:
        while not (tmp_path / "log").read_text():
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        system.stop(process, grace=0.2)
    assert process.returncode < 0
    system.stop(process)


def test_start_is_out_of_reach_of_the_terminal() -> None:
    code = "import os; print(os.getsid(0) == os.getpid())"
    process = system.start([sys.executable, "-c", code], output=subprocess.PIPE)
    assert process.communicate()[0] == b"True\n"


def test_a_file_gets_its_name_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    system.write_json(path, {"é": Path("/a")})
    assert json.loads(path.read_text()) == {"é": "/a"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~system._umask()
    with pytest.raises(ZeroDivisionError), system.replacing(path) as stream:
        stream.write(b"half" * (1 // len(path.read_bytes()[:0])))
    assert [place.name for place in tmp_path.iterdir()] == ["out.json"]
    assert json.loads(path.read_text()) == {"é": "/a"}


@pytest.mark.parametrize("for_good", [True, False])
def test_only_where_python_is_ours_what_is_there_stays_for_good(for_good: bool) -> None:
    code = (
        "import gc, weakref\n"
        "from wq_runner import system\n"
        "class Mine: pass\n"
        "mine = Mine(); mine.own = mine; seen = weakref.ref(mine); before = gc.get_threshold()\n"
        f"with system.uncollected(for_good={for_good}): pass\n"
        "del mine; gc.collect()\n"
        "print(seen() is None, gc.get_threshold() == before)\n"
    )
    assert system.run([sys.executable, "-c", code]).split() == [str(not for_good), "True"]
