"""Batch jobs without a manager: exported, run, broken, checked, submitted again, merged.

The jobs' own script runs here, as a batch system runs it; tests/batch has the batch systems.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import nanoaod
import pyarrow.parquet
import pytest
import running
from repositories import Repository

COMMON = ("-p", "mine.py:Sums", "--schema", "BaseSchema", "--chunksize", 100)
JOBS = {"0000": ("one", 400), "0001": ("one", 201), "0002": ("two", 400)}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An analysis with samples of two datasets, of 3 and 2 files."""
    fileset = {
        name: {
            "files": [
                str(nanoaod.write_simple(tmp_path / name / f"{i}.root", 200 + i // 2)) for i in range(number)
            ],
            "metadata": {"isData": False},
        }
        for name, number in (("one", 3), ("two", 2))
    }
    (tmp_path / "samples.json").write_text(json.dumps(fileset))
    (tmp_path / "mine.py").write_text(running.ANALYSIS.read_text())
    return tmp_path


def export(place: Path, *options: object, system: str = "slurm", **environ: str) -> running.Ended:
    """Make the folder `jobs`."""
    words = ("-o", "jobs", *COMMON, "--files-per-job", 2, *options, "samples.json")
    ended = running.run("export", system, *words, cwd=place, **environ)
    assert ended.code == 0, ended.out + ended.err
    return ended


def report(command: str, *words: object, place: Path) -> running.Ended:
    return running.run(command, *words, cwd=place, name="wq-report")


def start(place: Path, job: str, **environ: str) -> subprocess.Popen[bytes]:
    """Run a job as a batch system does: elsewhere, and in a session of its own."""
    scratch = place / "scratch"
    scratch.mkdir(exist_ok=True)
    log = place / "jobs" / "logs" / f"{job}.out"
    with log.open("wb") as stream:
        return subprocess.Popen(
            ["/bin/sh", place / "jobs" / "job.sh", job],
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "TMPDIR": str(scratch), **environ},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )


def run(place: Path, *jobs: str, code: int = 0, **environ: str) -> None:
    """Run jobs to their end, side by side."""
    processes = {job: start(place, job, **environ) for job in jobs}
    for job, process in processes.items():
        assert process.wait(running.PATIENCE) == code, (place / "jobs" / "logs" / f"{job}.out").read_text()
    assert not list((place / "scratch").glob("wq-job-*"))  # nothing of it stays on the node


def submitted(path: Path) -> list[str]:
    """The jobs of a submit file."""
    found = re.search(r"^(?:set --|queue job in) \(?([\d ]+)", path.read_text(), re.MULTILINE)
    assert found is not None
    return found[1].split()


@pytest.fixture
def plain(place: Path) -> Path:
    """What one run of everything gives."""
    running.run_well(*COMMON, "-e", "iterative", "-o", "plain", "samples.json", cwd=place)
    return place / "plain"


def test_broken_checked_resubmitted_and_merged(place: Path, plain: Path) -> None:
    gate = place / "gate"
    gate.touch()
    export(place, "-p", "mine.py:Gated", "--processor-args", f"gate={gate}")
    run(place, "0000", "0002")
    # one job is killed in the middle, with all of its processes
    gate.unlink()
    killed = start(place, "0001")
    scratch = place / "scratch"
    running.until(lambda: list(scratch.glob("wq-job-*/result/ledger/*")), "its first chunk")
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    # the output of another is cut
    output = place / "jobs" / "results" / "0002" / "output.coffea"
    output.write_bytes(output.read_bytes()[:-50])
    checked = report("check", "jobs", place=place)
    assert checked.code == 3
    assert "2 of 3 jobs are not done" in checked.error
    assert re.search(r"one +1 done +1 no result +0 damaged +400 of 601 events", checked.out), checked.out
    assert re.search(r"0001 +no result", checked.out)
    assert re.search(r"0002 +damaged +output.coffea has \d+ of \d+ bytes", checked.out)
    refused = report("merge", "jobs", place=place)
    assert refused.code == 2
    assert "2 of 3 jobs are not done (0001, 0002)" in refused.error
    again = report("check", "--resubmit", "jobs", place=place)
    assert again.code == 3
    assert "to run them again: jobs/resubmit-1-submit.sh" in again.error
    files = sorted((place / "jobs" / "submit").glob("resubmit-1-*"))
    assert [submitted(path) for path in files] == [["0001"], ["0002"]]
    shutil.rmtree(scratch)
    gate.touch()
    run(place, "0001", "0002")
    checked = report("check", "jobs", place=place)
    assert checked.code == 0, checked.out + checked.err
    assert "all 3 jobs" in checked.out
    assert (place / "jobs" / "replaced" / "0002-1" / "run.json").exists()
    merged = report("merge", "jobs", place=place)
    assert merged.code == 0, merged.err
    assert running.output(place / "jobs" / "merged") == running.output(plain)
    whole = running.summary(place / "jobs" / "merged")
    assert whole["complete"] is True
    assert {name: one["events_processed"] for name, one in whole["datasets"].items()} == {
        "one": 601,
        "two": 400,
    }
    assert whole["samples"] == ["samples.json"]
    # what a job was given is damaged afterwards, or was when it ran
    given = place / "jobs" / "samples" / "0002.json"
    given.write_text(given.read_text().replace("0.root", "1.root"))
    checked = report("check", "jobs", place=place)
    assert re.search(r"0002 +damaged +samples/0002.json is not what was exported", checked.out), checked.out
    assert "not what was exported" in report("check", "--resubmit", "jobs", place=place).error
    assert whole["options"]["processor"] == {"value": "mine.py:Gated", "origin": "command line"}


def test_the_folder(place: Path) -> None:
    values = ("--memory", "default=3GB,two=1GB", "--chunksize", "default=100,tw*=50")
    ended = export(place, *values, "--queue", "long", "--time", "2h", "--cluster-per", "job")
    jobs = json.loads((place / "jobs" / "export.json").read_text())["jobs"]
    assert {one["name"]: (one["dataset"], one["events"]) for one in jobs} == JOBS
    assert "jobs         3, for 1,001 events" in ended.out
    files = sorted((place / "jobs" / "submit").iterdir())
    assert [path.name for path in files] == ["one-0000.sbatch", "one-0001.sbatch", "two-0002.sbatch"]
    text = files[0].read_text()
    for option in ("--mem=3072M", "--partition=long", "--time=120", "--cpus-per-task=1"):
        assert f"#SBATCH {option}\n" in text
    assert "--array" not in text
    assert "#SBATCH --mem=1024M\n" in files[2].read_text()
    run(place, *JOBS)  # what is said of other datasets is no matter of a job
    results = [running.summary(place / "jobs" / "results" / name) for name in JOBS]
    assert [one["options"]["chunksize"]["value"] for one in results] == [100, 100, 50]
    before = {path: path.read_bytes() for path in (place / "jobs").rglob("*") if path.is_file()}
    words = ("-o", "jobs", *COMMON, "samples.json")
    refused = running.run("export", "condor", *words, cwd=place)
    assert refused.code == 2
    assert "there is an export in jobs already" in refused.error
    assert before == {path: path.read_bytes() for path in (place / "jobs").rglob("*") if path.is_file()}


def test_only_what_was_selected(place: Path) -> None:
    selection = ("--select", "one:0.root:50-150", "--select", "two", "--limit-files", 1)
    export(place, *selection)
    run(place, "0000", "0001")
    assert report("check", "jobs", place=place).code == 0
    assert report("merge", "jobs", "-o", "sum", place=place).code == 0
    running.run_well(*COMMON, *selection, "-e", "iterative", "-o", "plain", "samples.json", cwd=place)
    found = running.output(place / "sum")
    assert found == running.output(place / "plain")
    assert found["entries"] == 300


@pytest.mark.parametrize("scheme", ["group:isData", "files:2"])
def test_outputs_in_parts(scheme: str, place: Path) -> None:
    """Of each job, and of their sum as of a plain run."""
    from coffea.util import load

    export(place, "--outputs", scheme)
    run(place, *JOBS)
    merged = report("merge", "jobs", place=place)
    assert merged.code == 0, merged.err
    plain = ("-e", "iterative", "--outputs", scheme, "-o", "plain", "samples.json")
    running.run_well(*COMMON, *plain, cwd=place)
    found, wanted = (
        {path.name: load(path) for path in (directory / "outputs").iterdir()}
        for directory in (place / "jobs" / "merged", place / "plain")
    )
    assert found == wanted
    assert len(found) == (1 if scheme == "group:isData" else 3)


def test_code_that_travels(place: Path, plain: Path) -> None:
    """Where nothing of this machine is but a python3 with coffea, and other options in the shell."""
    export(place, "--environment", "none", system="condor")
    shutil.move(place / "mine.py", place / "gone.py")
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    run(place, *JOBS, PATH=path, WQ_RUNNER_CHUNKSIZE="7")
    shutil.move(place / "gone.py", place / "mine.py")
    assert report("merge", "jobs", place=place).code == 0
    assert running.output(place / "jobs" / "merged") == running.output(plain)
    summary = running.summary(place / "jobs" / "results" / "0000")
    assert summary["options"]["processor"]["value"] == "mine:Sums"
    assert summary["options"]["chunksize"]["value"] == 100


def test_staged_out(place: Path, plain: Path) -> None:
    export(place, "--stage-out", "there", "-p", "mine.py:Writer")
    run(place, *JOBS)
    assert sorted(path.name for path in (place / "there").iterdir()) == [*JOBS, "wq-run-owner.json"]
    words = ("-o", "more", *COMMON, "--files-per-job", 2, "--stage-out", "there", "samples.json")
    refused = running.run("export", "slurm", *words, cwd=place)
    assert "has the result of another run" in refused.error
    assert not (place / "jobs" / "results" / "0000" / "output.coffea").exists()
    assert report("check", "jobs", place=place).code == 0
    (written,) = (place / "there" / "0001" / "files").rglob("*_0-*.parquet")
    content = written.read_bytes()
    written.write_bytes(content[:-10])
    checked = report("check", "jobs", place=place)
    assert checked.code == 3
    assert "the result is damaged or incomplete (files/one/" in checked.out
    written.write_bytes(content)
    assert report("merge", "jobs", place=place).code == 0
    merged = place / "jobs" / "merged"
    assert running.output(merged)["entries"] == running.output(plain)["entries"] == 1001
    rows = [pyarrow.parquet.read_metadata(path).num_rows for path in (merged / "files").rglob("*.parquet")]
    assert sum(rows) == running.output(merged)["written"]


def test_a_job_that_cannot_stage_out_brings_it_back(place: Path) -> None:
    export(place, "--stage-out", "there")
    shutil.rmtree(place / "there")
    (place / "there").write_text("a file in the way")
    run(place, "0000", code=98)
    assert (place / "jobs" / "results" / "0000" / "output.coffea").exists()
    checked = report("check", "jobs", place=place)
    assert re.search(r"0000 +failed +exit code 98", checked.out), checked.out


def test_a_processor_that_fails_is_named(place: Path) -> None:
    code = (place / "mine.py").read_text()
    export(place)
    (place / "mine.py").write_text(
        code.replace("x = np.asarray", "raise ValueError('no x')\n        x = np.asarray", 1)
    )
    run(place, "0000", code=6)
    checked = report("check", "jobs", place=place)
    assert re.search(r"0000 +failed +exit code 6: the processor failed", checked.out), checked.out


def test_jobs_that_ran_other_code_are_not_merged(place: Path) -> None:
    export(place)
    run(place, "0000", "0001")
    (place / "mine.py").write_text((place / "mine.py").read_text() + "\nCHANGED = 1\n")
    run(place, "0002")
    refused = report("merge", "jobs", place=place)
    assert refused.code == 2
    assert re.search(r"job 0000 and job 0002 differ in the code \((.*/)?mine.py\)", refused.error)
    assert report("merge", "--accept-stale", "jobs", place=place).code == 0


def test_a_job_that_is_asked_to_end(place: Path) -> None:
    """It waits for what runs, and brings back what it has; the check knows that this is not all."""
    gated = ("-p", "mine.py:Gated", "--processor-args", f"gate={place / 'gate'}")
    export(place, *gated, "--chunksize", 5)  # more than are handed over at once
    process = start(place, "0000")
    running.until(lambda: list((place / "scratch").glob("wq-job-*/result/ledger/*")), "its first chunk")
    process.send_signal(signal.SIGTERM)
    running.until(lambda: "stopping" in (place / "jobs" / "logs" / "0000.out").read_text(), "it stops")
    (place / "gate").touch()
    assert process.wait(running.PATIENCE) == 130
    checked = report("check", "jobs", place=place)
    assert re.search(r"0000 +failed +exit code 130: interrupted", checked.out), checked.out


def test_code_from_a_repository(place: Path, plain: Path) -> None:
    repo = Repository(place / "repo")
    repo.root.mkdir()
    repo.git("init", "-q", "-b", "main")
    repo.write("lib/mine.py", running.ANALYSIS.read_text())
    repo.commit()
    repo.git("tag", "v1")
    repo.write("lib/mine.py", "raise RuntimeError('not yet')")
    repo.commit()
    export(place, "-p", "lib/mine.py:Sums", "--remote-repo", f"{repo.root.as_uri()}@v1")
    run(place, *JOBS)
    assert report("merge", "jobs", place=place).code == 0
    assert running.output(place / "jobs" / "merged") == running.output(plain)
    refused = running.run(
        "export", "slurm", "-o", "more", *COMMON, "--remote-repo", f"{repo.root.as_uri()}@v2", "samples.json",
        cwd=place,
    )  # fmt: skip
    assert refused.code == 2
    assert "v2 cannot be checked out" in refused.error
    assert not (place / "more").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("slurn",), "unknown value 'slurn'. Did you mean slurm?"),
        (("condor@lxpluss",), "there is no site lxpluss. Did you mean lxplus?"),
        (("slurm@lxplus",), "lxplus has condor, not slurm"),
        (("slurm", "--files-per-jobs", "2"), "no option --files-per-jobs. Did you mean --files-per-job?"),
        (("slurm", "--remote-repo", "https://host.example/me/x.git"), "is not URL@REF"),
        (("slurm", "--stage-out", "nosuch://x"), "nosuch"),
    ],
)
def test_what_is_refused(place: Path, words: tuple[str, ...], message: str) -> None:
    ended = running.run("export", *words, "-o", "jobs", *COMMON, "samples.json", cwd=place)
    assert ended.code == 2
    assert message in ended.error
    assert not (place / "jobs").exists()
