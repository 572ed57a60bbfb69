"""`wq-run` on the real engine: the same result as coffea's own executors, and what it leaves behind."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nanoaod
import pytest
import running

from wq_runner.run_events import Accepted, RunEnded, RunStarted

CHUNKSIZE = 400
EXECUTORS = ("work_queue", "iterative", "futures", "dask", "parsl")
PROCESSOR = nanoaod.DIMUON / "processor.py"


def run_on(samples: Path, executor: str, directory: Path, *more: object) -> Path:
    """Run the example with wq-run, and return the directory of the run."""
    out = directory / executor
    workers = [] if executor == "iterative" else ["--workers", "local:2"]
    options = ["-p", f"{PROCESSOR}:Dimuon", "--chunksize", CHUNKSIZE, "-e", executor, *workers, *more]
    running.run_well(*options, "-o", out, samples, cwd=directory)
    return out


def coffeas_own(executor: str, fileset: dict[str, Any], directory: Path, chunksize: int = CHUNKSIZE) -> Any:
    """Run the example with coffea's Runner in a script, and return the output."""
    from coffea.util import load

    (directory / "fileset.json").write_text(json.dumps(fileset))
    script = Path(running.__file__).with_name("plain_runner.py")
    out = directory / f"{executor}.coffea"
    subprocess.run(
        [sys.executable, script, executor, "fileset.json", str(chunksize), out],
        cwd=directory,
        check=True,
        timeout=running.PATIENCE,
        stdout=subprocess.DEVNULL,
    )
    return load(out)


def coffeas_fileset(samples: Path) -> dict[str, Any]:
    """Return what coffea's Runner takes for the samples."""
    fileset = {}
    for path in sorted((samples.parent / "sample_jsons").glob("*.json")):
        sample = json.loads(path.read_text())
        fileset[path.stem] = {
            "files": [str((path.parent / file).resolve()) for file in sample["files"]],
            "treename": "Events",
            "metadata": {"isData": sample["isData"]},
        }
    return fileset


