"""Which pictures an output has: one for each observable and region, and nothing added up unasked."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import hist
import numpy as np
import pytest
from made_histograms import SHIFTS, axes, pocketcoffea, topcoffea

from wq_runner.errors import UsageError
from wq_runner.monitor import drawing, histograms, pictures
from wq_runner.monitor.histograms import Sample
from wq_runner.monitor.pictures import EVENTS, GENERATOR, WEIGHTS, Picture, choose


class Sparse:
    """As TopCoffea's: dense histograms by categories."""

    def __init__(self, dense: dict[tuple[str, ...], Any], names: Iterable[str]) -> None:
        keys = list(zip(*dense, strict=True))
        self.categorical_axes = tuple(
            hist.axis.StrCategory(sorted(set(values)), name=name)
            for name, values in zip(names, keys, strict=True)
        )
        self.dense_axes = tuple(next(iter(dense.values())).axes)
        self.axes = (*self.categorical_axes, *self.dense_axes)
        self._dense = dense

    def view(self, *, flow: bool = False, as_dict: bool = True) -> Any:
        assert as_dict
        return {key: one.view(flow=flow) for key, one in self._dense.items()}

    def sum(self, *, flow: bool = False) -> Any:
        raise AssertionError("nobody adds up everything")


class Eft(Sparse):
    """As TopCoffea's HistEFT: coefficients, of which a point makes a histogram."""

    wc_names = ("ctG",)

    def as_hist(self, values: dict[str, float]) -> Any:
        assert values == {}
        return topcoffea()["mass"]


def sparse() -> dict[str, Any]:
    found = topcoffea()["mass"]
    dense: dict[tuple[str, ...], Any] = {}
    for process in ("DY", "Data"):
        for channel in ("2l", "3l"):
            for name in SHIFTS if process == "DY" else ("nominal",):
                dense[process, channel, name] = found[process, channel, name, :]
    return {"mass": Sparse(dense, ("process", "channel", "systematic"))}


def eft() -> dict[str, Any]:
    found = sparse()["mass"]
    return {"mass": Eft(found._dense, ("process", "channel", "systematic"))}


