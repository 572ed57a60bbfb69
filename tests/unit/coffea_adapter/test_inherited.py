"""Arguments that coffea 0.7's WorkQueueExecutor has: each means the same here, or is answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wq_runner.coffea_adapter.executor import WorkQueueExecutor
from wq_runner.coffea_adapter.inherited import Inherited, Understood, ports, understood
from wq_runner.errors import UsageError
from wq_runner.scheduler.allocation import AllocationSettings
from wq_runner.workers import spec

# those of TopEFT's run_analysis.py, in its comments too
TOPEFT: dict[str, Any] = {
    "manager_name": "me-work_queue-coffea",
    "debug_log": "debug.log",
    "transactions_log": "tr.log",
    "stats_log": "stats.log",
    "tasks_accum_log": "tasks.log",
    "environment_file": "topeft-envs/env.tar.gz",
    "extra_input_files": ["analysis_processor.py"],
    "retries": 15,
    "resource_monitor": True,
    "resources_mode": "auto",
    "filepath": "/tmp/me",
    "cores": 1,
    "disk": 8000,
    "memory": 10000,
    "treereduction": 10,
    "fast_terminate_workers": 0,
    "verbose": True,
    "print_stdout": False,
    "chunks_per_accum": 25,
    "chunks_accum_in_mem": 2,
}


def said(**given: Any) -> Understood:
    own = {
        name: given.pop(name)
        for name in ("name", "environment", "extra_files", "compression")
        if name in given
    }
    return understood(Inherited(**given), **own)


def test_those_of_topeft() -> None:
    found = said(**TOPEFT, compression=9)
    assert (found.name, found.environment) == ("me-work_queue-coffea", "topeft-envs/env.tar.gz")
    assert found.extra_files == (Path("analysis_processor.py"),)
    assert found.allocation == AllocationSettings(cores=1, memory=10_000, disk=8_000)
    assert (found.monitor, found.tls) == ("off", False)
    # one line for each that is not used, but for those that ask for nothing
    assert sorted(note.partition("=")[0] for note in found.notes) == [
        *("chunks_accum_in_mem", "chunks_per_accum", "compression", "resource_monitor", "retries"),
        *("tasks_accum_log", "treereduction", "verbose"),
    ]
    assert all(" is not used: " in note for note in found.notes)


def test_nothing_given_is_as_it_was() -> None:
    found = said()
    assert found.notes == ()
    assert (found.name, found.environment, found.monitor) == (None, "auto", "off")
    assert found.allocation == AllocationSettings()


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ({"master_name": "old"}, "name", "old"),
        ({"name": "me", "manager_name": "me"}, "name", "me"),
        ({"environment": "packed", "environment_file": None}, "environment", "packed"),
        ({"environment_file": ""}, "environment", "auto"),
        ({"extra_files": ["a"], "extra_input_files": ["a", "b"]}, "extra_files", (Path("a"), Path("b"))),
        ({"resource_monitor": "watchdog"}, "monitor", "watchdog"),
        ({"resource_monitor": False}, "monitor", "off"),
        ({"ssl": True}, "tls", True),
        ({"ssl": ("key", "cert")}, "tls", True),
        ({"resources_mode": "max-seen"}, "allocation", AllocationSettings()),
        (
            {"resources_mode": "fixed", "memory": "2GiB"},
            "allocation",
            AllocationSettings(mode="fixed", memory=2048),
        ),
        ({"resources_mode": "max-throughput"}, "allocation", AllocationSettings(mode="max-throughput")),
        ({"gpus": 1, "cores": 4}, "allocation", AllocationSettings(cores=4, gpus=1)),
        # as settings files and other programs have them
        ({"extra_input_files": "a.py"}, "extra_files", (Path("a.py"),)),
        ({"extra_files": Path("a.py"), "extra_input_files": ""}, "extra_files", (Path("a.py"),)),
        ({"gpus": "1", "cores": 4.0}, "allocation", AllocationSettings(cores=4, gpus=1)),
        ({"cores": "2", "memory": "8000"}, "allocation", AllocationSettings(cores=2, memory=8000)),
        ({"resources_mode": "MAX_THROUGHPUT"}, "allocation", AllocationSettings(mode="max-throughput")),
        ({"resource_monitor": "True"}, "monitor", "off"),
        ({"resource_monitor": "Measure"}, "monitor", "measure"),
        ({"name": "", "manager_name": "me"}, "name", "me"),
        ({"manager_name": ""}, "name", None),
    ],
)
def test_what_they_mean(given: dict[str, Any], name: str, value: Any) -> None:
    assert getattr(said(**given), name) == value


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"name": "a", "manager_name": "b"}, "name='a' and manager_name='b' say two things"),
        ({"environment": "packed", "environment_file": "e.tar.gz"}, "say two things"),
        ({"resources_mode": "max-trouhput"}, "Did you mean max-throughput"),
        ({"resource_monitor": "on"}, "resource_monitor='on' is not known"),
        ({"resource_monitor": 2}, "resource_monitor=2 is not known"),
        ({"memory": "much"}, "memory='much'"),
        ({"cores": "all"}, "cores='all' is not a number"),
        ({"cores": 1.5}, "cores=1.5 is not a number"),
    ],
)
def test_what_is_wrong(given: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        said(**given)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, (9123, 9130)),
        (0, (0, 0)),
        ([9200], (9200, 9200)),
        ([9200, 9210], (9200, 9210)),
        ((9200, 9210), (9200, 9210)),
        (range(9200, 9211), (9200, 9210)),
        (np.int64(9200), (9200, 9200)),
        ("9200", (9200, 9200)),
        ("9200-9210", (9200, 9210)),
    ],
)
def test_ports(value: Any, expected: tuple[int, int]) -> None:
    assert ports(value, (9123, 9130)) == expected


@pytest.mark.parametrize("value", [[], [9210, 9200], "any", [1, 99999], "", -1])
def test_no_ports(value: Any) -> None:
    with pytest.raises(UsageError, match="is not a port"):
        ports(value, (9123, 9130))


@pytest.mark.parametrize(
    ("workers", "form"),
    [
        (None, None),
        (2, "local:2"),
        (2.0, "local:2"),
        (np.int64(2), "local:2"),
        ("2x4", "local:2x4"),
        ("local:2", "local:2"),
        ("condor:100x1x2GB", "condor:100x1x2GB"),
        ("slurm@site:20", "slurm@site:20"),
    ],
)
def test_workers_of_a_call(workers: Any, form: str | None) -> None:
    found = spec.of_python(workers)
    assert (str(found) if found else None) == form


@pytest.mark.parametrize("workers", [0, -1, 1.5, "", "condor:0"])
def test_no_workers_of_a_call(workers: Any) -> None:
    with pytest.raises(UsageError, match=r"asks for no workers|is not understood"):
        spec.of_python(workers)


def test_the_module_is_coffeas_but_for_the_executor() -> None:
    from coffea import processor as theirs

    from wq_runner import WorkQueueExecutor
    from wq_runner import processor as ours

    assert ours.WorkQueueExecutor is WorkQueueExecutor
    assert ours.work_queue_executor is WorkQueueExecutor  # or a script would have coffea's without a word
    assert ours.Runner is theirs.Runner
    with pytest.raises(AttributeError):
        ours.NoSuchThing  # noqa: B018


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("worker", "workers"),
        ("n_workers", "workers"),
        ("passwordfile", "password_file"),
        ("manager", "manager_name"),
        ("mem", ""),
        ("extra_file", "extra_files"),
        ("Cores", "cores"),
        ("batch_option", "batch_options"),
    ],
)
def test_a_keyword_that_is_not_known_is_answered_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"WorkQueueExecutor has no argument {name}") as caught:
        WorkQueueExecutor(**dict[str, Any]({name: 2}))
    assert f"Did you mean {near}?" in caught.value.message or not near
    assert "help(WorkQueueExecutor)" in str(caught.value.hint)
