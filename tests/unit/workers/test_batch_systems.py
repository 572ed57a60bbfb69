"""What every batch system keeps: one more is asked for all of it by being in the list."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import dask_jobqueue
import pytest

import wq_runner
from wq_runner.export import texts
from wq_runner.export.folder import Folder, Slice
from wq_runner.units import MB
from wq_runner.workers import factory, factory_file, hand
from wq_runner.workers.batch import SCRATCH, SYSTEMS, USUAL
from wq_runner.workers.batch.batch_system import BatchSystem
from wq_runner.workers.batch.job import Job
from wq_runner.workers.catalog import Address
from wq_runner.workers.factory import FactorySettings
from wq_runner.workers.target import Target

PACKAGE = Path(wq_runner.__file__).parent
JOB = Job(count=7, cores=4, memory=16_001 * MB, disk=20_000 * MB, queue="my-queue", time=7200)


@pytest.fixture(params=sorted(SYSTEMS))
def batch(request: pytest.FixtureRequest) -> BatchSystem:
    return SYSTEMS[request.param]


def test_workers_by_hand_are_as_many_and_as_large_as_asked_for(batch: BatchSystem, tmp_path: Path) -> None:
    target = Target(name="mine", place="here.example:9123")
    made = hand.plan(batch.name, JOB, target, directory=tmp_path, image="", scratch="")
    assert made.command[0] == batch.submit
    told = "\n".join([*made.command, made.text])
    for one in ("7", "4", "16001", "my-queue", batch.queue("my-queue"), str(made.script)):
        assert one in told
    assert (made.file is None) == (not made.text)
    if made.file is not None:  # beside the script, and what is submitted
        assert made.file.parent == made.script.parent
        assert str(made.file) in made.command


def test_more_options_are_passed_on(batch: BatchSystem, tmp_path: Path) -> None:
    more = batch.joined(batch.queue("a"), "", None, batch.time_limit(3661))
    assert more == f"{batch.queue('a')}{batch.separator}{batch.time_limit(3661)}"
    assert "3661" in batch.time_limit(3661) or "1:01:01" in batch.time_limit(3661)
    job = Job(count=1, batch_options=more)
    told = [*batch.command(job, tmp_path / "s.sh"), *batch.text(job, tmp_path / "s.sh").splitlines()]
    assert {batch.queue("a"), batch.time_limit(3661)} <= set(told)


def test_a_factory_is_told_of_memory_once(batch: BatchSystem) -> None:
    settings = FactorySettings(
        system=batch.name,
        name="mine",
        catalog=Address(host="127.0.0.1", port=9097),
        count=5,
        memory=16_001 * MB,
        batch_options=batch.queue("long"),
        requirements="X",
    )
    file, options = factory.file_of(settings), factory.batch_options(settings)
    assert (file.memory == 16_001) != ("16001" in options)
    # its worker has to know as well
    worker = factory_file.extra_options(batch.name, 16_001 * MB)
    assert worker == (None if file.memory else "--memory=16001")
    assert batch.queue("long") in options
    assert ".err" in options  # why a worker does not start is read there
    assert file.condor_requirements == ("X" if batch.takes_requirements else None)


def test_a_factory_that_left_nothing(batch: BatchSystem, tmp_path: Path) -> None:
    assert batch.left(tmp_path) == []


def test_jobs_of_an_export_have_their_names(batch: BatchSystem) -> None:
    folder = Folder(root=Path("/home/me/jobs"))
    some = [Slice(name=name, dataset="a", files=1, events=1) for name in ("0003", "0007")]
    text = batch.jobs_text(texts.cluster(folder, some, ["environment/base.tar.gz"]), JOB)
    for one in ("0003", "0007", "16001", "my-queue", "/home/me/jobs/job.sh", "/home/me/jobs/logs/"):
        assert one in text
    alone = batch.jobs_text(texts.cluster(folder, some[:1], []), JOB)
    assert "0003" in alone
    assert "0007" not in alone


def test_dask_has_its_class(batch: BatchSystem) -> None:
    if batch.dask_cluster:
        kind = getattr(dask_jobqueue, batch.dask_cluster)
        told = batch.dask_arguments(JOB)
        assert kind.job_cls("tcp://here:1", name="w", cores=4, memory="16001 MiB", **told).job_script()


def test_a_name_is_one_word_that_others_do_not_have(batch: BatchSystem) -> None:
    assert batch.name.isidentifier()
    assert batch.name != "local"
    assert f"${{{batch.scratch_variable}:-" in SCRATCH
    assert batch.submit != batch.remove
    assert batch.ask


def test_some_batch_system_is_meant_where_none_is_named() -> None:
    assert USUAL in SYSTEMS


def names_of_systems(path: Path) -> Iterator[str]:
    """Yield each text of code that is the name of a batch system, and so decides by it."""
    words = {word.lower() for one in SYSTEMS.values() for word in (one.name, one.title)}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.lower() in words:
            yield f"{path.relative_to(PACKAGE)}:{node.lineno}"


def test_nobody_else_decides_by_a_name() -> None:
    """What a batch system is, its own module says: so that one more is that module and a line."""
    found = {
        place
        for path in PACKAGE.rglob("*.py")
        if path.parent.name != "batch"
        for place in names_of_systems(path)
    }
    # a key of PocketCoffea's options is called as one of them
    assert {place.partition(":")[0] for place in found} == {"config/pocketcoffea.py"}
