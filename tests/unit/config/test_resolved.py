"""What rooms are told of the options: everything that was said, once, as values."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from wq_runner.config.nature import Place
from wq_runner.config.options import NATURES, RunOptions, defaulted
from wq_runner.config.resolved import resolve
from wq_runner.config.settings import RunSettings
from wq_runner.errors import UsageError
from wq_runner.ledger.parts import TreeSettings
from wq_runner.model import PerDataset
from wq_runner.scheduler.policy import DEFAULT_BUDGETS, Cause
from wq_runner.units import GB, MB
from wq_runner.workers.local import LocalSpec
from wq_runner.workers.spec import BatchSpec

OTHERS: dict[str, Any] = {
    "processor_args": ({"year": 2018},),
    "chunksize": "auto",
    "executor": "futures",
    "executor_custom_setup": Path("mine.py"),
    "workers": "local:3",
    "pdb": True,
    "scaleout": 3,
    "mem_per_worker": GB,
    "disk_per_worker": GB,
    "port": (9000, 9001),
    "proxy": "none",
    "redirector": (("root://a/", "root://b/"),),
    "extra_file": (Path("table.json"),),
    "resources_mode": "fixed",
    "treereduction": "off",
    "order": "largest",
    "stage_out": "/elsewhere",
    "output": Path("out"),
    "preload": "Muon_pt",
    "column_cache": "auto",
    "uproot_option": ({"num_workers": 4},),
}
"""Other values than the default, where they cannot be told by its type."""

BESIDE: dict[str, dict[str, Any]] = {
    # options that mean something beside others only
    "cores_per_worker": {"workers": "condor:2"},
    "mem_per_worker": {"workers": "condor:2"},
    "disk_per_worker": {"workers": "condor:2"},
    "pdb": {"executor": "iterative"},
}


def other(name: str) -> Any:
    default = getattr(RunOptions(), name)
    if name in OTHERS:
        return OTHERS[name]
    if isinstance(default, bool):
        return not default
    if isinstance(default, int | float):
        return default + 1
    if isinstance(default, tuple):
        return ("thing",)
    (field,) = (one for one in dataclasses.fields(RunOptions) if one.name == name)
    return 7 if "int" in str(field.type) else 7.0 if "float" in str(field.type) else "thing"


def told(**options: Any) -> RunSettings:
    """Return what rooms are told, without what only tells whether options are others than before."""
    settings = resolve(defaulted(RunOptions(**options)))
    return dataclasses.replace(settings, lasting=())


@pytest.mark.parametrize("name", NATURES)
def test_every_option_reaches_a_room(name: str) -> None:
    beside = BESIDE.get(name, {})
    assert told(**beside, **{name: other(name)}) != told(**beside)


def test_nothing_of_it_can_be_changed_or_is_a_text_to_be_read() -> None:
    settings = told(workers="condor@lxplus:50x4x8GB", memory=2 * GB, treereduction="1GB", proxy="/tmp/x")
    assert settings.executor.started == BatchSpec(
        system="condor", site="lxplus", count=50, cores=4, memory=8 * GB
    )
    assert settings.executor.site is not None
    assert settings.input.redirectors == settings.executor.site.redirectors
    assert (settings.loop.allocation.memory, settings.manager.task.memory) == (2 * GB / MB, 2 * GB)
    assert settings.loop.tree == TreeSettings(results=500, size=GB, always=True)
    assert settings.proxy.file == Path("/tmp/x")
    for part in dataclasses.fields(settings):
        value = getattr(settings, part.name)
        if dataclasses.is_dataclass(value):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(value, dataclasses.fields(value)[0].name, None)


def test_a_value_for_each_dataset_stays_one() -> None:
    memory = PerDataset(default=None, patterns=(("TT*", 4 * GB),))
    found = told(memory=memory).loop.allocation.memory
    assert found == PerDataset(default=None, patterns=(("TT*", 4 * GB / MB),))


@pytest.mark.parametrize(
    ("options", "place", "here"),
    [
        ({"workers": "local:2"}, Place.WORK_QUEUE, True),
        ({"workers": "condor:2"}, Place.WORK_QUEUE, False),
        ({}, Place.WORK_QUEUE, False),
        ({"executor": "iterative"}, Place.ITERATIVE, True),
        ({"executor": "futures", "workers": "2"}, Place.FUTURES, True),
        ({"executor": "dask@tcp://here:1"}, Place.DASK_SCHEDULER, False),
        ({"executor": "mine", "executor_custom_setup": Path("mine.py")}, Place.CUSTOM, False),
    ],
)
def test_where_the_work_is_done(options: dict[str, Any], place: Place, here: bool) -> None:
    executor = told(**options).executor
    assert (executor.place, executor.is_all_here) == (place, here)


def test_workers_that_a_run_starts_are_told_any_port() -> None:
    assert not told(workers="local:1").manager.needs_its_ports
    assert told(workers="local:1", port=(9000, 9000)).manager.needs_its_ports
    assert told().manager.needs_its_ports


def test_the_debugger_opens_at_the_first_failure() -> None:
    assert told().loop.policy.budgets == DEFAULT_BUDGETS
    assert told(executor="iterative", pdb=True).loop.policy.budgets[Cause.PROCESSOR] == 0
    with pytest.raises(UsageError, match="--pdb cannot open a debugger with --executor work_queue") as caught:
        told(pdb=True)
    assert caught.value.page == "command-line"


def test_a_setup_is_told_all_options_by_both_names() -> None:
    own = {"executor": "mine", "executor_custom_setup": Path("mine.py")}
    settings = told(**own, workers="3", mem_per_worker=4 * GB)
    found = settings.executor.run_options
    assert {name.replace("_", "-") for name in NATURES} <= set(found)
    assert (found["scaleout"], found["mem-per-worker"], found["retries"]) == (3, "4096MB", 0)
    assert settings.executor.started == LocalSpec(count=3)


@pytest.mark.parametrize("executor", ["work_queue", "iterative", "futures", "dask", "dask@tcp://h:1"])
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("workers", "slrm:20", "no workers 'slrm'. Did you mean slurm?"),
        ("workers", "loacl:2", "no workers 'loacl'. Did you mean local?"),
        ("workers", "local:0", "asks for no workers"),
        ("workers", "local:2x1x4furlongs", "furlongs"),
        ("workers", "local:", "is not understood"),
        ("catalog", "host:port", "catalog 'host:port' not understood"),
    ],
)
def test_what_is_wrong_is_wrong_with_every_executor(name: str, value: str, said: str, executor: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        resolve(defaulted(RunOptions(executor=executor, **dict[str, Any]({name: value})), {"executor"}))
