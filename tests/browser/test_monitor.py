"""A run that is watched: from its files, from other shells, from a terminal that goes away."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import nanoaod
import pytest
import running

from wq_runner.monitor import runs
from wq_runner.system import RunPaths

GATED = ("-p", f"{running.ANALYSIS}:Gated", "--schema", "BaseSchema", "--chunksize", 10)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return the fileset of one file of 60 entries; chunks of 10 but the first wait for the gate."""
    path = nanoaod.write_simple(tmp_path / "data.root", 60)
    fileset = tmp_path / "data.json"
    fileset.write_text(json.dumps({"D": [str(path)]}))
    return fileset


def arguments(data: Path, *more: object) -> list[object]:
    gate = data.with_name("gate")
    where = ("-e", "futures", "--workers", 2, "-o", data.with_name("out"))
    return [*GATED, "--processor-args", f"gate={gate}", *where, *more, data]


def status(directory: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((directory / "status.json").read_text())
    except FileNotFoundError:
        return {}
    return found


def done(directory: Path) -> int:
    return int(status(directory).get("total", {}).get("done", 0))


def test_it_is_seen_from_its_files(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with running.running(*arguments(data), cwd=tmp_path) as process:
        running.until(lambda: done(out) >= 10, "status.json with the first chunk")
        page = (out / "status.html").read_text()
        assert 'data-state="running"' in page
        shown = running.run(out, cwd=tmp_path, name="wq-status")
        assert shown.code == 0
        assert shown.out.startswith("running")
        assert "10/60" in shown.out
        listed = running.run(cwd=tmp_path, name="wq-status")
        assert "out/" in listed.out
        assert "running" in listed.out
        as_json = running.run("--json", out, cwd=tmp_path, name="wq-status")
        assert json.loads(as_json.out)["total"]["done"] == 10
        data.with_name("gate").touch()
        ended = running.finish(process)
    assert ended.code == 0, ended.err
    assert (status(out)["state"], done(out)) == ("complete", 60)
    assert "complete" in running.run(out, cwd=tmp_path, name="wq-status").out
    assert "<html" in (out / "report.html").read_text()
    assert not list(out.glob(".status*"))


def test_a_run_that_was_killed_is_told_from_one_that_runs(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with running.running(*arguments(data), cwd=tmp_path) as process:
        running.until(lambda: running.accepted(out), "the first chunk")
        process.kill()
        process.wait()
    data.with_name("gate").touch()  # lets its processes end
    shown = running.run(out, cwd=tmp_path, name="wq-status")
    assert (shown.code, shown.out.split()[0]) == (0, "died")
    report = running.run(out, cwd=tmp_path, name="wq-report")
    assert report.code == 0
    assert "died" in (out / "report.html").read_text()


def test_watching_ends_with_the_run(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with running.running(*arguments(data), cwd=tmp_path) as process:
        running.until(lambda: running.accepted(out), "the first chunk")
        watching = running.start("--watch", out, cwd=tmp_path, name="wq-status")
        data.with_name("gate").touch()
        assert running.finish(process).code == 0
        seen = running.finish(watching)
    assert seen.code == 0
    assert "complete" in seen.out


def test_the_page_over_http(data: Path, tmp_path: Path) -> None:
    with running.running(*arguments(data, "--http"), cwd=tmp_path, PYTHONUNBUFFERED="1") as process:
        said = process.stdout
        assert said is not None
        line = running.until(lambda: next((one for one in said if one.startswith("page")), ""), "the URL")
        url = line.split()[1]
        assert "ssh -N -L" in said.readline()
        assert b'data-state="running"' in read(url)
        assert json.loads(read(url.replace("/?", "/status.json?")))["state"] == "running"
        assert b"wq_runner_run_state" in read(url.replace("/?", "/metrics?"))
        with pytest.raises(urllib.error.HTTPError, match="403"):
            read(url.partition("?")[0])
        data.with_name("gate").touch()
        running.finish(process)


def read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return bytes(answer.read())


@pytest.mark.parametrize("how", ["hang up", "close"])
def test_closing_the_terminal_does_not_hurt(data: Path, tmp_path: Path, how: str) -> None:
    out = tmp_path / "out"
    pid, terminal = pty.fork()
    if pid == 0:  # a session of its own, whose terminal is ours to close
        os.chdir(tmp_path)
        os.environ |= running.SETTINGS
        os.execv(running.program("wq-run"), ["wq-run", *map(str, arguments(data))])
    running.until(lambda: os.read(terminal, 1 << 16) and running.accepted(out), "the first chunk")
    if how == "hang up":
        os.kill(pid, signal.SIGHUP)
    os.close(terminal)
    time.sleep(1.5)  # let it try to draw
    data.with_name("gate").touch()
    _, code = os.waitpid(pid, 0)
    # a lost terminal asks to stop, as SIGTERM does: what was not begun is left to the same command
    assert os.waitstatus_to_exitcode(code) in {0, 130}
    if os.waitstatus_to_exitcode(code) == 130:
        assert running.run(*arguments(data), cwd=tmp_path).code == 0
    assert running.output(out)["entries"] == 60
    assert status(out)["state"] == "complete"


def test_a_broken_pipe_does_not_hurt(data: Path, tmp_path: Path) -> None:
    data.with_name("gate").touch()
    command = [running.program("wq-run"), *map(str, arguments(data))]
    environ = {**os.environ, **running.SETTINGS}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stderr.close()
        assert process.wait(running.PATIENCE) == 0
    assert running.output(tmp_path / "out")["entries"] == 60


def test_a_monitor_that_fails_does_not_stop_the_run(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    data.with_name("gate").touch()
    for name in ("status.json", "status.html", "report.html"):
        (out / name / "in the way").mkdir(parents=True)
    ended = running.run(*arguments(data), cwd=tmp_path)
    assert ended.code == 0, ended.err
    assert running.output(out)["entries"] == 60
    assert running.summary(out)["complete"] is True
    assert "Traceback" not in ended.out


def test_work_queue_draws_our_log_too(dimuon_samples: Path, tmp_path: Path) -> None:
    processor = nanoaod.DIMUON / "processor.py"
    options = ("-p", f"{processor}:Dimuon", "--workers", "local:1", "-o", "out")
    running.run_well(*options, dimuon_samples, cwd=tmp_path)
    log = tmp_path / "out" / "stats.log"
    drawn = subprocess.run(
        ["work_queue_graph_log", "-Tpng", "-s", "0.1", "-o", "theirs", str(log)],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    theirs = list(tmp_path.glob("theirs.*.png"))
    assert len(theirs) == 9, drawn.stdout + drawn.stderr
    ours = running.run("plot", log, cwd=tmp_path, name="wq-report")
    assert ours.code == 0, ours.err
    assert len(list((tmp_path / "out" / "plots").glob("*.png"))) > len(theirs)
    view = runs.load(RunPaths(root=tmp_path / "out"))
    assert view.core_time.available > 0
    assert view.memory[0].most > 0
