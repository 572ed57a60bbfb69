"""The executors besides work_queue: what fails, what is refused and said, and that nothing stays behind."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import nanoaod
import pytest
import running

from wq_runner.run_events import TaskEnded

FILES, EVENTS = 4, 100
SUMS = ("-p", f"{running.ANALYSIS}:Sums", "--schema", "BaseSchema", "--chunksize", 50, "--task-time", 0)
TROUBLED = Path(running.__file__).with_name("troubles.py")


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("executors") / "data"
    for number in range(FILES):
        nanoaod.write_simple(directory / f"f{number}.root", EVENTS)
    return directory


def check_complete(directory: Path) -> None:
    found = running.output(directory)
    assert (found["entries"], found["chunks"]) == (FILES * EVENTS, FILES * 2)
    assert found["sum"] == FILES * sum(range(EVENTS))
    assert running.summary(directory)["complete"] is True


def attempts(directory: Path, category: str) -> list[TaskEnded]:
    ended = [event for event in running.events_of(directory) if isinstance(event, TaskEnded)]
    return [event for event in ended if event.category == category]


@pytest.mark.parametrize("executor", ["iterative", "futures"])  # of each engine: engine/test_engines.py
def test_the_users_exception(data: Path, tmp_path: Path, executor: str) -> None:
    failing = ("-p", f"{TROUBLED}:Troubled", "--processor-args", "what=error", *SUMS[2:])
    ended = running.run(*failing, "-e", executor, "-w", 2, "-o", "out", data, cwd=tmp_path)
    assert ended.code == 6
    assert "ValueError: on purpose, from entry" in ended.error
    assert "troubles.py" in ended.error


@pytest.mark.parametrize("executor", ["dask", "parsl"])
def test_a_crash_is_cut_out(data: Path, tmp_path: Path, executor: str) -> None:
    args = ("what=exit", "file=f1.root", "entry=70")
    failing = ("-p", f"{TROUBLED}:Troubled", *(word for one in args for word in ("--processor-args", one)))
    options = (*failing, *SUMS[2:], "--min-chunk", 50, "-e", executor, "-w", 2, "-o", "out")
    # by its path, as in an environment that is not activated
    ended = running.run(*options, data, cwd=tmp_path, PATH=os.defpath)
    assert ended.code == 3, ended.out + ended.err
    assert running.output(tmp_path / "out")["entries"] == FILES * EVENTS - 50
    assert "f1.root events 50-100" in ended.error


@pytest.mark.parametrize("executor", ["futures", "dask", "parsl"])
def test_killed_it_leaves_nothing_behind(data: Path, tmp_path: Path, executor: str) -> None:
    mark = uuid.uuid4().hex
    waiting = ("-p", f"{running.ANALYSIS}:Gated", "--processor-args", f"gate={tmp_path / 'gate'}", *SUMS[2:])
    options = (*waiting, "-e", executor, "-w", 2, "-o", "out")
    with running.running(*options, data, cwd=tmp_path, **{running.MARK: mark}) as process:
        running.until(lambda: running.accepted(tmp_path / "out") >= 2)
        assert running.marked(mark)
        process.kill()
        process.wait()
    (tmp_path / "gate").touch()
    running.until(lambda: not running.marked(mark), f"the end of {running.marked(mark)}")
    ended = running.run_well(*options, data, cwd=tmp_path)
    assert "resuming" in ended.out
    check_complete(tmp_path / "out")


# -- what is said


def test_where_dask_can_be_watched_and_what_it_lacks(data: Path, tmp_path: Path) -> None:
    more = ("--memory", "1GB", "--treereduction", 3, "-o", "out")
    ended = running.run_well(*SUMS, "-e", "dask", "-w", 1, *more, data, cwd=tmp_path)
    assert "dashboard    http://127.0.0.1:" in ended.out
    assert "from elsewhere: ssh -N -L " in ended.out
    assert "with dask nothing limits memory, unless --memory does, nothing chooses another host" in ended.out
    assert "; without effect: --environment\n" in ended.out
    report = (tmp_path / "out" / "dask-report.html").read_text()
    assert "bokeh" in report
    assert "deliver" in report
    assert ended.err == ""
    check_complete(tmp_path / "out")
    assert {one.ending for one in attempts(tmp_path / "out", "accumulating")} == {"returned"}


def test_dask_without_its_dashboard(data: Path, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden" / "bokeh"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ImportError\n")
    options = (*SUMS, "-e", "dask", "-w", 1, "-o", "out", data)
    ended = running.run_well(*options, cwd=tmp_path, PYTHONPATH=str(hidden.parent))
    assert "dashboard" not in ended.out
    assert not (tmp_path / "out" / "dask-report.html").exists()
    assert ended.err == ""
    check_complete(tmp_path / "out")


# -- a scheduler, and a configuration, of one's own


@contextlib.contextmanager
def scheduler(directory: Path) -> Iterator[str]:
    """Run a Dask scheduler and a worker as users start them, in a directory of their own."""
    directory.mkdir()
    began: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> None:
        with (directory / f"{words[0]}.log").open("wb") as log:
            command = [sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:]]
            began.append(subprocess.Popen(command, cwd=directory, stdout=log, stderr=subprocess.STDOUT))

    try:
        page = "--dashboard-address=127.0.0.1:0"
        start("scheduler", "--host=127.0.0.1", "--port=0", page, "--scheduler-file=where.json")
        where = directory / "where.json"
        running.until(lambda: where.exists() and where.read_text().rstrip().endswith("}"), "the scheduler")
        start("worker", "--scheduler-file=where.json", "--nthreads=2", page, "--host=127.0.0.1")
        yield json.loads(where.read_text())["address"]
    finally:
        for process in reversed(began):
            process.terminate()
        for process in began:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def test_a_scheduler_whose_workers_do_not_see_our_files(data: Path, tmp_path: Path) -> None:
    # /proc/self is another place for each process: what lies below it can only travel
    (tmp_path / "run").mkdir()
    with scheduler(tmp_path / "dask") as address:
        out = "/proc/self/cwd/out"
        more = ("-e", f"dask@{address}", "-o", out, "--wait-time", 60, "--treereduction", 3)
        ended = running.run_well(*SUMS, *more, data, cwd=tmp_path / "run")
        assert f"those of the Dask scheduler {address}" in ended.out
        check_complete(tmp_path / "run" / "out")
        assert all(one.bytes_received for one in attempts(tmp_path / "run" / "out", "processing"))
        # nor are results sent out again to be added up
        assert {one.ending for one in attempts(tmp_path / "run" / "out", "accumulating")} == {"transfer"}
        # it is not ours to end
        again = ("-e", f"dask/{address}", "-o", "again")
        running.run_well(*SUMS, *again, data, cwd=tmp_path / "run")
        check_complete(tmp_path / "run" / "again")


def test_a_scheduler_that_goes_away(data: Path, tmp_path: Path) -> None:
    gated = ("-p", f"{running.ANALYSIS}:Gated", "--processor-args", f"gate={tmp_path / 'gate'}", *SUMS[2:])
    with contextlib.ExitStack() as stack:
        address = stack.enter_context(scheduler(tmp_path / "dask"))
        options = (*gated, "-e", f"dask@{address}", "-o", "out")
        with running.running(*options, data, cwd=tmp_path) as process:
            running.until(lambda: running.accepted(tmp_path / "out") >= 1)
            stack.close()
            ended = running.finish(process)
    assert ended.code == 5
    assert "the Dask scheduler went away" in ended.error
    (tmp_path / "gate").touch()
    ended = running.run_well(*gated, "-e", "futures", "-w", 2, "-o", "out", data, cwd=tmp_path)
    assert "resuming" in ended.out
    check_complete(tmp_path / "out")


def test_no_scheduler_there(data: Path, tmp_path: Path) -> None:
    address = f"tcp://127.0.0.1:{running.free_port()}"
    ended = running.run(*SUMS, "-e", f"dask@{address}", "-o", "out", data, cwd=tmp_path)
    assert ended.code == 5
    assert f"no Dask scheduler answers at {address}" in ended.error


def test_a_configuration_of_parsl(data: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from parsl.config import Config\n"
        "from parsl.executors import ThreadPoolExecutor\n"
        "config = Config(executors=[ThreadPoolExecutor(max_threads=2)], usage_tracking=0)\n"
    )
    ended = running.run_well(*SUMS, "-e", "parsl@mine.py", "-o", "out", data, cwd=tmp_path)
    assert "as mine.py says" in ended.out
    check_complete(tmp_path / "out")
    (tmp_path / "empty.py").write_text("config = 3\n")
    ended = running.run(*SUMS, "-e", "parsl@empty.py", "-o", "none", data, cwd=tmp_path)
    assert ended.code == 2
    assert "empty.py defines no `config` that is a parsl.config.Config, but int" in ended.error


def test_a_site_of_dask_that_refuses_all_jobs_ends_the_run(data: Path, tmp_path: Path) -> None:
    """In one message, which names the batch system; without it, Dask waits for ever."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {
        "sbatch": "echo 'sbatch: error: invalid partition specified: lang' >&2; exit 1",
        "scontrol": "exit 0",
        "sinfo": "exit 0",
        "squeue": "exit 0",
        "scancel": "exit 0",
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    config = tmp_path / "config" / "wq-runner"
    config.mkdir(parents=True)
    (config / "sites.yaml").write_text("here: {system: slurm, description: this machine}\n")
    environ = {"PATH": f"{programs}:{os.environ['PATH']}", "XDG_CONFIG_HOME": str(config.parent)}
    ended = running.run(*SUMS, "-e", "dask@here", "-w", "2x1x1GB", "-o", "out", data, cwd=tmp_path, **environ)
    assert ended.code == 5, ended.out + ended.err
    [first] = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    said = "sbatch: error: invalid partition specified: lang"
    assert first == f"error: none of the 2 jobs of workers could be submitted: {said}"
    assert (ended.out + ended.err).count("invalid partition") == 1
    assert "Traceback" not in ended.out + ended.err