@pytest.fixture(scope="session")
def expected(dimuon_samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return what coffea's own IterativeExecutor makes of the samples."""
    directory = tmp_path_factory.mktemp("iterative")
    return coffeas_own("iterative", coffeas_fileset(dimuon_samples), directory)


@pytest.fixture(scope="session")
def runs(dimuon_samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the directory of a run with an executor, which is done once."""
    directory = tmp_path_factory.mktemp("runs")

    def directory_of(executor: str) -> Path:
        if not (directory / executor).exists():
            run_on(dimuon_samples, executor, directory)
        return directory / executor

    return directory_of


@pytest.mark.parametrize("executor", EXECUTORS)
def test_same_as_coffeas_iterative_executor(
    runs: Callable[[str], Path], expected: Any, executor: str
) -> None:
    nanoaod.assert_same(running.output(runs(executor)), expected)


@pytest.mark.parametrize("executor", ["futures", "work_queue"])
def test_same_in_a_script_of_ones_own(
    dimuon_samples: Path, expected: Any, tmp_path: Path, executor: str
) -> None:
    fileset = coffeas_fileset(dimuon_samples)
    nanoaod.assert_same(coffeas_own(executor, fileset, tmp_path, chunksize=700), expected)


def test_the_numbers_are_those_of_the_samples(expected: Any, dimuon_samples: Path) -> None:
    for name, result in expected.items():
        sample = json.loads((dimuon_samples.parent / "sample_jsons" / f"{name}.json").read_text())
        assert result["cutflow"]["events"] == sample["nEvents"] == 2000
        assert result["sumw"] == pytest.approx(sample["nSumOfWeights"], rel=1e-9)
        assert result["mass"].sum().value > 0


@nanoaod.with_real_nanoaod
def test_real_nanoaod(tmp_path: Path) -> None:
    fileset = {"DY": {"files": [str(nanoaod.REAL_NANOAOD)], "treename": "Events", "metadata": {}}}
    (tmp_path / "real.json").write_text(json.dumps(fileset))
    wanted = coffeas_own("iterative", fileset, tmp_path, chunksize=15)
    assert wanted["DY"]["cutflow"]["events"] == 40
    for executor in EXECUTORS[:3]:
        out = run_on(tmp_path / "real.json", executor, tmp_path, "--chunksize", 15)
        nanoaod.assert_same(running.output(out), wanted)


@nanoaod.with_real_nanoaod
def test_real_nanoaod_is_no_reason_to_warn(tmp_path: Path) -> None:
    ended = running.run_well("--test", "-p", f"{PROCESSOR}:Dimuon", nanoaod.REAL_NANOAOD, cwd=tmp_path)
    assert ended.err == ""


# -- what a run leaves behind --


def test_run_json(runs: Callable[[str], Path], dimuon_samples: Path) -> None:
    found = running.summary(runs("work_queue"))
    assert found["exit_code"] == 0
    assert found["complete"] is True
    assert found["command"][0] == "wq-run"
    assert found["command"][-1] == str(dimuon_samples)
    assert found["samples"] == [str(dimuon_samples)]
    assert found["options"]["chunksize"] == {"value": CHUNKSIZE, "origin": "command line"}
    assert found["options"]["schema"] == {"value": "NanoAODSchema", "origin": "default"}
    assert set(found["datasets"]) == set(nanoaod.KINDS)
    for account in found["datasets"].values():
        assert (account["files"], account["chunks"]) == (2, 6)
        assert account["events_planned"] == account["events_processed"] == 2000
        assert account["events_skipped"] == 0
        assert account["complete"] is True
    assert {"wq-runner", "coffea", "python", "uproot", "work_queue"} <= set(found["versions"])
    assert not found["versions"]["work_queue"].startswith("not installed")
    assert found["started"] < found["finished"]
    assert 0 < found["seconds"]["processing"] <= found["seconds"]["total"]


def test_the_journal_accounts_for_every_event_once(runs: Callable[[str], Path]) -> None:
    for executor in EXECUTORS:
        events = running.events_of(runs(executor))
        assert isinstance(events[0], RunStarted)
        assert events[-1] == RunEnded(code=0)
        seen: dict[tuple[str, str], list[tuple[int, int]]] = {}
        for event in events:
            if isinstance(event, Accepted) and event.category == "processing":
                for path, _, start, stop, _ in event.items:
                    seen.setdefault((event.dataset, path), []).append((start, stop))
        assert len(seen) == 6
        for ranges in seen.values():
            ranges.sort()
            assert (ranges[0][0], ranges[-1][1]) == (0, 1000)
            assert all(left[1] == right[0] for left, right in itertools.pairwise(ranges))
            assert max(stop - start for start, stop in ranges) <= CHUNKSIZE


@pytest.mark.parametrize("executor", EXECUTORS)
def test_the_journal_has_what_each_chunk_used(runs: Callable[[str], Path], executor: str) -> None:
    accepted = [
        event
        for event in running.events_of(runs(executor))
        if isinstance(event, Accepted) and event.category == "processing"
    ]
    for event in accepted:
        for measured in (event.seconds, event.cpu, event.memory, event.read):
            assert len(measured) == len(event.items)
        assert min(event.seconds) > 0
        assert min(event.cpu) >= 0
        assert min(event.memory) > 50e6  # Python with coffea
        assert min(event.read) > 1000  # bytes of muons and jets
    assert sum(sum(event.cpu) for event in accepted) > 0


def test_files_left_behind(runs: Callable[[str], Path]) -> None:
    out = runs("work_queue")
    names = {path.name for path in out.iterdir()}
    assert {"output.coffea", "run.json", "journal.jsonl", "stats.log", "transactions.log"} <= names
    assert (out / "transactions.log").read_text().count(" DONE ") or "SUCCESS" in (
        out / "transactions.log"
    ).read_text()
    staging = out / "staging"
    assert not staging.exists() or not list(staging.glob("*.result"))


def test_the_engines_own_plots(runs: Callable[[str], Path], tmp_path: Path) -> None:
    log = shutil.copy(runs("work_queue") / "stats.log", tmp_path / "stats.log")
    if shutil.which("gnuplot") is None and not os.environ.get("CI"):
        pytest.skip("work_queue_graph_log needs gnuplot")
    subprocess.run(["work_queue_graph_log", "-Tpng", log], cwd=tmp_path, check=True, capture_output=True)
    pictures = list(tmp_path.glob("*.png"))
    assert len(pictures) >= 5
    for picture in pictures:
        content = picture.read_bytes()
        assert content.startswith(b"\x89PNG")
        assert content.endswith(b"IEND\xaeB\x60\x82")


def test_a_second_run_replaces_the_first(dimuon_samples: Path, tmp_path: Path) -> None:
    first = run_on(dimuon_samples, "iterative", tmp_path, "--limit-files", 1)
    before = running.output(first)
    second = run_on(dimuon_samples, "iterative", tmp_path)
    assert running.output(second)["DoubleMuon"]["sumw"] == 2 * before["DoubleMuon"]["sumw"]
    assert running.summary(second)["datasets"]["DoubleMuon"]["events_planned"] == 2000


# -- less than everything, and nothing --


def test_dry_run_starts_and_leaves_nothing(dimuon_samples: Path, tmp_path: Path) -> None:
    ended = running.run_well(
        "--dry-run", "-p", f"{PROCESSOR}:Dimuon", "-w", "local:2", dimuon_samples, cwd=tmp_path
    )
    assert "3 datasets, 6 files" in ended.out
    assert ended.lines[-1].startswith("dry run")
    assert list(tmp_path.iterdir()) == []


def test_test_takes_seconds(dimuon_samples: Path, tmp_path: Path) -> None:
    ended = running.run_well(
        "--test", "-p", f"{PROCESSOR}:Dimuon", "--chunksize", 100, "-o", "out", dimuon_samples, cwd=tmp_path
    )
    assert ended.seconds < 20
    for account in running.summary(tmp_path / "out")["datasets"].values():
        assert (account["files"], account["chunks"], account["events_processed"]) == (1, 1, 100)


def test_survey_when_no_processor_is_named(dimuon_samples: Path, tmp_path: Path) -> None:
    running.run_well("-e", "futures", "-w", 2, "-o", "out", dimuon_samples, cwd=tmp_path)
    found = running.output(tmp_path / "out")
    for name in nanoaod.KINDS:
        sample = json.loads((dimuon_samples.parent / "sample_jsons" / f"{name}.json").read_text())
        assert found[name]["nEvents"] == sample["nEvents"]
        assert found[name]["nSumOfWeights"] == pytest.approx(sample["nSumOfWeights"], rel=1e-12)
    assert "nSumOfWeights_ISRUp" in found["DYJetsToLL"]
    assert "nSumOfWeights_ISRUp" not in found["DoubleMuon"]


def test_processor_arguments_and_a_package(dimuon_samples: Path, tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "beside.py").write_text("FACTOR = 3\n")
    (package / "mine.py").write_text(
        "from coffea import processor\nfrom package.beside import FACTOR\n"
        "class Mine(processor.ProcessorABC):\n"
        "    def __init__(self, scale=1): self.scale = scale\n"
        "    def process(self, events): return {'n': len(events) * self.scale * FACTOR}\n"
        "    def postprocess(self, accumulator): return accumulator\n"
    )
    options = ("-p", "package.mine:Mine", "--processor-args", "scale=5", "-w", "local:1", "-o", "out")
    running.run_well(*options, dimuon_samples, cwd=tmp_path)
    assert running.output(tmp_path / "out") == {"n": 6000 * 5 * 3}