KINDS = {
    "topcoffea": (topcoffea, "mass", ("DY", "Data")),
    "pocketcoffea": (pocketcoffea, "variables/mass", ("DY_2018", "Data_2018")),
    "sparse": (sparse, "mass", ("DY", "Data")),
    "eft": (eft, "mass", ("DY", "Data")),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_for_each_region_with_a_band(kind: str) -> None:
    make, name, datasets = KINDS[kind]
    samples = {datasets[0]: Sample(), datasets[1]: Sample(is_data=True)}
    found = pictures.pictures(make(), samples)
    assert [(one.name, *one.where.values()) for one in found] == [(name, "2l"), (name, "3l")]
    for one in found:
        assert sorted(one.parts) == sorted(datasets)
        expected, data = pictures.split_data(one, samples)
        assert list(expected) == [datasets[0]]
        assert list(data) == [datasets[1]]
        assert expected[datasets[0]].values.tolist() == [1, 0, 1, 0]
        band = pictures.band(one, expected)
        assert band is not None
        below, above = band
        assert below == pytest.approx([0.8, 0, 0.8, 0])
        up = np.hypot(0.1, 0.2)
        assert above == pytest.approx([1 + up, 0, 1 + up, 0])
        assert pictures.variations(one) == "2 variations, in quadrature"
        assert ("at the Standard Model" in one.title) == (kind == "eft")


def test_a_variation_that_a_dataset_lacks_is_its_nominal() -> None:
    whole = axes("dataset", "systematic").Weight()
    whole.fill(dataset="A", systematic="nominal", mass=[10])
    whole.fill(dataset="A", systematic="jesUp", mass=[10], weight=1.5)
    whole.fill(dataset="B", systematic="nominal", mass=[10], weight=3.0)
    (one,) = pictures.pictures({"mass": whole}, {})
    band = pictures.band(one, one.parts)
    assert band is not None
    assert band[1][0] == pytest.approx(4.5)


def test_without_a_nominal_one_each_variation_has_a_picture() -> None:
    whole = axes("dataset", "systematic").Weight()
    for name in ("jesUp", "jesDown"):
        whole.fill(dataset="A", systematic=name, mass=[10])
    found = pictures.pictures({"mass": whole}, {})
    assert [one.title for one in found] == ["mass, systematic jesUp", "mass, systematic jesDown"]
    assert all(one.parts["A"].values[0] == 1 for one in found)


@pytest.mark.parametrize(
    ("given", "overlay", "titles", "parts"),
    [
        (("channel=2l",), "", ["mass, channel 2l"], {"DY", "Data"}),
        (("dataset=D?",), "", ["mass, channel 2l", "mass, channel 3l"], {"DY"}),
        (("channel=2*", "process=DY"), "dataset", ["mass, channel 2l, nominal"], {"DY"}),
        (("process=DY",), "channel", ["mass, process DY, nominal"], {"2l", "3l"}),
        (("process=DY", "channel=2l"), "systematic", ["mass, process DY, channel 2l"], set(SHIFTS)),
        (("systematic=jesUp", "channel=3l"), "", ["mass, channel 3l, systematic jesUp"], {"DY"}),
        (("channel=sum",), "", ["mass, summed over channel"], {"DY", "Data"}),
    ],
)  # fmt: skip
def test_what_is_chosen(given: tuple[str, ...], overlay: str, titles: list[str], parts: set[str]) -> None:
    found = pictures.pictures(topcoffea(), {}, choose(given, overlay))
    assert [one.title for one in found] == titles
    assert set(found[0].parts) == parts


@pytest.mark.parametrize(
    ("given", "overlay", "text"),
    [
        ((), "chanel", "no histogram has an axis called chanel. Did you mean channel"),
        (("regoin=sr",), "", "no histogram has an axis called regoin"),
        (("channel=4l",), "", "--axis channel=4l: no histogram has it"),
        (("channel",), "", "--axis channel: it has no value"),
    ],
)
def test_what_no_histogram_has_is_refused(given: tuple[str, ...], overlay: str, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        pictures.pictures(topcoffea(), {}, choose(given, overlay))
    assert text in str(caught.value)


def weighted(each: float) -> Picture:
    values = hist.Hist.new.Reg(4, 0, 100, name="mass").Weight().fill([10, 10, 60], weight=each)
    (found,) = pictures.pictures({"DY": {"mass": values}}, {"DY": None})
    return found


@pytest.mark.parametrize(
    ("picture", "sample", "text"),
    [
        (weighted(1.0), Sample(), EVENTS),
        (weighted(0.7), Sample(), WEIGHTS),
        (weighted(0.7), Sample(mean_weight=25_000.0), WEIGHTS),
        (weighted(26_000.0), Sample(mean_weight=25_000.0), GENERATOR),
        (weighted(26_000.0), Sample(), WEIGHTS),
    ],
)
def test_labels_say_what_is_counted(picture: Picture, sample: Sample, text: str) -> None:
    assert pictures.quantity(picture, {"DY": sample}) == text


def test_bins_without_variances_are_events_only_where_nothing_was_weighted() -> None:
    counted = hist.Hist.new.Reg(4, 0, 100, name="mass").Double().fill([10, 60])
    weighed = hist.Hist.new.Reg(4, 0, 100, name="mass").Double().fill([10, 60], weight=2.0)
    found = [pictures.pictures({"mass": one}, {})[0] for one in (counted, weighed)]
    assert [pictures.quantity(one, {}) for one in found] == [EVENTS, WEIGHTS]


def test_what_cannot_be_drawn_says_why() -> None:
    deep = hist.Hist.new.Reg(2, 0, 1, name="x").Reg(2, 0, 1, name="y").Reg(2, 0, 1, name="z").Double()
    deep.fill([0.1, 0.1], [0.1, 0.1], [0.5, 5.0])
    mean = hist.Hist.new.Reg(2, 0, 1, name="x").Mean().fill([0.1], sample=[2.0])
    weighted = hist.Hist.new.StrCat([], name="dataset", growth=True).Reg(2, 0, 1, name="x").Weight()
    above = weighted.copy().fill(dataset="DY", x=[7.0])
    for kept, why in ((weighted, "it is empty"), (above, "all of it is outside of its axes")):
        assert [one.lacking for one in pictures.pictures({"h": kept}, {})] == [why]
    (one, other) = pictures.pictures({"deep": deep, "mean": mean}, {})
    assert one.lacking == "it has 3 observables (x, y, z): --axis NAME=sum adds one up"
    assert other.lacking == "it holds means, no numbers of events"
    (flat,) = pictures.pictures({"deep": deep}, {}, choose(["z=sum"]))
    assert (flat.title, flat.lacking) == ("deep, summed over z", "")
    assert flat.parts[""].values.sum() == 2  # what is above the axis that is added up, too


def test_a_sum_is_told_only_where_it_is_none_over_categories() -> None:
    assert "sum" not in histograms.describe(topcoffea()["mass"])
    assert "channel (2: 2l, 3l)" in histograms.describe(topcoffea()["mass"])
    assert histograms.describe(sparse()["mass"]).startswith("histogram of process (2: DY, Data)")


def test_normalized_to_cross_section_and_luminosity() -> None:
    (picture,) = pictures.pictures(topcoffea(), {}, choose(["channel=2l"]))
    samples = {"DY": Sample(xsec=2.0, sum_of_weights=4.0), "Data": Sample(is_data=True)}
    found = pictures.normalized(picture, samples, 3.0)
    assert found.parts["DY"].values.sum() == pytest.approx(2 * 1500)
    assert found.parts["DY"].variances.sum() == pytest.approx(2 * 1500.0**2)
    assert found.varied["jesUp"]["DY"].values.sum() == pytest.approx(2 * 1.1 * 1500)
    assert found.parts["Data"].values.sum() == 2


@pytest.mark.parametrize(
    ("samples", "text"),
    [
        ({}, "nothing is known of DY"),
        ({"DY": Sample(sum_of_weights=1.0)}, "has no xsec"),
        ({"DY": Sample(xsec=1.0)}, "has no nSumOfWeights"),
    ],
)
def test_what_cannot_be_normalized_is_said(samples: dict[str, Sample], text: str) -> None:
    (picture,) = pictures.pictures(topcoffea(), {}, choose(["channel=2l", "process=DY"]))
    with pytest.raises(UsageError, match=text):
        pictures.normalized(picture, samples, 1.0)


@pytest.mark.parametrize(
    "storage", [hist.storage.Int64(), hist.storage.AtomicInt64()], ids=["Int64", "atomic"]
)
def test_whole_numbers_are_counts_also_as_sums_of_histograms(storage: Any) -> None:
    one, other = (hist.Hist(hist.axis.Regular(4, 0, 100, name="mass"), storage=storage) for _ in range(2))
    one.fill([10, 60])
    other.fill([10])
    (found,) = pictures.pictures({"mass": one + other}, {})
    assert pictures.quantity(found, {}) == EVENTS


@pytest.mark.parametrize(
    "axis",
    [
        hist.axis.Integer(315_252, 315_272, name="run"),
        hist.axis.Integer(0, 9, name="njets"),
        hist.axis.Integer(0, 2, name="charge"),
        hist.axis.Regular(7, 0, 7, name="nb"),
    ],
    ids=lambda one: one.name,
)
def test_whole_numbers_have_whole_ticks(axis: Any, tmp_path: Path) -> None:
    pytest.importorskip("mplhep")
    from matplotlib.figure import Figure

    made = hist.Hist(axis)
    figure = Figure()
    axes = figure.add_subplot()
    (found,) = pictures.pictures({"x": made.fill([int(axis.edges[0])])}, {})
    axes.set_xlim(axis.edges[0], axis.edges[-1])
    drawing._set_ticks(axes.xaxis, next(iter(found.parts.values())).observables[0])
    figure.savefig(tmp_path / "x.png")
    said = [one.get_text() for one in axes.get_xticklabels() if one.get_text()]
    assert [one for one in said if not one.lstrip("−-").isdigit()] == []
    assert not axes.xaxis.get_offset_text().get_text()
