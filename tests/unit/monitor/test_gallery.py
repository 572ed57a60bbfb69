"""Histograms in page, report and notebook."""

from __future__ import annotations

import re
from typing import Any

import hist
import journals
import numpy as np
import pytest
from made_histograms import pocketcoffea, topcoffea
from markup import Tags

from wq_runner.monitor import gallery, page, report
from wq_runner.monitor.gallery import Gallery
from wq_runner.monitor.histograms import Sample

DATA = {"DY": Sample(), "Data": Sample(is_data=True)}


@pytest.fixture
def full() -> Gallery:
    found = Gallery(DATA)
    found.add(topcoffea())
    return found


def test_a_figure_for_each_region(full: Gallery) -> None:
    text = full.section()
    found = Tags(text)
    assert not found.open
    titles = [title for title in ("mass, channel 2l", "mass, channel 3l") if f"<figcaption>{title}<" in text]
    assert len(titles) == len([one for one, _ in found.tags if one == "svg"]) == 2
    kinds = [values.get("class") or "" for _, values in found.tags]
    assert {"pile c0", "band", "seen", "key data", "key band"} <= set(kinds)
    assert "2 variations, in quadrature" in text
    assert "events / bin, by mass [GeV]" in text


def test_it_is_on_page_and_in_report(full: Gallery) -> None:
    view = journals.view_of(journals.simple())
    for text in (
        page.status_page(view, name="run", every=5, histograms=full.section()),
        report.report_page(view, {}, name="run", histograms=full.section()),
    ):
        assert text.count('id="histograms"') == text.count('href="#histograms"') == 1
    without = report.report_page(view, {}, name="run")
    assert "#histograms" not in without


def test_parts_of_an_output_meet() -> None:
    apart = Gallery(dict.fromkeys("AB", Sample()))
    for name in "AB":
        apart.add({"mass": hist.Hist.new.Reg(4, 0, 100, name="mass").Weight().fill([10])}, of=name)
    (one,) = apart.pictures.values()
    assert set(one.parts) == {"A", "B"}


def test_names_are_text() -> None:
    found = Gallery({})
    odd = hist.Hist.new.StrCat([journals.NASTY], name="region").Reg(4, 0, 1, name="x", label=journals.NASTY)
    found.add({journals.NASTY: odd.Weight().fill(journals.NASTY, 0.5)})
    tags = [name for name, _ in Tags(found.section()).tags]
    assert "svg" in tags
    assert "img" not in tags


def test_what_is_not_here_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "MOST", 1)
    monkeypatch.setattr(gallery, "_COMBINATIONS", 25)
    found = Gallery(DATA)
    found.add({"few": topcoffea()["mass"], "many": topcoffea()["mass"]})
    text = found.section()
    assert "<figcaption>few, channel 2l<" in text
    assert "not here: few_3l, many. wq-report show" in text


def test_an_output_without_histograms_has_no_section() -> None:
    found = Gallery({})
    found.add({"cutflow": {"all": 3}, "more": [1, 2]})
    assert found.section() == ""


def test_samples_with_parts() -> None:
    found = Gallery({"DY_2018": Sample(), "Data_2018": Sample(is_data=True)})
    found.add(pocketcoffea())
    assert "<figcaption>variables/mass, cat 2l<" in found.section()


def drawn(**histograms: Any) -> str:
    found = Gallery({})
    found.add(histograms)
    return str(found.section())


def heights(text: str, kind: str) -> list[float]:
    """Return where the points of the areas of a colour are, from the top."""
    return [
        float(point.split(",")[1])
        for points in re.findall(rf'<polygon points="([^"]*)" class="{kind}"', text)
        for point in points.split()
    ]


@pytest.mark.parametrize("weight", [-2.0, -1.0, -0.3, -0.01])
def test_what_is_negative_is_drawn_below_zero(weight: float) -> None:
    made = hist.Hist.new.StrCat([], name="dataset", growth=True).Reg(4, 0, 1, name="x").Weight()
    made.fill(dataset="A", x=[0.1] * 10)
    made.fill(dataset="A", x=[0.9] * 10, weight=weight)
    text = drawn(x=made)
    [zero] = map(float, re.findall(r'y1="([\d.]+)"[^>]*class="grid zero"', text))
    found = heights(text, "pile c0")
    assert min(found) < zero < max(found)


