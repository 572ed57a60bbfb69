"""Files that follow a run, and a monitor that fails without harm."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from pathlib import Path

import journals
import pytest

from wq_runner.journal import Journal
from wq_runner.monitor import page, report, watch
from wq_runner.monitor.status import Status, tail
from wq_runner.monitor.ticker import Ticker
from wq_runner.monitor.view import RunView
from wq_runner.monitor.watch import Watch
from wq_runner.system import RunPaths


def play(listener: Watch, events: list[journals.Timed]) -> None:
    now = 0.0
    record = Journal(None, listeners=[listener], clock=lambda: now)
    for when, event in events:
        now = when
        record.record(event)
    assert record.listeners == [listener]


def test_files_are_there_at_the_end(tmp_path: Path) -> None:
    paths = RunPaths(root=tmp_path)
    paths.debug_log.write_text("something happened\n")
    watching = Watch(paths)
    play(watching, journals.simple())
    watching.finish({"exit_code": 3})
    found = json.loads(paths.status_json.read_text())
    assert (found["state"], found["total"]["done"], found["log"]) == ("partial", 700, ["something happened"])
    for path in (paths.status_page, paths.report):
        assert "OSError: no" in path.read_text()
    assert not list(tmp_path.glob(".status*"))  # nothing half-written is left


def test_files_are_always_whole(tmp_path: Path, simple: RunView) -> None:
    paths = RunPaths(root=tmp_path)
    status = Status(paths, lambda: simple, every=0.001)
    status.write()
    status.start()
    end = time.monotonic() + 1.0
    reads = 0
    while time.monotonic() < end:
        assert json.loads(paths.status_json.read_text())["format"] == 1
        assert paths.status_page.read_text().endswith("</html>\n")
        reads += 1
    status.stop()
    assert reads > 20


def test_nothing_that_fails_reaches_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **options: object) -> str:
        raise RuntimeError("broken")

    paths = RunPaths(root=tmp_path)
    watching = Watch(paths)
    monkeypatch.setattr(page, "status_page", broken)
    monkeypatch.setattr(report, "report_page", broken)
    monkeypatch.setattr(watching._collector, "take", broken)
    play(watching, journals.simple())
    watching.finish({})
    assert not paths.report.exists()


def test_a_directory_that_cannot_be_written_harms_nobody(tmp_path: Path) -> None:
    paths = RunPaths(root=tmp_path / "gone")
    watching = Watch(paths)
    play(watching, journals.simple())
    watching.finish({})
    assert watching.look().total.done == 700


def test_a_ticker_goes_on_after_a_failure() -> None:
    calls = []
    enough = threading.Event()

    def call() -> None:
        calls.append(time.monotonic())
        if len(calls) >= 3:
            enough.set()
        raise OSError("the disk is full")

    ticker = Ticker("test", call, every=0.01)
    ticker.start()
    assert enough.wait(10)
    ticker.stop()
    assert ticker.failed


def test_a_ticker_that_costs_more_calls_less() -> None:
    def call() -> None:
        end = time.thread_time() + 0.02
        while time.thread_time() < end:
            pass

    ticker = Ticker("test", call, every=0.01, budget=0.1)
    ticker.start()
    time.sleep(1.2)
    ticker.stop()
    assert 0 < ticker.spent < 0.2


def test_a_ticker_that_hangs_is_left_alone() -> None:
    hang = threading.Event()

    def call() -> None:
        hang.wait(30)

    ticker = Ticker("test", call, every=0.01)
    ticker.start()
    time.sleep(0.1)
    before = time.monotonic()
    ticker.stop(timeout=0.2)
    assert time.monotonic() - before < 2
    hang.set()


def test_the_end_of_a_log(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert tail(path) == ()
    path.write_text("".join(f"line {number} {'x' * 30}\n" for number in range(1000)))
    found = tail(path)
    assert len(found) == 40
    assert found[-1].startswith("line 999 ")
    path.write_bytes(b"\xff\xfe")
    with contextlib.suppress(StopIteration):
        assert next(iter(tail(path)))


def test_a_report_of_an_earlier_run_does_not_stay(tmp_path: Path) -> None:
    paths = RunPaths(root=tmp_path)
    paths.report.write_text("old")
    watching = Watch(paths)
    assert not paths.report.exists()
    watching.finish({})


@pytest.fixture(autouse=True)
def no_logging(caplog: pytest.LogCaptureFixture) -> None:
    """Let warnings go to the test's log."""
    caplog.set_level("ERROR", logger=watch.__name__)
