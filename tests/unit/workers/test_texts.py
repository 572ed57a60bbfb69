"""What is built for batch systems, compared with golden files, and what `--workers` means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wq_runner.config.options import RunOptions
from wq_runner.errors import UsageError
from wq_runner.units import GB, MB
from wq_runner.workers import factory, factory_file, kit, spec
from wq_runner.workers.batch import condor, slurm
from wq_runner.workers.batch.job import Job
from wq_runner.workers.catalog import Address
from wq_runner.workers.factory import FactorySettings
from wq_runner.workers.local import LocalSpec
from wq_runner.workers.spec import BatchSpec

GOLDEN = Path(__file__).with_name("golden")
ACCEPT = "WQ_TESTS_ACCEPT"

JOB = Job(
    count=10,
    cores=4,
    memory=16_000 * MB,
    disk=20_000 * MB,
    queue="long",
    requirements='(Arch == "X86_64")',
)
SETTINGS = FactorySettings(
    system="slurm", name="me.x", catalog=Address(host="127.0.0.1", port=9097), count=5, cores=4,
    memory=16_000 * MB, batch_options="--partition=long",
)  # fmt: skip


def same(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get(ACCEPT):
        path.write_text(text)
    assert text == path.read_text(), f"if the change is meant: {ACCEPT}=1 pytest {__file__}"


def test_submit_description() -> None:
    same("workers.submit", condor.submit_text(JOB, Path("/run/wq-workers/wq-worker.sh")))


def test_sbatch() -> None:
    same("sbatch.txt", "\n".join(slurm.command(JOB, Path("/run/wq-workers/wq-worker.sh"))) + "\n")


def test_script_of_a_worker() -> None:
    made = kit.Kit(managers="h.example:9123", password="secret", image="/cvmfs/image", scratch="/scratch")
    same("wq-worker.sh", kit.script(made, b"the program"))
    assert "secret" not in kit.shown(kit.script(made, b"the program"))


@pytest.mark.parametrize("system", ["slurm", "condor"])
def test_factory(system: str) -> None:
    import dataclasses

    settings = dataclasses.replace(SETTINGS, system=system)
    line = factory.command(
        "work_queue_factory",
        settings,
        file=Path("factory.json"),
        scratch=Path("/scratch"),
        worker=Path("wq-worker.sh"),
        password=Path("password"),
    )
    text = factory_file.text_of(factory.file_of(settings))
    same(f"factory-{system}.txt", "\n".join(line) + "\n" + text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("local:4", LocalSpec(count=4)),
        ("local:2x4x8GB", LocalSpec(count=2, cores=4, memory=8 * GB)),
        ("condor:50", BatchSpec(system="condor", count=50)),
        ("slurm:2x4", BatchSpec(system="slurm", count=2, cores=4)),
        ("slurm:2x4x16GB", BatchSpec(system="slurm", count=2, cores=4, memory=16 * GB)),
        ("slurm:20x4x4", BatchSpec(system="slurm", count=20, cores=4, memory=4 * GB)),
        ("slurm:2x1x4Gx2000M", BatchSpec(system="slurm", count=2, cores=1, memory=4 * GB, disk=2000 * MB)),
        ("condor@lxplus:50", BatchSpec(system="condor", count=50, site="lxplus")),
        ("lxplus:50x4", BatchSpec(system="condor", count=50, cores=4, site="lxplus")),
        ("nd-crc:5", BatchSpec(system="condor", count=5, site="nd-crc")),
    ],
)
def test_workers(text: str, meant: LocalSpec | BatchSpec) -> None:
    assert spec.parse(text) == meant
    assert RunOptions(workers=text).started == meant


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("condr:5", "Did you mean condor"),
        ("lxpuls:5", "Did you mean lxplus"),
        ("condor", "how many workers of condor"),
        ("condor:0", "--workers 'condor:0' asks for no workers: at least 1 is needed"),
        ("slurm:2x4x16XB", "16XB"),
        ("slurm:2x4x4MB", "'4MB' is not enough: Python with coffea in it has"),
        ("local:2x1x128", "'128' may be GB or MB"),
        ("local:0", "asks for no workers"),
        ("many", "no workers 'many'"),
    ],
)
def test_workers_that_are_not_understood(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        spec.parse(text)
