"""The status page and the report in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hist
import journals
import nanoaod
import pytest
import running
from browser.visiting import Visit
from playwright.sync_api import expect

from wq_runner import checksums
from wq_runner.monitor.histograms import Sample
from wq_runner.monitor.runs import load
from wq_runner.monitor.watch import Watch
from wq_runner.system import RunPaths

SCREENS = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]
PROCESSOR = '''
import time
from pathlib import Path

HERE = Path(__file__).parent


def process(events):
    """Fail once; wait with one dataset for a sign."""
    start = events.metadata["entrystart"]
    late = events.metadata["dataset"] == "Late"
    if start == 10 and not late and not (HERE / "failed").exists():
        (HERE / "failed").touch()
        raise ValueError("<script>broken = 1</script> in a chunk")
    end = time.monotonic() + 120
    while late and not (HERE / "gate").exists() and time.monotonic() < end:
        time.sleep(0.05)
    return {"entries": len(events)}
'''


@pytest.fixture
def run(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Start a run, one of whose datasets waits for the file `gate`; return the page's URL and the gate."""
    path = nanoaod.write_simple(tmp_path / "<b>data & more</b>.root", 50)
    late = nanoaod.write_simple(tmp_path / "late.root", 10)
    (tmp_path / "analysis_for_page.py").write_text(PROCESSOR)
    (tmp_path / "data.json").write_text(json.dumps({"Dataset<1>": [str(path)], "Late": [str(late)]}))
    what = ("-p", "analysis_for_page.py:process", "--schema", "BaseSchema", "--chunksize", 10)
    where = ("-e", "futures", "--workers", 2, "-o", "out", "--http", "data.json")
    with running.running(*what, *where, cwd=tmp_path, PYTHONUNBUFFERED="1") as process:
        assert process.stdout is not None
        lines = iter(process.stdout)
        url = next(line for line in lines if line.startswith("page")).split()[1]
        yield url, tmp_path / "gate"
        (tmp_path / "gate").touch()
        running.finish(process)


def test_a_run_is_watched_from_its_begin_to_its_end(run: tuple[str, Path], visit: Visit) -> None:
    url, gate = run
    page = visit.page
    page.goto(url)
    expect(page.locator(".badge")).to_have_text("running")
    done = page.locator("data[data-metric=events_done]")
    seen = [int(done.get_attribute("value") or 0)]
    expect(done).to_have_attribute("value", "50")

    # the failure, with its traceback, opened by keyboard, and still open after the next refresh
    problem = page.locator("#failures details")
    expect(problem).to_have_count(1)
    expect(problem.locator("summary")).to_contain_text("1 × processor error")
    problem.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(problem.locator("pre")).to_contain_text("ValueError: <script>broken = 1</script> in a chunk")
    expect(problem.locator("pre")).to_contain_text("analysis_for_page.py")
    asked = len(visit.requests)
    page.wait_for_timeout(5000)
    assert len(visit.requests) > asked
    expect(problem.locator("pre")).to_be_visible()
    assert page.evaluate("document.activeElement.tagName") in {"SUMMARY", "BODY"}
    assert page.evaluate("typeof broken") == "undefined"

    seen.append(int(done.get_attribute("value") or 0))
    gate.touch()
    # the server stays until the page that is open has seen the end
    expect(page.locator(".badge")).to_have_text("complete")
    expect(done).to_have_attribute("value", "60")
    expect(page.locator("progress.whole")).to_have_text("100%")
    seen.append(60)
    assert seen == sorted(seen)
    assert all(one.startswith(url.partition("?")[0]) for one in visit.requests), visit.requests
    assert visit.errors == []


