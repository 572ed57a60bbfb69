"""Page and report as texts: escaped, self-contained, and small however long the run was."""

from __future__ import annotations

import dataclasses
import html as html_text
import re
import time

import journals
import pytest
from journals import NASTY
from markup import Tags

from wq_runner.monitor import charts, html, page, report
from wq_runner.monitor.collect import Collector
from wq_runner.monitor.view import Distribution, Elsewhere, RunView

RECORD = {
    "environment": f"shared {NASTY}",
    "versions": {"python": "3.11", "coffea": NASTY},
    "options": {
        "chunksize": {"value": 100, "origin": "command line"},
        "name": {"value": NASTY, "origin": NASTY},
    },
    "samples": [NASTY],
    "datasets": {
        NASTY: {"complete": False, "events_planned": 10, "events_processed": 5, "events_skipped": 5}
    },
    "missing": [{"dataset": NASTY, "path": NASTY, "reason": NASTY, "start": 0, "stop": 5}],
    "limited": {
        NASTY: {"files_left_out": 3, "files": 4, "events_left_out": 1234},
        "B": {"files_left_out": 1, "files": 1, "events_left_out": None},
    },
    "exit_code": 3,
}


def both(view: RunView) -> dict[str, str]:
    return {
        "page": page.status_page(view, name=NASTY, every=5),
        "report": report.report_page(view, RECORD, name=NASTY),
    }


@pytest.mark.parametrize("kind", ["page", "report"])
def test_texts_are_text(simple: RunView, kind: str) -> None:
    view = dataclasses.replace(
        simple,
        message=NASTY,
        log=(NASTY,),
        command=("wq-run", NASTY),
        datasets=tuple(dataclasses.replace(one, name=NASTY) for one in simple.datasets),
        hosts=tuple(dataclasses.replace(one, host=NASTY) for one in simple.hosts),
        elsewhere=(
            Elsewhere(server=NASTY, instead=NASTY, chunks=1, events=2, opened=3, path=NASTY, reason=NASTY),
        ),
        problems=tuple(dataclasses.replace(one, traceback=NASTY, cause=NASTY) for one in simple.problems),
        state="running" if kind == "page" else "partial",
    )
    text = both(view)[kind]
    found = Tags(text)
    assert not found.open
    assert "img" not in {tag for tag, _ in found.tags}
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
    assert "<img" not in text
    assert "\x1b" not in text
    assert "\x00" not in text


@pytest.mark.parametrize("kind", ["page", "report"])
def test_nothing_comes_from_elsewhere(simple: RunView, kind: str) -> None:
    text = both(simple)[kind]
    for tag, attributes in Tags(text).tags:
        for name in ("src", "href", "action", "srcset", "data"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:,")), (tag, value)
    assert "@import" not in text
    assert not re.search(r"url\(", text)
    assert "default-src 'none'" in html_text.unescape(text)
    # every id is there once, and every link within the page leads somewhere
    ids = [attributes["id"] for _, attributes in Tags(text).tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [str(attributes["href"])[1:] for tag, attributes in Tags(text).tags if tag == "a"]
    assert links
    assert set(links) <= set(ids)


def test_a_page_looks_for_news_only_while_the_run_goes(simple: RunView) -> None:
    assert "data-refresh" not in page.status_page(simple, name="x", every=5).split("<style>")[0]
    running = page.status_page(dataclasses.replace(simple, state="running"), name="x", every=5)
    assert 'data-refresh="5"' in running
    assert 'http-equiv="refresh"' in running  # without scripts


def test_a_failure_is_there_with_its_traceback(simple: RunView) -> None:
    for text in both(simple).values():
        assert "1 × unreadable input" in text
        assert "OSError: no" in text


def test_every_section_of_the_report_is_there(simple: RunView) -> None:
    text = both(simple)["report"]
    for title in (
        "Advice", "Completeness", "Over time", "events per second", "workers and cores",
        "Where the core time went",
        "time of a task", "events of a task", "Memory", "Slowest files and hosts", "Failures",
        "Environment and provenance", "About this run", "not in the result: 1 pieces",
    ):  # fmt: skip
        assert title in text, title


def test_a_long_run_is_a_small_page_soon() -> None:
    collector = Collector()
    collector.take_all(journals.long(20_000, datasets=200, hosts=5000))
    began = time.process_time()
    view = collector.view()
    sizes = {name: len(text) for name, text in both(view).items()}
    assert max(sizes.values()) < 1_000_000, sizes
    assert time.process_time() - began < 5


def test_pages_of_a_run_that_has_done_nothing_yet() -> None:
    for text in both(Collector().view()).values():
        assert not Tags(text).open


def test_steps_are_drawn_at_their_heights() -> None:
    drawn = charts.over_time("t", [charts.Line(name="n", values=(0, 2, 2, 1))], seconds=4, shown=str)
    (points,) = re.findall(r'points="([^"]*)" class="line', drawn)
    heights = [float(point.split(",")[1]) for point in points.split()]
    bottom, top = charts.HEIGHT - 22, 10
    assert heights == [bottom, bottom, top, top, (bottom + top) / 2, (bottom + top) / 2]
    assert "now 1, at most 2" in drawn


def test_bars_have_the_heights_of_their_counts() -> None:
    found = Distribution(count=5, edges=(1, 2, 4, 8), counts=(4, 0, 1))
    drawn = charts.histogram("t", found, shown=str)
    assert drawn.count("<rect") == 2
    assert "4 to 8: 1" in drawn
    assert [line for line in ("0", "2", "4") if f">{line}</text>" in drawn] == ["0", "2", "4"]
    alone = charts.histogram("t", Distribution(count=1, edges=(3, 4), counts=(1,)), shown=str)
    assert alone.count(">0</text>") == 1, "there is no half of a task, nor is it none"


def test_markup_escapes_what_is_not_markup() -> None:
    assert (
        html.tag("p", "a<b", html.Html("<i>c</i>"), class_='"x"')
        == '<p class="&quot;x&quot;">a&lt;b<i>c</i></p>'
    )


def test_what_was_left_out_on_purpose_is_not_missing(simple: RunView) -> None:
    text = report.report_page(simple, RECORD, name="run")
    table = text[text.index("left out on purpose") :].partition("</table>")[0]
    cells = [html_text.unescape(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", table)]
    assert [cell for cell in cells if cell not in {NASTY, "B"}] == [
        "3 of 4",
        "1,234",
        "1 of 1",
        "not counted",
    ]
    assert "left out on purpose" not in report.report_page(simple, {**RECORD, "limited": {}}, name="run")
