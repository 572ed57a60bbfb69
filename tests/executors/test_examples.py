"""The examples: the commands of their READMEs on real workers, and whether the physics in them is right.

What is expected is computed from the same files without engine, chunks or workers.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import awkward as ak
import nanoaod
import nbformat
import numpy as np
import pytest
import running
from coffea.processor import accumulate
from nbclient import NotebookClient

EXAMPLES = nanoaod.ROOT / "examples"
FEWER = {
    "corrections": "--events 8000",
    "dimuon": "--events 2000",
    "skim": "--events 2000",
    "systematics": "--events 3000",
}
"""Options of make_data.py: what the README makes is larger than a test needs."""


def commands(example: str) -> list[str]:
    """Return the lines of the README's first block, with fewer events."""
    text = (EXAMPLES / example / "README.md").read_text()
    block = re.search(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert block
    return [f"{line} {FEWER[example]}" if "make_data.py" in line else line for line in block[1].splitlines()]


def do(command: str, cwd: Path) -> str:
    """Run a command as in a shell, and return what it says."""
    environ = {**os.environ, **running.SETTINGS}
    environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
    ended = subprocess.run(
        ["bash", "-c", command],
        cwd=cwd,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=running.PATIENCE,
        check=False,
    )
    assert ended.returncode == 0, f"{command}\n{ended.stdout}"
    return ended.stdout


def copy(example: str, directory: Path) -> Path:
    """Copy the example, and the one that all of them build upon, as they are in a clone."""
    left = shutil.ignore_patterns("data", "wq-run-*", "*.png", "__pycache__")
    for name in {example, "dimuon"}:
        shutil.copytree(EXAMPLES / name, directory / name, ignore=left)
    return directory / example


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return what runs an example, once for all tests, and returns its directory."""
    done: dict[str, Path] = {}

    def run(example: str) -> Path:
        if example not in done:
            directory = copy(example, tmp_path_factory.mktemp("examples"))
            for command in commands(example):
                do(command, directory)
            done[example] = directory
        return done[example]

    return run


def direct(make: Any, samples: dict[str, dict[str, Any]], jsons: Path) -> dict[str, Any]:
    """Run a processor over whole files, one after the other, in this process."""
    found: dict[str, Any] = {}
    for name, sample in samples.items():
        for file in sample["files"]:
            path = (jsons / file).resolve()
            metadata = {key: value for key, value in sample.items() if key != "files"}
            events = nanoaod.read(path, dataset=name, **metadata)
            found = accumulate([found, make().process(events)])
    return found


def samples_of(jsons: Path) -> dict[str, dict[str, Any]]:
    import json

    return {path.stem: json.loads(path.read_text()) for path in jsons.glob("*.json")}


def picture(path: Path) -> None:
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size > 10_000


def test_dimuons_are_those_of_one_process(ran: Callable[[str], Path]) -> None:
    directory = ran("dimuon")
    module = nanoaod.load(EXAMPLES / "dimuon" / "processor.py")
    jsons = directory / "sample_jsons"
    expected = direct(module.Dimuon, samples_of(jsons), jsons)
    nanoaod.assert_same(running.output(directory / "wq-run-samples"), expected)
    picture(directory / "mass.png")


# -- systematics --


@pytest.fixture
def systematics(ran: Callable[[str], Path]) -> tuple[dict[str, Any], dict[str, dict[str, Any]], Path]:
    directory = ran("systematics")
    return running.output(directory / "wq-run-samples"), samples_of(directory / "sample_jsons"), directory


def test_systematics_are_those_of_one_process(systematics: Any) -> None:
    output, samples, directory = systematics
    module = nanoaod.load(EXAMPLES / "systematics" / "processor.py")
    expected = direct(module.FourMuons, samples, directory / "sample_jsons")
    for name, one in expected.items():
        nanoaod.assert_same(output[name]["sumw"], one["sumw"])
        nanoaod.assert_same(output[name]["cutflow"], one["cutflow"])
        for variation in one["mass"].axes["variation"]:
            at = {"variation": variation}
            nanoaod.assert_same(output[name]["mass"][at], one["mass"][at], f"{name} {variation}")
    picture(directory / "mass.png")


def test_sums_of_weights_are_those_of_the_samples(systematics: Any) -> None:
    output, samples, _ = systematics
    assert set(output) == set(samples)
    for name, sample in samples.items():
        assert output[name]["sumw"] == pytest.approx(sample["nSumOfWeights"], rel=1e-9)
        assert output[name]["cutflow"]["events"] == sample["nEvents"]


def test_variations_do_what_they_say(systematics: Any) -> None:
    output, samples, _ = systematics
    for name, sample in samples.items():
        mass = output[name]["mass"]
        if sample["isData"]:
            assert list(mass.axes["variation"]) == ["nominal"]
            continue
        total = {v: mass[{"variation": v}].sum(flow=True).value for v in mass.axes["variation"]}
        assert total["muonEfficiencyUp"] == pytest.approx(total["nominal"] * 1.015**4)
        assert total["muonEfficiencyDown"] == pytest.approx(total["nominal"] * 0.985**4)
        assert total["scaleDown"] < 0.99 * total["nominal"] < 0.98 * total["scaleUp"]
        if sample["histAxisName"] == "ggHTo4Mu":
            means = {v: _mean(mass[{"variation": v}]) for v in mass.axes["variation"]}
            assert means["muonScaleDown"] < means["nominal"] < means["muonScaleUp"]


def test_the_higgs_boson_is_found(systematics: Any) -> None:
    output, samples, _ = systematics
    plot = nanoaod.load(EXAMPLES / "systematics" / "plot.py")
    expected, data = plot.expect(output, samples), plot.observed(output, samples)
    centers = data.axes["mass"].centers
    peak = expected.processes["ggHTo4Mu"].values()
    assert np.average(centers, weights=peak) == pytest.approx(125, abs=1)
    near = abs(centers - 125) < 4
    background = expected.total[near].sum() - peak[near].sum()
    # toys know it: about 60 events on less than 20
    assert data.values()[near].sum() > background + 5 * np.sqrt(background)
    assert data.sum().value == pytest.approx(expected.total.sum(), rel=0.15)
    # cross section x luminosity, of what is selected
    selected = sum(
        output[f"ggHTo4Mu_{year}"]["mass"][{"variation": "nominal"}].sum(flow=True).value
        / output[f"ggHTo4Mu_{year}"]["sumw"]
        * 1000
        * 0.00125
        * luminosity
        for year, luminosity in {"2017": 41.5, "2018": 59.8}.items()
    )
    assert expected.processes["ggHTo4Mu"].sum(flow=True).value == pytest.approx(selected)


def test_samples_of_systematics_in_the_repository_are_those_of_the_defaults(tmp_path: Path) -> None:
    committed = EXAMPLES / "systematics"
    do(f"{sys.executable} {committed}/make_data.py --out data --samples .", tmp_path)
    assert (tmp_path / "samples.cfg").read_text() == (committed / "samples.cfg").read_text()
    found, known = samples_of(tmp_path / "sample_jsons"), samples_of(committed / "sample_jsons")
    for name, sample in known.items():
        assert sample.pop("nSumOfWeights") == pytest.approx(found[name].pop("nSumOfWeights"), rel=1e-6)
        assert [Path(file).name for file in found[name].pop("files")] == [
            Path(file).name for file in sample.pop("files")
        ]
        assert found[name] == sample


# -- corrections --


def test_corrections_make_simulation_like_data(ran: Callable[[str], Path]) -> None:
    directory = ran("corrections")
    samples = samples_of(directory / "sample_jsons")
    output = running.output(directory / "wq-run-samples")
    module = nanoaod.load(EXAMPLES / "corrections" / "processor.py")
    make = partial(module.Corrected, str(directory / "corrections.json"))
    for name, one in direct(make, samples, directory / "sample_jsons").items():
        assert output[name]["sumw"] == pytest.approx(one["sumw"], rel=1e-12)
        for what in ("vertices", "eta"):
            for variation in one[what].axes["variation"]:
                at = {"variation": variation}
                nanoaod.assert_same(output[name][what][at], one[what][at], f"{name} {what} {variation}")
    picture(directory / "corrections.png")

    plot = nanoaod.load(EXAMPLES / "corrections" / "plot.py")
    data = plot.observed(output, samples, "vertices")
    before, after = (plot.expect(output, samples, "vertices", v) for v in ("uncorrected", "nominal"))
    assert _mean(before) < 0.9 * _mean(data)
    assert _mean(after) == pytest.approx(_mean(data), rel=0.02)
    assert before.sum().value > 1.05 * data.sum().value
    assert after.sum().value == pytest.approx(data.sum().value, rel=0.04)


def _mean(histogram: Any) -> float:
    return float(np.average(histogram.axes[0].centers, weights=histogram.values()))


def test_other_corrections_start_over(ran: Callable[[str], Path], tmp_path: Path) -> None:
    directory = tmp_path / "corrections"
    shutil.copytree(ran("corrections"), directory)
    command = "wq-run -e iterative --limit-files 1 samples.cfg"
    do(f"{command} --fresh", directory)
    assert "nothing to do" in (said := do(command, directory)) or "complete" in said
    assert "starting over" not in said
    file = directory / "corrections.json"
    file.write_text(file.read_text().replace("0.98,", "0.97,"))
    assert "starting over" in do(command, directory)


# -- skim --


def test_skims_have_each_event_once(ran: Callable[[str], Path]) -> None:
    directory = ran("skim")
    jsons = directory.parent / "dimuon" / "sample_jsons"
    output = running.output(directory / "wq-run-samples")
    picture(directory / "pt.png")
    for name, sample in samples_of(jsons).items():
        events = [nanoaod.read((jsons / file).resolve()) for file in sample["files"]]
        rows = ak.from_parquet(directory / "wq-run-samples" / "merged" / name / "skim.parquet")
        assert output[name]["events"] == sum(map(len, events)) == 8000
        assert output[name]["rows"] == len(rows) > 0
        kept = [_at_the_z(one) for one in events]
        wanted = sorted(
            pair for one in kept for pair in zip(one.run.to_list(), one.event.to_list(), strict=True)
        )
        assert sorted(zip(rows.run.to_list(), rows.event.to_list(), strict=True)) == wanted
        if not sample["isData"]:
            sumw = sum(np.sum(ak.to_numpy(one.genWeight), dtype=float) for one in events)
            assert output[name]["sumw"] == pytest.approx(sumw, rel=1e-12)
            weights = sum(np.sum(ak.to_numpy(one.genWeight), dtype=float) for one in kept)
            assert ak.sum(rows.weight) == pytest.approx(weights, rel=1e-9)


def _at_the_z(events: ak.Array) -> ak.Array:
    """Select what the skim promises, event by event."""
    chosen = []
    names = ("pt", "eta", "phi", "charge", "tightId", "pfRelIso04_all")
    for columns in zip(*(events.Muon[name].to_list() for name in names), strict=True):
        good = [m for m in zip(*columns, strict=True) if m[0] > 20.0 and m[4] and m[5] < 0.25]
        if len(good) != 2 or good[0][3] + good[1][3] != 0:
            chosen.append(False)
            continue
        (pt1, eta1, phi1, *_), (pt2, eta2, phi2, *_) = good
        mass = math.sqrt(2 * pt1 * pt2 * (math.cosh(eta1 - eta2) - math.cos(phi1 - phi2)))
        chosen.append(71.0 < mass < 111.0)
    return events[np.array(chosen)]


# -- notebook --

CHECK = """
from coffea.processor import IterativeExecutor
runner = processor.Runner(executor=IterativeExecutor(status=False), schema=NanoAODSchema)
alone = runner(fileset, Dimuon(), treename="Events")
for name, one in result.output.items():
    assert np.isclose(one["sumw"], alone[name]["sumw"], rtol=1e-12), name
    assert np.allclose(one["mass"].values(), alone[name]["mass"].values(), rtol=1e-9), name
assert result.complete and abs(expected[hist.loc(81):hist.loc(101)].sum().value / 39000 - 1) < 0.02
position = np.average(data.axes[0].centers[25:37], weights=data.values()[25:37])
assert abs(position - 91.2) < 0.3, position
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Jupyter's own packages
def test_the_notebook(tmp_path: Path) -> None:
    directory = copy("notebook", tmp_path)
    notebook = nbformat.read(directory / "dimuon.ipynb", 4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "commit it without what it printed"
    notebook.cells.append(nbformat.v4.new_code_cell(CHECK))
    NotebookClient(
        notebook, timeout=int(running.PATIENCE), resources={"metadata": {"path": str(directory)}}
    ).execute()
    last = notebook.cells[-2].outputs[-1]
    assert last["data"]["text/plain"] == "True"
    picture(directory / "mass.png")
