"""`wq_runner.pocketcoffea` as the setup of an executor, by a stand-in of PocketCoffea's runner.

The stand-in does with the file what `pocket-coffea run` 0.9.13 does: it imports it by its path, asks it for a
factory, wants one of its own class, runs each dataset by itself, and closes it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nanoaod
import pytest
import running

from wq_runner.run_events import Accepted, Resumed

BASE = """
from abc import ABC, abstractmethod
class ExecutorFactoryABC(ABC):
    def __init__(self, run_options, **kwargs):
        self.run_options = run_options
        self.setup()
        self.handles_submission = False
    @abstractmethod
    def get(self): pass
    def setup(self): raise RuntimeError("voms-proxy-info: not found")
    def customized_args(self): return {}
    def close(self): pass
def get_executor_factory(executor_name, **kwargs):
    return executor_name
"""
RUNNER = """
import importlib.util, json, time
from pathlib import Path
import click
from coffea.nanoevents import BaseSchema
from coffea.processor import IterativeExecutor, ProcessorABC, Runner
from pocket_coffea.executors import executors_base

class Sums(ProcessorABC):
    def __init__(self, broken, gate): self.broken, self.gate = broken, gate
    def process(self, events):
        if self.broken: raise KeyError("no such cut")
        end = time.monotonic() + 90
        late = events.metadata["dataset"] == "B" and events.metadata["entrystart"] > 0
        while late and self.gate and not Path(self.gate).exists() and time.monotonic() < end:
            time.sleep(0.05)
        return {"sum": FACTOR * int(events.x.to_numpy().sum()), "events": len(events)}
    def postprocess(self, output): pass

FACTOR = 1

@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.option("-e", "--executor", default="iterative")
@click.option("-o", "--outputdir", required=True)
@click.option("--executor-custom-setup")
@click.option("--broken", is_flag=True)
@click.option("--gate", default="")
@click.argument("fileset")
def run(executor, outputdir, executor_custom_setup, broken, gate, fileset):
    spec = importlib.util.spec_from_file_location("setup_of_mine", executor_custom_setup)
    lib = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lib)
    options = {"scaleout": 1, "retries": 10, "tree-reduction": 20, "voms-proxy": None,
               "ignore-grid-certificate": False, "port": "0"}
    name = executor.split("@")[0]
    factory = lib.get_executor_factory(name, run_options=options, outputdir=outputdir)
    assert isinstance(factory, executors_base.ExecutorFactoryABC), factory
    assert factory.handles_submission is False
    sums = {}
    for dataset, files in json.loads(fileset).items():
        ours, theirs = (
            Runner(executor=one, schema=BaseSchema, chunksize=20)(
                {dataset: files}, processor_instance=Sums(broken, gate), treename="Events")
            for one in (factory.get(), IterativeExecutor(status=False))
        )
        assert ours == theirs
        sums[dataset] = ours
    factory.close()
    print(json.dumps(sums))

run()
"""


@pytest.fixture
def fileset(tmp_path: Path) -> str:
    package = tmp_path / "pocket_coffea" / "executors"
    package.mkdir(parents=True)
    for directory in (package.parent, package):
        (directory / "__init__.py").touch()
    (package / "executors_base.py").write_text(BASE)
    (tmp_path / "pocket-coffea").write_text(RUNNER)
    (tmp_path / "work_queue.py").write_text("from wq_runner.pocketcoffea import get_executor_factory\n")
    files = [str(nanoaod.write_simple(tmp_path / f"{number}.root", 50)) for number in range(2)]
    return json.dumps({"A": files[:1], "B": files})


def command(*words: str) -> list[str]:
    setup = ("--executor-custom-setup", "work_queue.py", "-o", "out")
    return [sys.executable, "pocket-coffea", *setup, *words]


def run(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words), cwd=directory, capture_output=True, text=True, check=False, timeout=200
    )


def test_each_dataset_by_itself(tmp_path: Path, fileset: str) -> None:
    done = run(tmp_path, "-e", "work_queue", fileset)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert [one["events"] for one in found.values()] == [50, 100]
    kept = tmp_path / "out" / "wq-runner"
    assert json.loads((kept / "run.json").read_text())["exit_code"] == 0
    assert "RunEnded" in (kept / "journal.jsonl").read_text()
    assert "<html" in (kept / "report.html").read_text()


def test_a_failing_processor_is_told_in_their_words(tmp_path: Path, fileset: str) -> None:
    done = run(tmp_path, "-e", "work_queue", "--broken", fileset)
    assert done.returncode != 0
    assert "no such cut" in done.stderr
    assert "pocket-coffea --executor-custom-setup work_queue.py -o out --broken" in done.stderr
    assert "-e iterative --limit-chunks 1 --filter-datasets A" in done.stderr
    assert json.loads((tmp_path / "out" / "wq-runner" / "run.json").read_text())["exit_code"] == 6


def killed(directory: Path, fileset: str) -> list[str]:
    """Kill a run that has all of A and a chunk of B; return what the same command goes on with."""
    words = ["-e", "work_queue", "--gate", str(directory / "gate"), fileset]
    kept = directory / "out" / "wq-runner"
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(command(*words), cwd=directory, stdout=log, stderr=log)
        try:

            def begun() -> bool:
                assert process.poll() is None, (directory / "log").read_text()
                accepted = [one for one in running.events_of(kept) if isinstance(one, Accepted)]
                return any((one.dataset, one.category) == ("B", "processing") for one in accepted)

            running.until(begun, "a chunk of the second dataset")
        finally:
            process.kill()
            process.wait()
    (directory / "gate").touch()
    return words


def resumed(directory: Path) -> dict[str, int]:
    """Return how many events of each dataset were there when the last process began."""
    events = running.events_of(directory / "out" / "wq-runner")
    found = [one.datasets for one in events if isinstance(one, Resumed)]
    return {name: plan.events for datasets in found for name, plan in datasets.items()}


def test_a_run_that_was_killed_goes_on(tmp_path: Path, fileset: str) -> None:
    again = run(tmp_path, *killed(tmp_path, fileset))
    assert again.returncode == 0, again.stderr
    there = resumed(tmp_path)
    assert there["A"] == 50
    assert 0 < there["B"] < 100
    # what the whole is made of is of no use any more, and a third start begins anew
    assert not any((tmp_path / "out" / "wq-runner" / "ledger").iterdir())


def test_what_other_code_did_does_not_count(tmp_path: Path, fileset: str) -> None:
    words = killed(tmp_path, fileset)
    script = tmp_path / "pocket-coffea"
    script.write_text(script.read_text().replace("FACTOR = 1", "FACTOR = 2"))
    again = run(tmp_path, *words)  # it compares the numbers with those of an executor of coffea's
    assert again.returncode == 0, again.stderr
    assert "starting over" in again.stderr
    assert not resumed(tmp_path)


def test_a_file_that_was_written_anew_is_read_anew(tmp_path: Path, fileset: str) -> None:
    words = killed(tmp_path, fileset)
    nanoaod.write_simple(tmp_path / "0.root", 60)  # all of A, and a part of B
    again = run(tmp_path, *words)
    assert again.returncode == 0, again.stderr
    found = json.loads(again.stdout.splitlines()[-1])
    assert [one["events"] for one in found.values()] == [60, 110]
