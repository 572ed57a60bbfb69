"""What a task prints is kept at both ends, whoever prints it and however much, and where a process dies."""

from __future__ import annotations

import ast
import ctypes
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import dill
import pytest

from wq_runner.engine import answer
from wq_runner.remote import failure, functions, prints, reads, spool, work

HUGE = 200  # MB


def says(_: Any) -> dict[str, int]:
    print("from Python")
    print("to its errors", file=sys.stderr)
    ctypes.CDLL(None).puts(b"from C")
    subprocess.run(["sh", "-c", "echo from a child"], check=True)
    return {"n": 1}


def shouts(_: Any) -> dict[str, int]:
    print("first")
    for _ in range(HUGE):
        os.write(1, b"x" * 10**6)
    print("last")
    return {"n": 1}


def dies(_: Any) -> dict[str, int]:
    print("last words")
    os._exit(3)


_WATCHED = """
import os
import sys
from pathlib import Path
sys.path[:0] = {path!r}
import dill
import test_prints
from wq_runner.engine import answer
from wq_runner.remote import functions, work
from wq_runner.remote.guard import Job, Limits, Watch
job = Job(Path("function"), Path("items"), Path("result"), Limits())
for name in ("says", "shouts", "dies"):
    job.function.write_bytes(functions.preamble() + dill.dumps(getattr(test_prints, name)))
    watch = Watch(job, lambda notify: work.execute(job.function, work.pack([1]), job.result, notify))
    watch.finish()
    print(repr((watch.printed, answer.read_answer(job.result).done)), flush=True)
    job.result.unlink()
# not ru_maxrss, which a process has from the one that started it: getrusage(2), execve(2)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""
PATH = [str(Path(__file__).parent), str(Path(spool.__file__).parents[2])]


def test_a_watched_task_whatever_becomes_of_it(tmp_path: Path) -> None:
    """As those of a worker; here too the streams are those of a process of its own, and not of a test."""
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED.format(path=PATH)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    said, shout, died, most = done.stdout.splitlines()
    printed, items = ast.literal_eval(said)
    assert sorted(printed.splitlines()) == ["from C", "from Python", "from a child", "to its errors"]
    assert items == (0,)
    check_shout(ast.literal_eval(shout)[0])
    assert ast.literal_eval(died) == ("last words\n", ())
    assert int(most) * 1024 < 300e6  # of HUGE, nothing is kept in between


def check_shout(printed: str) -> None:
    assert printed.startswith("first\n")
    assert printed.endswith("xlast\n")
    assert f"[... {HUGE * 10**6 + 11 - spool.HEAD - spool.TAIL:,} bytes are left out here ...]" in printed


_ALONE = """
import sys
sys.path[:0] = {path!r}
import test_prints
from wq_runner.remote import prints
for name in ("says", "shouts", "says"):
    with prints.captured() as printed:
        getattr(test_prints, name)(0)
    print(repr(printed.text))
with prints.captured(), prints.captured() as printed:
    print("inner")
print(repr(printed.text), "visible", flush=True)
with prints.captured():
    test_prints.dies(0)
"""


def test_a_process_that_nobody_watches(tmp_path: Path) -> None:
    """As those of a pool, of Dask and of Parsl."""
    with (tmp_path / "err").open("w") as errors:
        done = subprocess.run(
            [sys.executable, "-c", _ALONE.format(path=PATH)],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            check=False,
        )
    assert done.returncode == 3
    first, shout, again, *rest = done.stdout.splitlines()
    for one in (first, again):
        text = ast.literal_eval(one)
        assert sorted(text.splitlines()) == ["from C", "from Python", "from a child", "to its errors"]
    check_shout(ast.literal_eval(shout))
    assert rest == ["'' visible"]
    # its helper says it, once the process is gone
    for _ in range(2000):
        if "last words" in (tmp_path / "err").read_text():
            break
        threading.Event().wait(0.01)
    assert (tmp_path / "err").read_text() == "last words\n"


def test_in_ones_own_process_it_is_printed_as_well(capsys: Any) -> None:
    with prints.overheard() as printed:
        print("mine")
        other = threading.Thread(target=lambda: print("of a progress bar"))
        other.start()
        other.join()
    print("after")
    assert printed.text == "mine\n"
    assert capsys.readouterr().out == "mine\nof a progress bar\nafter\n"


def test_exceptions_are_bounded_wherever_they_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # an answer also says what the tasks before it in this process have read
    for name in ("built", "loaded", "late"):
        monkeypatch.setattr(reads.recorder, name, reads._Noted())

    def fail(size: int) -> None:
        raise ValueError("begin" + "x" * size + "end")

    def fail_to_say(_: Any) -> None:
        class MuteError(Exception):
            def __str__(self) -> str:
                raise RuntimeError

        raise MuteError

    def warn(_: Any) -> dict[str, int]:
        warnings.filterwarnings("always")
        for _ in range(3):
            warnings.warn("careful", stacklevel=1)
        return {"n": 1}

    for function, item in ((fail, 5_000_000), (fail_to_say, 0), (warn, 0)):
        (tmp_path / "function").write_bytes(functions.preamble() + dill.dumps(function))
        work.execute(tmp_path / "function", work.pack([item]), tmp_path / "result")
        found = answer.read_answer(tmp_path / "result")
        assert (tmp_path / "result").stat().st_size < 100_000
        if function is fail:
            (one,) = found.failures
            assert one.message.startswith("beginxxx")
            assert one.message.endswith("xxxend")
            assert f"{5_000_008 - failure.MESSAGE:,} characters are left out" in one.message
            assert len(one.summary) < failure.MESSAGE
            (error,) = answer.read_exceptions(tmp_path / "result")
            assert isinstance(error, ValueError)
            assert len(str(error)) < 2 * failure.MESSAGE
        elif function is fail_to_say:
            assert "its text cannot be made" in found.failures[0].message
        else:
            (said,) = found.warned
            assert (said.kind, said.text, said.count) == ("UserWarning", "careful", 3)
