"""What an export consists of: how a plan is split, and the texts of jobs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wq_runner.config.settings import ChunkSettings
from wq_runner.errors import SamplesError
from wq_runner.export import texts
from wq_runner.export.folder import Folder, Slice
from wq_runner.export.split import split
from wq_runner.fingerprint.identity import placeless
from wq_runner.model import Chunk, Dataset, FileFacts, InputFile
from wq_runner.planning import chunks
from wq_runner.samples import load
from wq_runner.workers.batch import condor, slurm
from wq_runner.workers.batch.job import Job

UUID = bytes(range(16))
UUID_TEXT = "00010203-0405-0607-0809-0a0b0c0d0e0f"


def dataset(name: str, *files: InputFile) -> Dataset:
    return Dataset(name=name, files=files, metadata={"year": 2018})


def planned(
    fileset: tuple[Dataset, ...], entries: dict[str, int]
) -> tuple[list[Chunk], dict[InputFile, FileFacts]]:
    facts = {
        file: FileFacts(entries=entries[file.path], uuid=UUID)
        for one in fileset
        for file in one.files
        if file.path in entries
    }
    return chunks.plan(fileset, facts, ChunkSettings(chunksize=100)), facts


def test_jobs_have_files_of_one_dataset() -> None:
    files = [InputFile(path=f"/{name}") for name in "abcde"]
    fileset = (dataset("one", *files[:3]), dataset("two", *files[3:]))
    jobs = split(fileset, *planned(fileset, dict.fromkeys(["/a", "/b", "/c", "/d", "/e"], 250)), 2)
    assert [(job.name, job.dataset, job.files, job.events) for job, _ in jobs] == [
        ("0000", "one", 2, 500),
        ("0001", "one", 1, 250),
        ("0002", "two", 2, 500),
    ]
    entry = {"object_path": "Events", "num_entries": 250, "uuid": UUID_TEXT}
    assert jobs[0][1] == {"one": {"files": {"/a": entry, "/b": entry}, "metadata": {"year": 2018}}}


def test_what_the_plan_leaves_out() -> None:
    whole, part, empty = (
        InputFile(path="/a"),
        InputFile(path="/b", ranges=((10, 50), (60, 80))),
        InputFile(path="/e"),
    )
    unplanned, unknown = InputFile(path="/c"), InputFile(path="/d")
    fileset = (dataset("one", whole, part, empty, unplanned, unknown),)
    plan, facts = planned(fileset, {"/a": 250, "/b": 100, "/c": 100, "/e": 0})
    plan = [chunk for chunk in plan if chunk.path != "/c" and (chunk.path, chunk.start) != ("/a", 0)]
    (job, samples), *others = split(fileset, plan, facts, 10)
    files = samples["one"]["files"]
    assert not others
    assert (job.files, job.events) == (4, 167 + 60)
    assert files["/a"]["ranges"] == [[83, 250]]
    assert files["/b"]["ranges"] == [[10, 50], [60, 80]]
    assert "ranges" not in files["/e"]  # processors may count on seeing every file
    assert files["/d"] == {"object_path": "Events"}  # it may open where the job runs
    assert "/c" not in files


def test_where_else_a_file_is_travels(here: Path) -> None:
    file = InputFile(path="root://one//a", fallbacks=("root://two//a", "/three/a"))
    fileset = (dataset("one", file),)
    ((_, samples),) = split(fileset, *planned(fileset, {"root://one//a": 10}), 1)
    (here / "job.json").write_text(json.dumps(samples))
    (found,) = load(["job.json"])[0].files
    assert (found.path, found.fallbacks) == (file.path, file.fallbacks)
    samples["one"]["files"][file.path]["fallbacks"] = "root://two//a"
    (here / "job.json").write_text(json.dumps(samples))
    with pytest.raises(SamplesError, match="expected a list of paths"):
        load(["job.json"])


JOBS = [
    Slice(name=f"{number:04}", dataset=name, files=1, events=1)
    for number, name in enumerate(["a/b", "a/b", "a-b"])
]
SHAPE = Job(count=1, cores=2, memory=3000 * 2**20, queue="long", time=7200)


def test_what_is_submitted_together() -> None:
    assert {name: [job.name for job in jobs] for name, jobs in texts.clusters(JOBS, "dataset").items()} == {
        "a~-b": ["0000", "0001"],
        "a-b": ["0002"],
    }
    assert list(texts.clusters(JOBS, "job")) == ["a~-b-0000", "a~-b-0001", "a-b-0002"]
    many = [Slice(name=f"{number:04}", dataset="a", files=1, events=1) for number in range(1500)]
    assert {name: len(jobs) for name, jobs in texts.clusters(many, "dataset").items()} == {
        "a": 1000,
        "a-1000": 500,
    }
    late = Slice(name="1500", dataset="a-1000", files=1, events=1)
    assert list(texts.clusters([*many, late], "dataset")) == ["a", "a-1000", "a-1000~j1500"]


def test_the_submit_description_of_condor() -> None:
    folder = Folder(root=Path("/home/me/jobs"))
    some = texts.cluster(folder, JOBS[:2], ["environment/environment.sh", "environment/base.tar.gz"])
    text = condor.jobs_text(some, SHAPE)
    lines = dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)
    assert lines["executable"] == "/home/me/jobs/job.sh"
    assert lines["transfer_input_files"] == (
        "/home/me/jobs/environment/environment.sh,/home/me/jobs/environment/base.tar.gz,"
        "/home/me/jobs/samples/$(job).json,/home/me/jobs/samples/$(job)-options.json"
    )
    assert (lines["initialdir"], lines["transfer_output_files"]) == ("/home/me/jobs/results", "$(job)")
    assert (lines["request_cpus"], lines["request_memory"], lines["+JobFlavour"]) == ("2", "3000MB", '"long"')
    assert text.endswith("queue job in (0000 0001)\n")


def test_the_batch_script_of_slurm() -> None:
    text = slurm.jobs_text(texts.cluster(Folder(root=Path("/home/me/my jobs")), JOBS[:2], []), SHAPE)
    assert "#SBATCH --array=0-1\n" in text
    assert "#SBATCH '--output=/home/me/my jobs/logs/%x-%A_%a.log'\n" in text
    assert "#SBATCH --time=120\n" in text
    assert text.endswith("exec /bin/sh '/home/me/my jobs/job.sh' \"$1\"\n")
    assert "--array" not in slurm.jobs_text(texts.cluster(Folder(root=Path("/x")), JOBS[:1], []), SHAPE)


@pytest.mark.parametrize("value", ["", 'it\'s $HOME; `rm` "x"'])
def test_the_head_of_a_jobs_script(value: str) -> None:
    node = texts.Node(
        python="/bin/sh environment.sh", inputs=["environment/environment.sh"], stage_out=value, scratch=value
    )
    text = texts.job_script(node)
    assert text.startswith(
        "#!/bin/sh\ninputs=environment/environment.sh\nstart='exec /bin/sh environment.sh -c"
    )
    if value:
        assert f"stage_out={value}\n" not in text


def test_code_is_compared_wherever_it_lies() -> None:
    here = {"code /a/node/1/analysis/mine.py": "1", "the processor": "/a/node/1/analysis/mine.py:Mine"}
    there = {"code /b/2/analysis/mine.py": "1", "the processor": "/b/2/analysis/mine.py:Mine"}
    assert placeless(here) == placeless(there)
    assert placeless(here) != placeless({**there, "code /b/2/analysis/mine.py": "2"})