def test_a_dataset_has_one_colour_in_all_pictures() -> None:
    categories = hist.Hist.new.StrCat([], name="dataset", growth=True).StrCat([], name="region", growth=True)
    made = categories.Reg(4, 0, 1, name="x").Weight()
    for region, sizes in {"sr": (1, 5), "cr": (5, 1)}.items():
        for dataset, size in zip("AB", sizes, strict=True):
            made.fill(dataset=dataset, region=region, x=[0.5] * size)
    keys = re.findall(r'key (c\d)" aria-hidden="true"></span>(\w)<', drawn(x=made))
    assert sorted(set(keys)) == [("c0", "A"), ("c1", "B")]
    assert len(keys) == 4


def test_many_datasets_have_colours_of_their_own_and_those_together_another() -> None:
    made = hist.Hist.new.StrCat([], name="dataset", growth=True).Reg(4, 0, 1, name="x").Weight()
    for number in range(300):
        made.fill(dataset=f"D{number:03}", x=[0.5], weight=float(number + 1))
    keys = re.findall(r'key (c\d)" aria-hidden="true"></span>([\w ]+)<', drawn(x=made))
    assert ("c7", "295 others") in keys
    assert len({colour for colour, _ in keys}) == len(keys) == 6


def test_what_is_no_number_is_said() -> None:
    made = hist.Hist.new.Reg(4, 0, 1, name="x").Weight().fill([0.1, 0.9], weight=[2.0, np.nan])
    text = drawn(x=made)
    assert "x, 1 bin without a number (nan or inf)" in text
    assert heights(text, "pile c0")  # and each of them is a number
    assert not re.search(r'(points|x|y)="[^"]*nan', text)


def test_bins_that_reach_to_infinity_are_as_wide_as_their_neighbours() -> None:
    made = hist.Hist.new.Var([-np.inf, 0, 10, np.inf], name="x").Weight().fill([-5.0, 5, 500])
    text = drawn(x=made)
    assert "by x (first and last bin without an end)" in text
    assert [tick for tick in ("-10", "0", "10", "20") if f">{tick}<" not in text] == []
    assert "nan" not in text


def test_names_of_cuts_do_not_overlap() -> None:
    cuts = ["all", "trigger", "two muons with pt above 20 GeV", "two muons with pt above 25 GeV"]
    text = drawn(cuts=hist.Hist.new.StrCat(cuts, name="cut").Int64().fill(cuts))
    shown = re.findall(r'class="x"[^>]*>([^<]*)<', text)
    assert len(set(shown)) == 4
    assert max(map(len, shown)) <= 15


def ticks(text: str) -> list[str]:
    """Return what is written below a picture."""
    return re.findall(r'class="x" text-anchor="\w+">([^<]*)</text>', text)


@pytest.mark.parametrize(
    ("axis", "wanted"),
    [
        (hist.axis.Integer(0, 7, name="njets"), ["0", "2", "4", "6"]),
        (hist.axis.Integer(-1, 2, name="charge"), ["-1", "0", "1", "2"]),
        (hist.axis.Integer(0, 1, name="one"), ["0", "1"]),
        (hist.axis.Regular(7, 0, 7, name="njets"), ["0", "2", "4", "6"]),
        (hist.axis.Regular(10, 0, 1, name="btag"), ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        (hist.axis.Regular(30, 60, 120, name="mass"), ["60", "80", "100", "120"]),
        (hist.axis.Regular(25, -2.5, 2.5, name="eta"), ["-2", "-1", "0", "1", "2"]),
        (hist.axis.Variable([20, 30, 50, 173], name="pt"), ["50", "100", "150"]),
        (hist.axis.Regular(4, 281_000, 285_000, name="run"), None),
        (hist.axis.Regular(4, 0, 1e-3, name="d0"), ["0", "0.0002", "0.0004", "0.0006", "0.0008", "0.001"]),
    ],
    ids=lambda one: getattr(one, "name", ""),
)
def test_numbers_below_a_picture_are_round(axis: Any, wanted: list[str] | None) -> None:
    made = hist.Hist(axis, storage=hist.storage.Weight())
    first = axis.edges[0]
    made.fill([int(first) if isinstance(axis, hist.axis.Integer) else first])
    found = ticks(drawn(x=made))
    assert 2 <= len(found) <= 7
    assert len(set(found)) == len(found)
    assert wanted is None or found == wanted