def test_the_end_is_seen_in_the_file(run: tuple[str, Path], visit: Visit) -> None:
    _, gate = run
    out = gate.parent / "out"
    page = visit.page
    running.until((out / "status.html").exists, "the page")
    page.goto((out / "status.html").as_uri())
    done = page.locator("data[data-metric=events_done]")
    expect(done).to_have_attribute("value", "50")
    gate.touch()
    expect(page.locator(".badge")).to_have_text("complete")
    expect(done).to_have_attribute("value", "60")
    expect(page.locator("#datasets")).to_contain_text("Dataset<1>")
    assert {one.partition("?")[0] for one in visit.requests} == {(out / "status.html").as_uri()}
    assert visit.errors == []


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a long run with failures, whose names try to be markup."""
    place = tmp_path_factory.mktemp("runs") / "wq-run-samples"
    journals.write(place, [*list(journals.long(3000, datasets=12))[:-1], *rest_of_simple()])
    checksums.write_json(place / "run.json", record())
    watch = Watch(RunPaths(root=place), clock=lambda: journals.START)
    for when, event in [*list(journals.long(3000, datasets=12))[:-1], *rest_of_simple()]:
        watch(when, event)
    watch.finish(record())
    return place


def rest_of_simple() -> list[journals.Timed]:
    return [(when + 200, event) for when, event in journals.simple()[1:]]


def record() -> dict[str, Any]:
    return {
        "environment": "shared, /usr/bin/python3",
        "versions": {"python": "3.11.7", "coffea": "2026.9.0", "work_queue": "8.0.0"},
        "options": {"chunksize": {"value": 1000, "origin": "command line"}},
        "samples": ["samples.cfg"],
        "datasets": {"A": {"complete": True, "files": 2, "events_planned": 400, "events_processed": 400}},
        "missing": [{"dataset": "B", "path": journals.NASTY, "reason": "no file", "start": 0, "stop": 100}],
        "exit_code": 3,
    }


@pytest.mark.parametrize("visit", SCREENS, indirect=True, ids=lambda one: f"{one[1]}-{one[0]}")
@pytest.mark.parametrize("name", ["status", "report"])
def test_on_every_screen(finished: Path, visit: Visit, name: str, screenshots: Path | None) -> None:
    page = visit.page
    page.goto((finished / f"{name}.html").as_uri())
    page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls to the side"
    assert page.evaluate("window.broken") is None
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    scheme = "dark" if page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light"
    assert (sum(map(int, re.findall(r"\d+", background))) < 200) == (scheme == "dark")
    assert visit.errors == []
    assert len(visit.requests) == 1
    if screenshots is not None:
        width = page.evaluate("innerWidth")
        page.screenshot(path=str(screenshots / f"{name}-{scheme}-{width}.png"), full_page=True)


@pytest.mark.parametrize("name", ["status", "report"])
def test_by_keyboard_and_for_screen_readers(finished: Path, visit: Visit, name: str) -> None:
    page = visit.page
    page.goto((finished / f"{name}.html").as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.tagName"))
    assert {"A", "SUMMARY", "DIV"} <= reached  # links, failures, tables that scroll
    unnamed = page.evaluate(
        "[...document.querySelectorAll('svg, progress, [tabindex=\"0\"]:not(pre)')]"
        ".filter((one) => !one.getAttribute('aria-label')).length"
    )
    assert unnamed == 0
    assert page.locator("h1").count() == 1
    assert page.evaluate("document.documentElement.lang") == "en"


def test_the_report_needs_no_script(finished: Path, browser: Any) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((finished / "report.html").as_uri())
    expect(page.locator("#advice")).to_be_visible()
    assert page.locator("svg.chart").count() >= 6
    assert page.locator("svg.lane").count() >= 6
    context.close()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a run of 500 datasets with histograms of many axes."""
    place = tmp_path_factory.mktemp("runs") / "many"
    place.mkdir()
    names = [f"Dataset_{number}" for number in range(500)]
    watch = Watch(RunPaths(root=place), clock=lambda: journals.START)
    *events, end = journals.long(3000, datasets=500, hosts=30)
    for when, event in events:
        watch(when, event)
    samples = {name: Sample(is_data=name == "Dataset_0") for name in names}
    watch.show({"mass": masses(names)}, of="", samples=samples)
    watch.draw()
    watch(*end)
    watch.finish({})
    return place


def masses(names: list[str]) -> Any:
    """Return a histogram of datasets, of which the first is data, a region, variations and masses."""
    made = hist.Hist.new.StrCat([], name="dataset", growth=True).StrCat([], name="region", growth=True)
    made = made.StrCat([], name="systematic", growth=True).Reg(20, 0, 200, name="mass", label="mass [GeV]")
    whole = made.Weight()
    for number, name in enumerate(names):
        for variation, weight in (("nominal", 1.0), ("jesUp", 1.1), ("jesDown", 0.8)):
            if number or variation == "nominal":
                found = [number % 200, 90]
                whole.fill(dataset=name, region="sr", systematic=variation, mass=found, weight=weight)
    return whole


@pytest.mark.parametrize("visit", SCREENS, indirect=True, ids=lambda one: f"{one[1]}-{one[0]}")
@pytest.mark.parametrize("name", ["status", "report"])
def test_500_datasets_on_every_screen(many: Path, visit: Visit, name: str, screenshots: Path | None) -> None:
    page = visit.page
    page.goto((many / f"{name}.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls to the side"
    lanes = page.locator("#stream svg.lane")
    assert lanes.count() == 48
    assert page.locator("#stream path.failed").count() > 3
    expect(page.locator("#stream")).to_contain_text("500 datasets take turns")
    expect(page.locator("#time")).to_contain_text("datasets that took until last")
    box = lanes.first.bounding_box()
    assert box is not None
    assert box["width"] > 200
    assert box["height"] >= 8
    if name == "status":
        expect(page.locator("#datasets > p")).to_contain_text("500 datasets")
        assert page.locator("#datasets-slowest tbody tr").count() == 5
        everything = page.locator("#datasets-all")
        everything.locator("summary").click()
        rows = everything.locator("tbody tr")
        assert rows.count() == 500
        everything.get_by_role("searchbox").fill("dataset_49")
        assert rows.locator("visible=true").count() == 11, "49 and 490 to 499"
    # what failed is told from what did not, and datasets from each other
    colors = page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('.lane path')]"
        ".map((one) => [one.getAttribute('class'), getComputedStyle(one).fill]))"
    )
    assert len(set(colors.values())) == len(colors) >= 3
    histograms = page.locator("#histograms")
    expect(histograms.locator("figcaption")).to_have_text("mass, region sr")
    expect(histograms).to_contain_text("494 others")
    assert histograms.locator("polygon.band").count() == 1
    assert histograms.locator("circle.seen").count() > 0
    assert visit.errors == []
    if screenshots is not None:
        width = page.evaluate("innerWidth")
        scheme = "dark" if page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light"
        page.screenshot(path=str(screenshots / f"many-{name}-{scheme}-{width}.png"), full_page=True)


def test_the_state_is_the_one_that_was_drawn(finished: Path) -> None:
    assert load(RunPaths(root=finished)).total.done > 0
