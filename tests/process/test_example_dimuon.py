from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import awkward as ak
import nanoaod
import pytest
from coffea import processor, util
from coffea.nanoevents import NanoAODSchema
from matplotlib import rc_context

plot = nanoaod.load(nanoaod.DIMUON / "plot.py")
Dimuon = nanoaod.load(nanoaod.DIMUON / "processor.py").Dimuon
make_data = nanoaod.make_data
EVENTS = 3000

Results = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("data")
    return {
        kind: nanoaod.write_dataset(directory, kind, events=EVENTS, basket=1000)[0] for kind in nanoaod.KINDS
    }


def run(path: Path, chunksize: int = EVENTS, entries: int = EVENTS, **metadata: Any) -> dict[str, Any]:
    found: dict[str, Any] = nanoaod.process(Dimuon(), path, chunksize, entries, **metadata)["test"]
    return found


@pytest.fixture(scope="module")
def whole(data: dict[str, Path]) -> Results:
    return {kind: run(path) for kind, path in data.items()}


@pytest.mark.parametrize("kind", ["DYJetsToLL", "DoubleMuon"])
def test_z_peak(whole: Results, kind: str) -> None:
    position, width = plot.peak(whole[kind]["mass"])
    assert position == pytest.approx(91.2, abs=1.0)
    assert 0.8 < width < 2.0


def test_top_pairs_have_none(whole: Results) -> None:
    cutflow = whole["TTTo2L2Nu"]["cutflow"]
    assert cutflow["at the Z"] < 0.25 * cutflow["opposite sign"]
    assert cutflow["at the Z, three jets"] > 0.3 * cutflow["at the Z"]


def test_cut_flow_falls(whole: Results) -> None:
    for result in whole.values():
        passed = list(result["cutflow"].values())
        assert passed[0] == EVENTS
        assert passed == sorted(passed, reverse=True)
        assert passed[-1] > 0
        assert all(type(count) is int for count in passed)


@pytest.mark.parametrize("kind", nanoaod.KINDS)
def test_many_chunks_are_one(data: dict[str, Path], whole: Results, kind: str) -> None:
    nanoaod.assert_same(run(data[kind], 1400), whole[kind])


def test_chunks_of_one_event(data: dict[str, Path]) -> None:
    nanoaod.assert_same(run(data["TTTo2L2Nu"], 1, 4), run(data["TTTo2L2Nu"], 4, 4))


def test_weights(data: dict[str, Path], whole: Results) -> None:
    weight = nanoaod.read(data["TTTo2L2Nu"]).genWeight.to_numpy()
    assert (weight < 0).sum() > 0
    assert whole["TTTo2L2Nu"]["sumw"] == pytest.approx(weight.sum(dtype=float), rel=1e-12)
    assert run(data["TTTo2L2Nu"], isData=True)["sumw"] == whole["DoubleMuon"]["sumw"] == EVENTS


@pytest.mark.parametrize("kind", nanoaod.KINDS)
def test_no_events(tmp_path: Path, kind: str) -> None:
    (path,) = nanoaod.write_dataset(tmp_path, kind, events=0)
    result = run(path, entries=0)
    assert not any(result["cutflow"].values())
    assert result["mass"].sum(flow=True).value == 0


def test_coffea_runs_it(data: dict[str, Path], whole: Results) -> None:
    files = {kind: {"files": [str(path)], "treename": "Events"} for kind, path in data.items()}
    executor = processor.IterativeExecutor(status=False)
    runner = processor.Runner(executor=executor, schema=NanoAODSchema, chunksize=2000)
    nanoaod.assert_same(runner(files, Dimuon()), whole)


@nanoaod.with_real_nanoaod
def test_real_file() -> None:
    assert Dimuon().process(nanoaod.real_events())["test"]["cutflow"]["events"] == 40


# -- the files it is made with --


def test_same_seed_same_events(tmp_path: Path, data: dict[str, Path]) -> None:
    (again,) = nanoaod.write_dataset(tmp_path / "again", "DYJetsToLL", events=EVENTS, basket=1000)
    (other,) = nanoaod.write_dataset(tmp_path / "other", "DYJetsToLL", events=EVENTS, basket=1000, seed=2)
    first, again, other = (nanoaod.read(path) for path in (data["DYJetsToLL"], again, other))
    assert ak.array_equal(first.Muon.pt, again.Muon.pt)
    assert ak.array_equal(first.Jet.btagDeepFlavB, again.Jet.btagDeepFlavB)
    assert not ak.array_equal(first.Muon.pt, other.Muon.pt)


def test_files_differ(tmp_path: Path) -> None:
    one, two = (nanoaod.read(path) for path in nanoaod.write_dataset(tmp_path, files=2, events=100))
    assert not ak.array_equal(one.MET.pt, two.MET.pt)
    assert ak.max(one.event) < ak.min(two.event)


def test_jets_are_sorted(data: dict[str, Path]) -> None:
    pt = nanoaod.read(data["TTTo2L2Nu"]).Jet.pt
    assert ak.all(pt[:, 1:] <= pt[:, :-1])


def test_nothing_is_made_twice(tmp_path: Path) -> None:
    paths = nanoaod.write_dataset(tmp_path, files=2, events=10)
    before = [path.stat().st_mtime_ns for path in paths]
    assert nanoaod.write_dataset(tmp_path, files=2, events=10) == paths
    assert [path.stat().st_mtime_ns for path in paths] == before
    nanoaod.write_dataset(tmp_path, files=1, events=20)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".DYJetsToLL.json", "DYJetsToLL_0.root"]
    assert nanoaod.read(paths[0]).Muon.pt.ndim == 2


def test_samples_in_the_repository_are_those_of_the_defaults(tmp_path: Path) -> None:
    plan = make_data.Plan()
    made = [
        make_data.Made(
            kind=kind,
            files=tuple(tmp_path / "data" / f"{kind}_{index}.root" for index in range(plan.files)),
            events=plan.files * plan.events,
            sum_of_weights=1.0,
        )
        for kind in nanoaod.KINDS
    ]
    cfg = make_data.write_samples(tmp_path, made)
    assert cfg.read_text() == (nanoaod.DIMUON / "samples.cfg").read_text()
    for kind in nanoaod.KINDS:
        fresh, committed = (
            json.loads((directory / "sample_jsons" / f"{kind}.json").read_text())
            for directory in (tmp_path, nanoaod.DIMUON)
        )
        assert fresh | {"nSumOfWeights": committed["nSumOfWeights"]} == committed


def test_picture(tmp_path: Path, whole: Results, capsys: pytest.CaptureFixture[str]) -> None:
    util.save(whole, tmp_path / "output.coffea")
    with rc_context():  # its style is for it alone
        plot.main([str(tmp_path / "output.coffea"), "-o", str(tmp_path / "mass.png")])
    assert "data       Z peak at 9" in capsys.readouterr().out
    assert (tmp_path / "mass.png").stat().st_size > 10_000
