"""PocketCoffea's run options as its runner hands them to the setup of an executor."""

from __future__ import annotations

import shlex
import subprocess
import sys
from typing import Any

import documents
import pytest

from wq_runner import pocketcoffea
from wq_runner.errors import UsageError

# what stands there before anybody says anything
GENERAL: dict[str, Any] = {
    "scaleout": 1,
    "chunksize": 150000,
    "limit-files": None,
    "limit-chunks": None,
    "retries": 10,
    "tree-reduction": 20,
    "skip-bad-files": False,
    "voms-proxy": None,
    "ignore-grid-certificate": False,
    "group-samples": None,
    "starting-time": None,
}
SIZED = {"cores-per-worker": 2, "mem-per-worker": 4, "disk-per-worker": "2GB"}


def planned(executor: str, **said: Any) -> dict[str, Any]:
    options = {**GENERAL, **{key.replace("_", "-"): value for key, value in said.items()}}
    return dict(pocketcoffea.planned(options, executor, GENERAL).arguments)


@pytest.mark.parametrize(
    ("executor", "said", "workers"),
    [
        ("work_queue", {}, "local:1"),
        ("work_queue", {"scaleout": 4}, "local:4"),
        ("work_queue", {"scaleout": "4", **SIZED}, "local:4x2x4GBx2GB"),
        ("work_queue@lxplus", {"scaleout": 20}, "condor@lxplus:20"),
        ("work_queue@lxplus", {"scaleout": 20, "mem-per-worker": "3GB"}, "condor@lxplus:20xx3GB"),
        ("condor@lxplus", {"scaleout": 20}, "condor@lxplus:20"),
        ("slurm", {"scaleout": 20}, "slurm:20"),
        ("work_queue", {"scaleout": 3, "workers": "condor@lpc"}, "condor@lpc:3"),
        ("work_queue", {"scaleout": 3, "workers": "condor@lpc:7"}, "condor@lpc:7"),
        ("work_queue", {"workers": "2"}, "local:2"),
    ],
)
def test_workers(executor: str, said: dict[str, Any], workers: str) -> None:
    assert planned(executor, **said)["workers"] == workers


def test_the_line_for_lxplus_of_the_page_asks_for_its_workers() -> None:
    line = documents.snippet(documents.ROOT / "docs/migration/pocketcoffea.md", "-e work_queue@lxplus")
    words = shlex.split(line)
    assert words[:2] == ["pocket-coffea", "run"]
    options = dict(zip(words[2::2], words[3::2], strict=True))
    found = planned(options["-e"], scaleout=int(options["-s"]), queue=options["--queue"])
    assert (found["workers"], found["queue"]) == ("condor@lxplus:100", "workday")


def test_the_batch_system_hears_of_queue_and_time() -> None:
    found = planned("condor@lxplus", scaleout=20, queue="espresso", walltime="6:00:00")
    assert (found["queue"], found["batch_options"]) == ("espresso", "+MaxRuntime = 21600")
    found = planned("slurm", scaleout=20, walltime=21600, batch_options="--account=me")
    assert (found["queue"], found["batch_options"]) == (None, "--time=6:00:00 --account=me")
    found = planned("condor@lxplus", scaleout=20, max_run_time=600)
    assert found["batch_options"] == "+MaxRuntime = 600"
    found = planned("work_queue", queue="espresso", walltime="6:00:00")
    assert (found["queue"], found["batch_options"]) == (None, None)


def test_the_rest_of_what_they_say() -> None:
    found = planned("work_queue", custom_setup_commands=["export A=1"], voms_proxy="/tmp/x", seed=3)
    assert found["setup_commands"] == ("export A=1",)
    assert (found["x509_proxy"], found["seed"]) == ("/tmp/x", 3)
    assert planned("work_queue", ignore_grid_certificate=True, voms_proxy="/tmp/x")["x509_proxy"] is False
    assert planned("work_queue", extra_file="sf.json")["extra_files"] == ("sf.json",)


def test_what_is_not_used_is_answered_but_for_their_defaults() -> None:
    assert pocketcoffea.planned(GENERAL, "work_queue", GENERAL).notes == ()
    said = {**GENERAL, "retries": 3, "adaptive": True, "conda-env": False, "worker-image": "/cvmfs/an/image"}
    notes = pocketcoffea.planned(said, "work_queue", GENERAL).notes
    assert [note.partition(":")[0] for note in notes] == ["retries", "adaptive", "worker-image"]
    (note,) = pocketcoffea.planned(GENERAL, "work_queue@lxplus", GENERAL).notes
    assert note.startswith("one worker is started: -s N")
    of_site = {**GENERAL, "eos-prefix": "root://eosuser.cern.ch/", "max-retries": 3, "scaleout": 10}
    assert pocketcoffea.planned(of_site, "condor@lxplus", of_site).notes == ()
    (note,) = pocketcoffea.planned({**of_site, "max-retries": 5}, "condor@lxplus", of_site).notes
    assert note.startswith("max-retries: ")


@pytest.mark.parametrize(
    ("executor", "said", "text"),
    [
        ("dask@lxplus", {}, "-e dask@lxplus: this setup has work_queue, not dask"),
        ("work_queue@lxpluss", {"scaleout": 2}, "Did you mean lxplus"),
        ("work_queue", {"mem-per-worker": 128}, "mem-per-worker: 128 may be GB or MB"),
        ("work_queue", {"scaleout": "many"}, "scaleout: 'many' is not a number"),
        ("condor@lxplus", {"scaleout": 2, "walltime": "soon"}, "walltime: 'soon' is not a time"),
    ],
)
def test_mistakes(executor: str, said: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        planned(executor, **said)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("6:00:00", 21600), ("1-00:00:00", 86400), ("0:30", 1800), (21600, 21600), ("2h", 7200)],
)
def test_times(text: Any, seconds: int) -> None:
    assert pocketcoffea.duration(text) == seconds


def test_the_advice_is_a_command_of_theirs() -> None:
    typed = (
        "/usr/bin/pocket-coffea run --cfg c.py -o out -e work_queue@lxplus -s 20 --executor-custom-setup w.py"
    )
    said = pocketcoffea.advice("TTTo2L 2018", shlex.split(typed)).splitlines()[-1].strip()
    assert said == (
        "pocket-coffea run --cfg c.py -o out --executor-custom-setup w.py -e iterative --limit-chunks 1 "
        "--filter-datasets 'TTTo2L 2018'"
    )


def test_nothing_of_theirs_is_imported_with_it() -> None:
    code = "import sys; from wq_runner.pocketcoffea import get_executor_factory; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"pocket_coffea", "coffea", "awkward"} & set(done.stdout.split())
