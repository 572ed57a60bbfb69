from __future__ import annotations

from pathlib import Path

import awkward as ak
import nanoaod
import numpy as np
import pytest
import uproot
from coffea import nanoevents

from wq_runner.survey import SCALE, SHOWER, Survey

UP = {"ISRUp", "FSRUp", "renormUp", "factUp", "renormfactUp"}
VARIED = {f"nSumOfWeights_{name}" for up in UP for name in (up, up.replace("Up", "Down"))}
COUNTS = {"nEvents", "nGenEvents", "nSumOfWeights"}


@pytest.fixture(scope="module")
def drell_yan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nanoaod.write_dataset(tmp_path_factory.mktemp("dy"), "DYJetsToLL", events=1000, basket=300)[0]


def survey(path: Path, chunksize: int = 10_000, entries: int = 1000, **options: object) -> dict[str, object]:
    found: dict[str, object] = nanoaod.process(Survey(), path, chunksize, entries, **options)["test"]
    return found


def test_simulation(drell_yan: Path) -> None:
    result = survey(drell_yan)
    events = nanoaod.read(drell_yan)
    weight = ak.to_numpy(events.genWeight).astype(float)
    assert set(result) == COUNTS | VARIED
    assert result["nEvents"] == result["nGenEvents"] == 1000
    assert result["nSumOfWeights"] == weight.sum()
    assert result["nSumOfWeights_ISRUp"] == pytest.approx((weight * events.PSWeight[:, 0]).to_numpy().sum())
    assert result["nSumOfWeights_FSRDown"] == pytest.approx((weight * events.PSWeight[:, 3]).to_numpy().sum())
    assert result["nSumOfWeights_renormfactDown"] == pytest.approx(
        (weight * events.LHEScaleWeight[:, 0]).to_numpy().sum()
    )
    assert result["nSumOfWeights_renormUp"] == pytest.approx(
        (weight * events.LHEScaleWeight[:, 7]).to_numpy().sum()
    )


def test_data_count_their_entries(tmp_path: Path) -> None:
    (path,) = nanoaod.write_dataset(tmp_path, "DoubleMuon", events=50)
    assert survey(path, entries=50) == {"nEvents": 50, "nGenEvents": 50, "nSumOfWeights": 50.0}


def test_the_samples_say_what_is_data(drell_yan: Path) -> None:
    assert survey(drell_yan, isData=True)["nSumOfWeights"] == 1000.0


def test_other_trees_have_entries_only(tmp_path: Path) -> None:
    path = nanoaod.write_simple(tmp_path / "x.root", 20, tree="other")
    assert survey(path, entries=20, schema=nanoevents.BaseSchema, tree="other") == {"nEvents": 20}


@pytest.mark.parametrize("chunksize", [130, 300, 999])
def test_many_chunks_are_one(drell_yan: Path, chunksize: int) -> None:
    nanoaod.assert_same(survey(drell_yan, chunksize), survey(drell_yan))


def test_schemas_agree(drell_yan: Path) -> None:
    nanoaod.assert_same(survey(drell_yan, schema=nanoevents.BaseSchema), survey(drell_yan))


@pytest.mark.parametrize("kind", nanoaod.KINDS)
def test_no_events(tmp_path: Path, kind: str) -> None:
    (path,) = nanoaod.write_dataset(tmp_path, kind, events=0)
    result = survey(path, entries=0)
    assert set(result) == COUNTS
    assert not any(result.values())


