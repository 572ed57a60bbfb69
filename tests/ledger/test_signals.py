"""One signal at any moment of a run, in each executor: it ends in seconds, and the same command goes on."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
import uuid
from pathlib import Path

import nanoaod
import pytest
import running

SIGNALS = int(os.environ.get("WQ_TESTS_MOMENTS", "0"))
"""How many signals each executor gets, at moments that differ from run to run; if not said, some get one."""

FILES, EVENTS = 6, 60
PATIENCE = 40.0  # seconds until it has to have ended, on a busy machine
EXECUTORS = {
    "work_queue": ("-w", "local:2"),
    "waiting": ("--catalog", "none", "--port", "0"),
    "futures": ("-e", "futures", "-w", 2),
    "dask": ("-e", "dask", "-w", 2),
    "parsl": ("-e", "parsl", "-w", 2),
    "iterative": ("-e", "iterative"),
}


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("signals") / "data"
    for number in range(FILES):
        nanoaod.write_simple(directory / f"f{number}.root", EVENTS)
    return directory


def command(executor: str, data: Path) -> tuple[object, ...]:
    slow = ("-p", f"{Path(running.__file__).with_name('troubles.py')}:Slow", "--processor-args", "seconds=8")
    cut = ("--schema", "BaseSchema", "-c", 20, "--task-time", 0, "--treereduction", 3)
    return (*slow, *cut, *EXECUTORS[executor], "-o", "out", "--stage-out", "store", data)


def interrupt(words: tuple[object, ...], cwd: Path, moment: float, kind: signal.Signals) -> str:
    """Start a run with nothing known, send it a signal, and check how it ends; return what there was."""
    for place in ("out", "store"):
        shutil.rmtree(cwd / place, ignore_errors=True)
    mark = uuid.uuid4().hex
    environ = {running.MARK: mark, "XDG_CACHE_HOME": str(cwd / mark)}
    with running.running(*words, cwd=cwd, **environ) as process:
        time.sleep(moment)
        early = not (cwd / "out").exists()  # it may be Python itself that is being started
        process.send_signal(kind)
        told = time.monotonic()
        ended = running.finish(process, timeout=PATIENCE)
    said = ended.out + ended.err
    text = f"{kind.name} after {moment:.2f} s: {ended.code} in {time.monotonic() - told:.2f} s\n{said}"
    if not early:
        assert ended.code in {0, 130}, text
        assert "Traceback" not in said, text
    assert len(said.splitlines()) < 100, text
    running.until(lambda: not running.marked(mark), f"the end of all that {text}", patience=20)
    return text


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_signal_at_any_moment(data: Path, tmp_path: Path, executor: str) -> None:
    if not SIGNALS and executor not in {"iterative", "waiting"}:
        pytest.skip("takes a minute for each executor: WQ_TESTS_MOMENTS=30 sends them all signals")
    dice, words = random.Random(), command(executor, data)
    whole, ends = 6.0, executor != "waiting"
    if ends:
        whole = running.run_well(*words, cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path / "first")).seconds
    for _ in range(SIGNALS or 1):
        moment, kind = dice.uniform(0.1, whole), dice.choice([signal.SIGINT, signal.SIGTERM])
        print(interrupt(words, tmp_path, moment, kind))
    if ends:
        running.run_well(*words, cwd=tmp_path)
        for place in ("out", "store"):
            assert running.output(tmp_path / place)["entries"] == FILES * EVENTS
