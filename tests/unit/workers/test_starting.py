"""The commands that start workers, as they are printed."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest

from wq_runner.executors.invitation import invitation
from wq_runner.workers.batch import SYSTEMS
from wq_runner.workers.starting import Door, factory

PLAIN = Door(host="here.example", port=9123, name="me-workqueue-coffea")
SECRET = dataclasses.replace(PLAIN, password_file=Path("/home/my own/one"))
TLS = dataclasses.replace(SECRET, tls=True)
LOCAL = dataclasses.replace(TLS, catalog="127.0.0.1:9097")
SIZE = "--cores 4 --memory 16000 --disk 16000"


def test_waiting_says_what_to_paste() -> None:
    text = invitation(PLAIN).plain
    assert (
        "  by name     work_queue_worker --cores 1 --memory 4000 --disk 8000 -M me-workqueue-coffea\n" in text
    )
    for batch in ("HTCondor", "Slurm", "factory"):
        assert f"  {batch}" in text
    assert "whoever reaches port 9123 can run code here as you" in text
    assert "no password" not in invitation(SECRET).plain


@pytest.mark.parametrize(
    ("door", "expected"),
    [
        (PLAIN, f"condor_submit_workers {SIZE} -M me-workqueue-coffea 10"),
        # in a job, the file that the other one names is elsewhere
        (SECRET, f"wq-workers submit condor 10 {SIZE} -M me-workqueue-coffea"),
        (
            dataclasses.replace(LOCAL, password_file=None),
            f"condor_submit_workers {SIZE} -E --ssl here.example 9123 10",
        ),
    ],
    ids=["plain", "password", "TLS"],
)
def test_jobs_of_condor(door: Door, expected: str) -> None:
    assert door.jobs(SYSTEMS["condor"]) == expected


def test_who_is_told_the_place_is_told_of_tls() -> None:
    assert TLS.by_port.endswith("-P '/home/my own/one' --ssl here.example 9123")
    assert "--ssl" not in TLS.by_name  # the catalog tells
    assert "--ssl" in TLS.factory
    assert factory(LOCAL, "slurm", ["-B--mem=5M"], "my factory.json") == (
        "work_queue_factory -Tslurm '-Cmy factory.json' --catalog=127.0.0.1:9097 "
        "-P '/home/my own/one' --ssl -B--mem=5M"
    )


def test_a_name_is_that_name_only() -> None:
    door = dataclasses.replace(PLAIN, name="me.v1 (new)")
    assert "-M 'me\\.v1 \\(new\\)'" in door.by_name
    assert "-M 'me.v1 (new)'" in door.here


def test_without_a_name_the_place_is_told() -> None:
    door = dataclasses.replace(PLAIN, name="")
    assert door.here == "wq-workers local 4 --manager here.example:9123"
    assert not door.factory
    assert " -M " not in invitation(door).plain


def test_the_engines_programs_know_the_options() -> None:
    door = dataclasses.replace(LOCAL, catalog="c.example:1", tls=False)
    for text in (door.by_name, door.by_port, door.factory):
        program, *words = text.split(" ")
        found = shutil.which(program)
        assert found
        help_ = subprocess.run([found, "--help"], capture_output=True, text=True, check=False, timeout=60)
        said = help_.stdout + help_.stderr
        for word in words:
            if word.startswith("--"):
                assert word.partition("=")[0] in said, text
