"""Batch jobs that need no manager, submitted to a real Slurm and through HTCondor's real parser."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nanoaod
import pytest
import running
from batch import xrootd
from batch.following import Follow
from batch.slurm import Slurm
from condor import Pool

COMMON = (
    "-p", "mine.py:Sums", "--schema", "BaseSchema", "--chunksize", 50, "--memory", "500MB", "--disk", "1GB"
)  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An analysis with samples of two datasets of three files."""
    fileset = {
        name: {"files": [str(nanoaod.write_simple(tmp_path / name / f"{i}.root", 100)) for i in range(3)]}
        for name in ("one", "two")
    }
    (tmp_path / "samples.json").write_text(json.dumps(fileset))
    (tmp_path / "mine.py").write_text(running.ANALYSIS.read_text())
    return tmp_path


def export(place: Path, system: str, *options: object) -> None:
    words = ("-o", "jobs", *COMMON, "--files-per-job", 2, *options, "samples.json")
    ended = running.run("export", system, *words, cwd=place)
    assert ended.code == 0, ended.out + ended.err


def scratch(place: Path) -> Path:
    """Return where the jobs work, so that what other tests leave is not taken for theirs."""
    path = place / "scratch"
    path.mkdir(exist_ok=True)
    return path


def has_results(work: Path) -> bool:
    return any((work / "result" / "ledger").glob("*"))


def submit(place: Path, script: str = "submit.sh") -> str:
    done = subprocess.run(
        [place / "jobs" / script],
        cwd="/",
        env={**os.environ, "TMPDIR": str(scratch(place))},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def report(command: str, *words: object, place: Path) -> running.Ended:
    return running.run(command, *words, "jobs", cwd=place, name="wq-report")


def logs(place: Path) -> str:
    return "\n".join(path.read_text(errors="replace") for path in sorted((place / "jobs" / "logs").iterdir()))


def equals_a_plain_run(place: Path) -> None:
    checked = report("check", place=place)
    assert checked.code == 0, checked.out + checked.err + logs(place)
    merged = report("merge", place=place)
    assert merged.code == 0, merged.err
    running.run_well(*COMMON, "-e", "iterative", "-o", "plain", "samples.json", cwd=place)
    found = running.output(place / "jobs" / "merged")
    assert found == running.output(place / "plain")
    assert found["entries"] == 600


def test_slurm(follow: Follow, cluster: Slurm, place: Path) -> None:
    """An array for each dataset; one job is cancelled, one output is cut, and both run again."""
    gate = place / "gate"
    gated = ("-p", "mine.py:Gated", "--processor-args", json.dumps({"gate": str(gate), "free": 1}))
    export(place, "slurm", *gated, "--queue", "short")
    assert submit(place).count("Submitted batch job") == 2
    running.until(lambda: len(cluster.running()) == 4, "all jobs run")
    running.until(lambda: sum(map(has_results, scratch(place).iterdir())) == 4, "each has its first chunk")
    (first,) = [
        line.split()[0]
        for line in cluster.command("squeue", "--noheader", "--array", "--format=%i %j").splitlines()
        if line.endswith("one") and "_1 " in line
    ]
    cluster.command("scancel", "--signal=KILL", "--full", first)
    # Slurm says CG while it still waits for a job that it asked to end: it would pass the gate
    running.until(lambda: len(cluster.jobs()) == 3, "it is gone")
    gate.touch()
    running.until(lambda: not cluster.jobs(), "the jobs ended")
    output = place / "jobs" / "results" / "0002" / "output.coffea"
    output.write_bytes(output.read_bytes()[:-20])
    checked = report("check", "--resubmit", place=place)
    assert checked.code == 3
    assert "2 of 4 jobs are not done" in checked.error, checked.out + logs(place)
    assert submit(place, "resubmit-1-submit.sh").count("Submitted batch job") == 2
    running.until(lambda: not cluster.jobs(), "the jobs ended")
    equals_a_plain_run(place)


def test_condor(pool: Pool, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what the description transfers is there, and comes back; the code travels in the overlay."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    export(place, "condor@lxplus", "--environment", "none")
    assert submit(place).count("submitted to cluster") == 2
    assert '+JobFlavour = "workday"' in pool.descriptions()[0]
    assert "request_memory = 500MB" in pool.descriptions()[0]
    results = place / "jobs" / "results"
    running.until(lambda: len(list(results.glob("*/exit_code"))) == 4 and not pool.jobs(), "all came back")
    (results / "0003" / "ledger").rename(results / "0003" / "no-ledger")
    checked = report("check", "--resubmit", place=place)
    assert checked.code == 3
    assert "1 of 4 jobs are not done" in checked.error, checked.out + logs(place)
    submit(place, "resubmit-1-submit.sh")
    running.until((results / "0003" / "exit_code").exists, "it came back")
    equals_a_plain_run(place)


def test_staged_out_by_xrootd(pool: Pool, place: Path) -> None:
    empty = place / "empty"
    empty.mkdir()
    with xrootd.xrootd(empty) as server:
        export(place, "condor", "--environment", "shared", "--stage-out", f"{server.url}jobs")
        submit(place)
        results = place / "jobs" / "results"
        running.until(
            lambda: len(list(results.glob("*/exit_code"))) == 4 and not pool.jobs(), "all came back"
        )
        assert len(list((server.data / "jobs").glob("*/run.json"))) == 4, logs(place)
        assert not list(results.glob("*/output.coffea"))
        equals_a_plain_run(place)
