"""What --executor says: names, places, packages, and jobs of Dask as a site wants them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import dask_jobqueue
import htcondor2
import pytest

from wq_runner.config import executors
from wq_runner.config.executors import Backend
from wq_runner.config.options import RunOptions, defaulted
from wq_runner.config.resolved import resolve
from wq_runner.errors import EngineError, UsageError
from wq_runner.executors import backends
from wq_runner.units import GB
from wq_runner.workers import jobqueue, sites, spec


@pytest.mark.parametrize(
    ("text", "name", "place"),
    [
        ("dask", "dask", ""),
        ("dask@lxplus", "dask", "lxplus"),
        ("dask/lxplus", "dask", "lxplus"),
        ("dask@tcp://here:8786", "dask", "tcp://here:8786"),
        ("dask/tls://here:8786", "dask", "tls://here:8786"),
        ("parsl@sub/config.py", "parsl", "sub/config.py"),
        ("work_queue@lpc", "work_queue", "lpc"),
    ],
)
def test_an_executor_and_its_place(text: str, name: str, place: str) -> None:
    assert executors.parse(text) == Backend(name=name, place=place)


def test_a_setup_of_ones_own_has_its_own_names() -> None:
    assert executors.parse("mine@home", custom=True) == Backend(name="mine", place="home")
    with pytest.raises(ValueError, match="unknown executor 'mine'"):
        executors.parse("mine@home")


def test_work_queue_at_a_site_is_workers_of_its_batch_system() -> None:
    options = defaulted(RunOptions(executor="work_queue@lpc", workers="20x4"))
    assert (options.executor, options.workers) == ("work_queue", "condor@lpc:20x4")


def test_sizes_of_workers_that_are_said_by_themselves() -> None:
    said: dict[str, Any] = {"scaleout": 20, "cores_per_worker": 4, "mem_per_worker": 8 * GB}
    assert defaulted(RunOptions(executor="work_queue@lpc", **said)).workers == "condor@lpc:20x4x8GB"
    assert defaulted(RunOptions(executor="dask@lpc", **said)).workers == "20x4x8GB"
    assert defaulted(RunOptions(executor="dask", scaleout=3)).workers == "3"


@pytest.mark.parametrize("executor", ["dask@lpc", "dask/lpc", "work_queue@lpc"])
@pytest.mark.parametrize("workers", [None, "local:2"])
def test_how_many_has_to_be_said(executor: str, workers: str | None) -> None:
    with pytest.raises(UsageError, match="how many workers to start at lpc"):
        resolve(defaulted(RunOptions(executor=executor, workers=workers)))


def site_of(options: RunOptions) -> sites.Site | None:
    return resolve(options).executor.site


def test_the_site_says_where_files_are_also_to_dask() -> None:
    site = site_of(RunOptions(executor="dask@lpc", workers="3"))
    assert site is not None
    assert site.name == "lpc"
    assert site_of(RunOptions(executor="dask@tcp://here:1")) is None
    assert site_of(RunOptions(executor="dask", workers="3")) is None


def test_a_site_that_is_none() -> None:
    with pytest.raises(UsageError, match=r"there is no site lxpuls\. Did you mean lxplus"):
        resolve(RunOptions(executor="dask@lxpuls", workers="3"))


@pytest.mark.parametrize(
    ("executor", "module", "line"),
    [
        ("dask", "distributed", 'pip install "wq-runner[dask,dashboard]"'),
        ("dask@lpc", "dask_jobqueue", "conda install -c conda-forge distributed bokeh cryptography dask-job"),
        ("parsl", "parsl", 'pip install "wq-runner[parsl]"'),
    ],
)
def test_a_package_that_is_not_there(
    executor: str, module: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == module else there(name))
    with pytest.raises(UsageError, match=f"needs {module}, which this Python does not have") as caught:
        resolve(RunOptions(executor=executor, workers="2"))
    assert line in caught.value.hint


def test_a_configuration_that_is_not_there() -> None:
    with pytest.raises(UsageError, match=r"no such file nowhere\.py") as caught:
        resolve(RunOptions(executor="parsl@nowhere.py"))
    assert caught.value.page == "executors"
    with pytest.raises(UsageError, match="no such file slurm") as caught:
        resolve(RunOptions(executor="parsl/slurm"))  # as HiggsDNA and BTVNanoCommissioning have it
    assert "by --workers slurm:20" in caught.value.hint


# -- jobs of Dask


def told(name: str, workers: str, tmp_path: Path, more: str = "") -> dict[str, Any]:
    wanted = spec.meant(spec.at_site(name, spec.read(workers)))
    assert isinstance(wanted, spec.BatchSpec)
    return jobqueue.arguments(sites.find(name), wanted, tmp_path, python="/env/bin/python", more=more)


def test_condor_jobs_are_as_the_site_says(tmp_path: Path) -> None:
    arguments = told("lxplus", "10", tmp_path, '+AccountingGroup = "mine"')
    for of_the_cluster in ("security", "shared_temp_directory", "scheduler_options"):
        arguments.pop(of_the_cluster)
    script = dask_jobqueue.htcondor.HTCondorJob("tcp://here:1", name="w", **arguments).job_script()
    parsed = {key.lower(): value for key, value in dict(htcondor2.Submit(script)).items()}
    assert parsed["my.jobflavour"] == '"workday"'
    assert parsed["my.accountinggroup"] == '"mine"'
    assert "MY.DaskWorkerCores = 1" in script
    assert "MY.DaskWorkerMemory = 2097152000" in script
    assert "MY.DaskWorkerDisk = 18874368000" in script
    assert "/env/bin/python -m distributed.cli.dask_worker tcp://here:1" in script
    assert f"LogDirectory = {tmp_path}" in script


def test_slurm_jobs_are_as_the_site_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sites.yaml").write_text(
        "here:\n  system: slurm\n  queue: short\n  cores: 2\n  memory: 4GB\n"
        "  batch-options: --qos=high\n  ports: 9000-9010\n"
    )
    monkeypatch.setattr(sites, "user_file", lambda: tmp_path / "sites.yaml")
    arguments = told("here", "3x4", tmp_path, "--account=cms")
    assert arguments.pop("scheduler_options")["port"] == 9000
    for of_the_cluster in ("security", "shared_temp_directory"):
        arguments.pop(of_the_cluster)
    script = dask_jobqueue.slurm.SLURMJob("tcp://here:1", name="w", **arguments).job_script()
    lines = [line for line in script.splitlines() if line.startswith("#SBATCH") and str(tmp_path) not in line]
    assert lines == [
        "#SBATCH -J dask-worker",
        "#SBATCH -n 1",
        "#SBATCH --cpus-per-task=4",
        "#SBATCH --mem=8192M",
        "#SBATCH --partition=short",
        "#SBATCH --qos=high",
        "#SBATCH --account=cms",
    ]
    assert "--nthreads 1 --memory-limit 2.00GiB --nworkers 4 " in script


@pytest.mark.parametrize("workers", ["2", "2x1", "2x4x2GB", "2xx2GB"])
def test_workers_of_a_batch_system_are_named_as_they_were_asked_for(workers: str) -> None:
    settings = resolve(RunOptions(executor="dask@lxplus", workers=workers))
    assert backends.planned(settings.executor) == f"condor@lxplus:{workers}, as jobs of Dask"


def refused(text: str) -> RuntimeError:
    """Return the error of a submission as dask-jobqueue words it."""
    return RuntimeError(
        "Command exited with non-zero exit code.\nExit code: 1\nCommand:\nsbatch /tmp/a.sh\n"
        f"stdout:\n\nstderr:\n{text}\n"
    )


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (refused("sbatch: error: invalid partition specified: lang\nsbatch: error: Batch job failed"),
         "sbatch: error: invalid partition specified: lang; sbatch: error: Batch job failed"),
        (refused(""), "it ended with exit code 1, and said nothing"),
        (FileNotFoundError(2, "No such file or directory", "sbatch"), "No such file or directory: 'sbatch'"),
        (ValueError("Could not parse job id"), "Could not parse job id"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("wanted", [1, 20])
def test_jobs_of_dask_that_are_all_refused_end_the_run(error: Exception, said: str, wanted: int) -> None:
    submissions = jobqueue.Submissions(wanted=wanted)
    for number in range(wanted):
        submissions.check()  # not all are known yet
        submissions.refuse(error if number == 0 else RuntimeError("later"))
    with pytest.raises(EngineError, match=r"could( not)? be submitted: ") as caught:
        submissions.check()
    assert said in caught.value.message
    assert caught.value.message.startswith("the job of" if wanted == 1 else "none of the 20 jobs of")
    assert "the batch system says this" in caught.value.hint


def test_some_jobs_of_dask_that_are_refused_are_said_once(caplog: pytest.LogCaptureFixture) -> None:
    submissions = jobqueue.Submissions(wanted=3, submitted=2)
    submissions.refuse(refused("over quota"))
    submissions.check()
    submissions.check()
    assert [record.getMessage() for record in caplog.records] == [
        "1 of 3 jobs could not be submitted: over quota"
    ]
