"""Workers of a real Slurm: by a factory, as jobs, by the run itself."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import running
from batch.following import ENTRIES, SUMS, Follow, complete, ports
from batch.slurm import Slurm

from wq_runner.workers.catalog import Address

PARTITION = "--partition=long"
SIZE = ("--cores", 1, "--memory", "1GB", "--disk", "1GB")


def gated(gate: Path) -> tuple[str, ...]:
    """Return the processor that waits for a file, but in the first chunk."""
    return (*SUMS, "-p", f"{running.ANALYSIS}:Gated", "--processor-args", f"gate={gate}")


def test_the_factory_with_a_file_of_ours(
    follow: Follow, cluster: Slurm, address: Address, samples: Path, tmp_path: Path
) -> None:
    options = (*ports(), "--catalog", address, "--name", "mine", "-o", "out")
    made = running.run(
        "factory", "-T", "slurm", "-M", "mine", "--min", 2, "--max", 2, *SIZE, "-o", "factory.json",
        cwd=tmp_path, name="wq-workers",
    )  # fmt: skip
    assert "work_queue_factory -Tslurm -Cfactory.json -B--mem=1024M" in made.err
    with follow("wq-run", *SUMS, *options, samples) as run:
        run.says("waiting for workers as mine")
        with follow(
            "work_queue_factory", "-Tslurm", "-Cfactory.json", "--catalog", address, "-B", "--mem=1000M",
            "-S", tmp_path,
        ):  # fmt: skip
            run.ends_well(150)
    complete(tmp_path / "out")
    running.until(lambda: not cluster.jobs(), "no job is left")


def test_as_jobs(follow: Follow, cluster: Slurm, samples: Path, tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    options = (*ports(), "--catalog", "none", "--name", "mine", "--password-file", "auto", "-o", "out")
    with follow("wq-run", *SUMS, *options, samples, **environ) as run:
        text = run.says("waiting for workers, port ")
        place = f"127.0.0.1:{text.partition('waiting for workers, port ')[2].partition('.')[0]}"
        done = running.run(
            "submit", "slurm", 2, "--manager", place, "--password-file", "auto", *SIZE, "--queue", "long",
            "--timeout", "5", cwd=tmp_path, name="wq-workers", **environ,
        )  # fmt: skip
        assert done.code == 0, done.err
        assert "--partition=long" in done.out
        assert "Submitted batch job" in done.out
        run.ends_well()
    complete(tmp_path / "out")
    script = tmp_path / "wq-workers" / "wq-worker.sh"
    assert script.stat().st_mode & 0o077 == 0
    running.until(lambda: not cluster.jobs(), "the workers end by themselves")


def test_a_run_has_a_factory_of_its_own(
    follow: Follow, cluster: Slurm, samples: Path, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    options = ("--workers", "slurm:2x1x1GB", "--batch-options", PARTITION, "-o", "out")
    with follow("wq-run", *gated(gate), *options, samples) as run:
        running.until(lambda: running.accepted(tmp_path / "out") >= 1, "the first chunk")
        running.until(lambda: len(cluster.running()) == 2, "two jobs")
        [first, *_] = cluster.running()
        assert "Partition=long" in cluster.command("scontrol", "show", "job", first)
        assert "MinMemoryNode=1G" in cluster.command("scontrol", "show", "job", first)
        # what the job did is done by another
        cluster.command("scancel", first)
        running.until(lambda: first not in cluster.jobs(), "the job is gone")
        gate.touch()
        text = run.ends_well()
    assert "2 of slurm, 1 core, 1.0 GB each" in text
    complete(tmp_path / "out")
    assert cluster.jobs() == []
    assert not list((tmp_path / "out" / "workers").glob("factory-*"))


def test_a_killed_run_leaves_no_jobs(follow: Follow, cluster: Slurm, samples: Path, tmp_path: Path) -> None:
    mark = {running.MARK: uuid.uuid4().hex}
    options = ("--workers", "slurm:1x1x1GB", "-o", "out")
    with follow("wq-run", *gated(tmp_path / "gate"), *options, samples, **mark) as run:
        running.until(lambda: running.accepted(tmp_path / "out") >= 1, "the first chunk")
        running.kill(run.process.pid)
        running.until(lambda: not cluster.jobs(), "no job is left")
        running.until(lambda: not running.marked(mark[running.MARK]), "no process is left")


def test_a_factory_that_is_killed_is_started_again(
    follow: Follow, cluster: Slurm, samples: Path, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    mark = {running.MARK: uuid.uuid4().hex}

    def factories() -> set[int]:
        found = running.marked(mark[running.MARK]).items()
        return {pid for pid, text in found if text.split(" ")[0].endswith("work_queue_factory")}

    with follow("wq-run", *gated(gate), "--workers", "slurm:1x1x1GB", "-o", "out", samples, **mark) as run:
        running.until(lambda: running.accepted(tmp_path / "out") >= 1, "the first chunk")
        [first] = factories()
        running.kill(first)
        running.until(lambda: factories() - {first}, "another factory")
        gate.touch()
        run.ends_well()
    complete(tmp_path / "out")
    running.until(lambda: not cluster.jobs(), "no job is left", patience=60)


def test_a_wrong_batch_option_is_said(follow: Follow, cluster: Slurm, samples: Path, tmp_path: Path) -> None:
    options = ("--workers", "slurm:1x1x1GB", "--batch-options", "--partition=nowhere", "-o", "out")
    with follow("wq-run", *SUMS, *options, samples) as run:
        run.says("invalid partition")
    assert json.loads(Path(tmp_path / "out" / "workers" / "factory.json").read_text())["cores"] == 1
    assert ENTRIES


def test_a_cluster_of_dask_as_the_site_says(
    follow: Follow, cluster: Slurm, samples: Path, tmp_path: Path
) -> None:
    sites = tmp_path / "config" / "wq-runner" / "sites.yaml"
    sites.parent.mkdir(parents=True)
    sites.write_text("here:\n  system: slurm\n  queue: long\n  cores: 2\n  memory: 2GB\n")
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "DASK_JOBQUEUE__SLURM__INTERFACE": "lo"}
    gate = tmp_path / "gate"
    options = ("-e", "dask@here", "--workers", "2x1", "-o", "out")
    with follow("wq-run", *gated(gate), *options, samples, **environ) as run:
        running.until(lambda: running.accepted(tmp_path / "out") >= 1, "the first chunk")
        running.until(lambda: len(cluster.running()) == 2, "two jobs")
        job = cluster.command("scontrol", "show", "job", cluster.running()[0])
        assert "Partition=long" in job
        assert "MinMemoryNode=1G" in job
        gate.touch()
        text = run.ends_well()
    assert "slurm@here:2x1, as jobs of Dask" in text
    assert "dashboard    http://127.0.0.1:" in text
    complete(tmp_path / "out")
    assert (tmp_path / "out" / "dask-report.html").exists()
    running.until(lambda: not cluster.jobs(), "no job is left")
