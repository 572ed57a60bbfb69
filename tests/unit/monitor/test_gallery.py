"""Histograms in page, report and notebook."""

from __future__ import annotations

import hist
import journals
import pytest
from test_histograms import pocketcoffea, topcoffea
from test_pages import Tags

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