@pytest.mark.parametrize(
    ("title", "first"),
    [
        (
            "PS weights (w_var / w_nominal);   "
            "[0] is ISR=2 FSR=1; [1] is ISR=1 FSR=2[2] is ISR=0.5 FSR=1; [3] is ISR=1 FSR=0.5;",
            (2, 1),
        ),
        (
            "PS weights; [0] is ISR=0.5 FSR=1; [1] is ISR=1 FSR=0.5; [2] is ISR=2 FSR=1; [3] is ISR=1 FSR=2 ",
            (0.5, 1),
        ),
        ("PSWeight[nPSWeight]/F", (2, 1)),
        ("", (2, 1)),
    ],
    ids=["v9", "v5", "written by uproot", "none"],
)
def test_title_of_shower_weights(title: str, first: tuple[float, float]) -> None:
    orders = SHOWER.orders(title)
    assert set(orders) == {4}
    assert orders[4][0] == first
    assert sorted(orders[4]) == sorted(SHOWER.names.values())


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("renscfact=0.5d0 facscfact=1d0 ", "renscfact=1d0 facscfact=2d0"),
        ("muR=0.50000E+00 muF=0.10000E+01 ", "muR=0.10000E+01 muF=0.20000E+01"),
        ('MUF="1.0" MUR="0.5"', 'MUF="2.0" MUR="1.0"'),
        ("lhapdf=306000 renscfact=0.5d0 facscfact=1d0", "lhapdf=306000 renscfact=1d0 facscfact=2d0"),
    ],
)
def test_title_of_scale_weights(one: str, two: str) -> None:
    title = f"LHE scale variation weights (w_var / w_nominal); [0] is {one}; [1] is {two}; "
    assert SCALE.orders(title) == {2: ((0.5, 1.0), (1.0, 2.0))}


@pytest.mark.parametrize("title", ["", "[0] is ; [1] is dyn=-1"])
def test_scale_weights_by_convention(title: str) -> None:
    orders = SCALE.orders(title)
    assert orders[9].index((2, 1)) == 7
    assert orders[8].index((1, 2)) == 4
    assert orders[8].index((2, 2)) == 7


@pytest.mark.parametrize("chunksize", [1, 10])
def test_events_without_variations_are_nominal(tmp_path: Path, chunksize: int) -> None:
    nine, eight = [0.5, 1, 1, 1, 1, 1, 1, 2, 4], [0.5, 1, 1, 1, 1, 1, 3, 4]
    with uproot.recreate(tmp_path / "x.root") as file:
        tree = file.mktree("Events", {"genWeight": "float32", "LHEScaleWeight": "var * float32"})
        tree.extend(
            {"genWeight": np.full(4, 10.0, np.float32), "LHEScaleWeight": ak.Array([nine, [], eight, [7]])}
        )
    result = survey(tmp_path / "x.root", chunksize, entries=4, schema=nanoevents.BaseSchema)
    assert result["nSumOfWeights"] == 40
    assert result["nSumOfWeights_renormUp"] == 20 + 10 + 30 + 10
    assert result["nSumOfWeights_renormfactUp"] == 40 + 10 + 40 + 10
    assert result["nSumOfWeights_renormfactDown"] == 5 + 10 + 5 + 10


@pytest.mark.parametrize("weights", [[[1.0], [1.0]], [[], []]], ids=["dummies", "none"])
def test_variations_that_no_event_has_are_left_out(tmp_path: Path, weights: list[list[float]]) -> None:
    with uproot.recreate(tmp_path / "x.root") as file:
        tree = file.mktree("Events", {"genWeight": "float32", "PSWeight": "var * float32"})
        values = ak.values_astype(ak.Array([*weights, [1.0]])[:2], np.float32)
        tree.extend({"genWeight": np.ones(2, np.float32), "PSWeight": values})
    assert set(survey(tmp_path / "x.root", entries=2, schema=nanoevents.BaseSchema)) == COUNTS


@nanoaod.with_real_nanoaod
def test_real_file() -> None:
    result = Survey().postprocess(Survey().process(nanoaod.real_events()))["test"]
    assert set(result) == COUNTS | VARIED
    with uproot.open(nanoaod.REAL_NANOAOD) as file:
        names = ["genWeight", "PSWeight", "LHEScaleWeight"]
        weight, shower, scale = (file["Events"][name].array().to_numpy().astype(float) for name in names)
    assert result["nSumOfWeights"] == weight.sum()
    assert result["nSumOfWeights_ISRDown"] == pytest.approx((weight * shower[:, 0]).sum())  # ISR=0.5 is first
    assert result["nSumOfWeights_factUp"] == pytest.approx((weight * scale[:, 5]).sum())
