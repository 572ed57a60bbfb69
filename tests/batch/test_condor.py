"""Workers of HTCondor: what is submitted passes its parser and runs, and the factory follows its log."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import running
from batch.following import SUMS, Follow, complete, ports
from condor import Pool

from wq_runner.workers import factory
from wq_runner.workers.catalog import Address

ROOT = Path(__file__).parents[2]
EXECUTOR = """
import sys
from coffea.nanoevents import BaseSchema
from coffea.processor import Runner
from wq_runner import WorkQueueExecutor
from wq_runner.samples import load

def count(events):
    return {"events": len(events)}

files = {one.name: [file.path for file in one.files] for one in load([sys.argv[1]])}
workers = "condor@lxplus:1x1x1500MBx1GB"
with WorkQueueExecutor(workers=workers, queue="espresso", environment="shared") as executor:
    print(Runner(executor=executor, schema=BaseSchema)(files, count, treename="Events")["events"])
"""
SIZE = ("--cores", 1, "--memory", "1GB", "--disk", "1GB")


@pytest.fixture
def named(address: Address, tmp_path: Path) -> dict[str, str]:
    """Return the environment in which the engine's programs ask the test's catalog."""
    return {"CATALOG_HOST": address.host, "CATALOG_PORT": str(address.port), "USER": "me", "LOGNAME": "me"}


def test_the_lines_of_the_manual(
    follow: Follow, pool: Pool, named: dict[str, str], samples: Path, tmp_path: Path
) -> None:
    text = (ROOT / "factory.json").read_text().replace("USER", "me")
    (tmp_path / "factory.json").write_text(text)
    with follow("wq-run", *SUMS, *ports(), "-o", "out", samples, **named) as run:
        run.says("waiting for workers as me-workqueue-coffea")
        with follow("work_queue_factory", "-Tcondor", "-Cfactory.json", "-S", tmp_path, **named):
            run.ends_well(150)
    complete(tmp_path / "out")
    assert "request_cpus = 4" in pool.descriptions()[0]
    assert "request_memory = 8000" in pool.descriptions()[0]
    running.until(lambda: not pool.jobs(), "no job is left")


def test_no_worker_of_the_shipped_file_outlives_its_factory(
    follow: Follow, named: dict[str, str], samples: Path, tmp_path: Path
) -> None:
    """One that is on this machine, where no batch system sees to it."""
    gate = tmp_path / "gate"
    gated = (*SUMS, "-p", f"{running.ANALYSIS}:Gated", "--processor-args", f"gate={gate}")
    mark = {running.MARK: uuid.uuid4().hex}
    (tmp_path / "factory.json").write_text((ROOT / "factory.json").read_text().replace("USER", "me"))
    factory = ("work_queue_factory", "-Tlocal", "-Cfactory.json", "-S", tmp_path)
    with follow("wq-run", *gated, *ports(), "-o", "out", samples, **named) as run:
        run.says("waiting for workers as me-workqueue-coffea")
        with follow(*factory, **named, **mark):
            running.until(lambda: running.accepted(tmp_path / "out") >= 1, "a worker")
            assert running.workers(mark[running.MARK])
        # a worker of release 9.9 may connect once more before it ends, two minutes later
        running.until(lambda: not running.marked(mark[running.MARK]), "nothing of it is left", patience=200)


def test_condor_submit_workers(
    follow: Follow, pool: Pool, named: dict[str, str], samples: Path, tmp_path: Path
) -> None:
    with follow("wq-run", *SUMS, *ports(), "--name", "mine", "-o", "out", samples, **named) as run:
        run.says("condor_submit_workers --cores 4 --memory 16000 --disk 16000 ")
        size = ("--cores", 4, "--memory", 16000, "--disk", 16000)
        with follow("condor_submit_workers", *size, "-M", "mine", 2, **named) as submitted:
            submitted.ends_well()
            run.ends_well()
    complete(tmp_path / "out")


def test_as_jobs(follow: Follow, pool: Pool, samples: Path, tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    options = (*ports(), "--name", "mine", "--catalog", "none", "--password-file", "auto", "-o", "out")
    with follow("wq-run", *SUMS, *options, samples, **environ) as run:
        text = run.says("waiting for workers, port ")
        place = f"127.0.0.1:{text.partition('waiting for workers, port ')[2].partition('.')[0]}"
        submit = ("submit", "condor", 2, "--manager", place, "--password-file", "auto", *SIZE)
        more = ("--queue", "workday", "--requirements", '(OpSys == "LINUX")')
        shown = running.run(*submit, *more, "--dry-run", cwd=tmp_path, name="wq-workers", **environ)
        assert shown.code == 0, shown.err
        assert not pool.descriptions()
        done = running.run(*submit, *more, cwd=tmp_path, name="wq-workers", **environ)
        assert "2 job(s) submitted to cluster 1" in done.out, done.err
        assert pool.descriptions()[0] in shown.out
        run.ends_well()
    complete(tmp_path / "out")


def test_a_run_has_a_factory_of_its_own(follow: Follow, pool: Pool, samples: Path, tmp_path: Path) -> None:
    options = ("--workers", "condor@lxplus:2", "--batch-options", '+AccountingGroup = "me"', "-o", "out")
    with follow("wq-run", *SUMS, *options, samples) as run:
        assert "2 of condor, 1 core, 2.0 GB each" in run.ends_well()
    complete(tmp_path / "out")
    assert '+JobFlavour = "workday"' in pool.descriptions()[0]
    assert '+AccountingGroup = "me"' in pool.descriptions()[0]
    assert "request_memory = 2000" in pool.descriptions()[0]
    running.until(lambda: not pool.jobs(), "no job is left")


def test_an_executor_has_a_factory_of_its_own(pool: Pool, samples: Path, tmp_path: Path) -> None:
    (tmp_path / "counting.py").write_text(EXECUTOR)
    script = [sys.executable, "counting.py", str(samples)]
    found = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=150)
    assert found.returncode == 0, found.stderr
    assert int(found.stdout) > 0
    assert '+JobFlavour = "espresso"' in pool.descriptions()[0]
    assert "request_memory = 1500" in pool.descriptions()[0]
    running.until(lambda: not pool.jobs(), "no job is left")
    assert not list(tmp_path.glob("wq-runner-*"))


def test_a_run_whose_factory_dies_leaves_no_jobs(
    follow: Follow, pool: Pool, samples: Path, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    mark = {running.MARK: uuid.uuid4().hex}
    gated = (*SUMS, "-p", f"{running.ANALYSIS}:Gated", "--processor-args", f"gate={gate}")

    def factories() -> set[int]:
        found = running.marked(mark[running.MARK]).items()
        return {pid for pid, text in found if text.split(" ")[0].endswith("work_queue_factory")}

    with follow("wq-run", *gated, "--workers", "condor:1x1x1GB", "-o", "out", samples, **mark) as run:
        running.until(lambda: running.accepted(tmp_path / "out") >= 1, "the first chunk")
        [first] = factories()
        running.kill(first)
        running.until(lambda: factories() - {first}, "another factory")
        gate.touch()
        run.ends_well()
    complete(tmp_path / "out")
    running.until(lambda: not running.marked(mark[running.MARK]), "nothing is left", patience=30)


def test_without_condor_it_is_said(follow: Follow, samples: Path) -> None:
    with follow("wq-run", *SUMS, "--workers", "condor:2", "-o", "out", samples) as run:
        assert run.ends() == 5
        assert "condor_submit is not on PATH" in run.said


def test_an_edited_factory_file_is_followed(
    follow: Follow, named: dict[str, str], samples: Path, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    gated = (*SUMS, "-p", f"{running.ANALYSIS}:Gated", "--processor-args", f"gate={gate}")
    size = ("--min", 1, "--max", 1, *SIZE)
    made = running.run(
        "factory", "-T", "local", "-M", "mine", *size, "-o", "factory.json", cwd=tmp_path, name="wq-workers"
    )
    assert made.code == 0, made.err
    mark = {running.MARK: uuid.uuid4().hex}
    with follow("wq-run", *gated, *ports(), "--name", "mine", "-o", "out", samples, **named) as run:
        run.says("waiting for workers as mine")
        with follow(
            "work_queue_factory", "-Tlocal", "-Cfactory.json", "-S", tmp_path, **named, **mark
        ):  # fmt: skip
            running.until(lambda: running.accepted(tmp_path / "out") >= 1, "one worker")
            assert len(running.workers(mark[running.MARK])) == 1
            scale = ("scale", "factory.json", "--max", 2, "--min", 2)
            done = running.run(*scale, cwd=tmp_path, name="wq-workers")
            assert done.code == 0, done.err
            assert json.loads((tmp_path / "factory.json").read_text())["max-workers"] == 2
            running.until(lambda: len(running.workers(mark[running.MARK])) == 2, "two workers", patience=60)
            gate.touch()
            run.ends_well()
        running.until(lambda: not running.workers(mark[running.MARK]), "no worker outlives the factory")
    complete(tmp_path / "out")


def test_a_broken_factory_file_is_said_and_not_followed(
    follow: Follow, pool: Pool, samples: Path, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    gated = (*SUMS, "-p", f"{running.ANALYSIS}:Gated", "--processor-args", f"gate={gate}")
    with follow("wq-run", *gated, "--workers", "condor:1x1x1GB", "-o", "out", samples) as run:
        running.until(lambda: running.accepted(tmp_path / "out") >= 1, "the first chunk")
        file = tmp_path / "out" / "workers" / "factory.json"
        good = file.read_text()
        file.write_text(good.replace('"max-workers": 1,', '"max-workers": 2'))
        run.says('factory.json:4  , or } expected, but there is "min-workers"')
        log = tmp_path / "out" / "workers" / "factory.log"
        running.until(lambda: "Using previous values" in log.read_text(), "the factory has seen it")
        assert len(pool.jobs()) == 1
        file.write_text(good)
        run.says("factory.json is right again")
        gate.touch()
        said = run.ends_well()
    assert said.count("the factory keeps what it had") == 1
    complete(tmp_path / "out")


def test_no_job_is_left_where_removing_them_one_by_one_takes_too_long(
    pool: Pool, address: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a factory does it, and each `condor_rm` waits for a busy schedd."""
    program, gate = pool.programs / "condor_rm", tmp_path / "gate"
    prompt = program.rename(tmp_path / "condor_rm")
    waiting = f"while [ $# = 1 ] && [ ! -e {gate} ]; do sleep 0.1; done"
    program.write_text(f'#!/bin/sh\n{waiting}\nexec {prompt} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setattr(factory, "GRACE", 1.0)
    settings = factory.FactorySettings(system="condor", name="nobody", catalog=address, count=2)
    workers = factory.FactoryWorkers(settings, directory=tmp_path / "workers")
    workers.prepare()
    try:
        workers.start(running.free_port())
        running.until(lambda: len(pool.jobs()) == 2, "two jobs")
        workers.stop()
        running.until(lambda: not pool.jobs(), "no job is left")
    finally:
        workers.stop()
        gate.touch()  # ends what the factory had started
