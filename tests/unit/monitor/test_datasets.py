"""The datasets of a run on its page: of many, those that need to be seen, and all others folded."""

from __future__ import annotations

import dataclasses
import re

from wq_runner.monitor.datasets import FEW, ranked, section_of
from wq_runner.monitor.view import Progress, RunView

WAITING = Progress(name="waiting", planned=10, done=0)
RUNNING = Progress(name="running", planned=10, done=5, started=True, mean_rate=3.0)
DONE = Progress(name="done", planned=10, done=10, started=True, mean_rate=2.0)
RETRIED = dataclasses.replace(DONE, name="retried", retried=1, mean_rate=1.0)
LACKING = dataclasses.replace(DONE, name="lacking", done=9, skipped=1, mean_rate=4.0)


def tables(page: str) -> dict[str, list[str]]:
    """Return the names in each table."""
    found = re.findall(r'<div[^>]*id="([\w-]+)"><table>(.*?)</table>', page)
    found = found or re.findall(r'id="([\w-]+)"[^>]*><table>(.*?)</table>', page)
    return {name: re.findall(r'<th scope="row">(.*?)</th>', rows) for name, rows in found}


def many(number: int = 500) -> list[Progress]:
    alike = [dataclasses.replace(DONE, name=f"done{count}", mean_rate=9.0) for count in range(number - 5)]
    return [WAITING, DONE, *alike, RETRIED, RUNNING, LACKING]


def test_those_that_need_to_be_seen_are_first() -> None:
    found = [one.name for one in ranked([WAITING, DONE, RETRIED, RUNNING, LACKING])]
    assert found == ["lacking", "retried", "running", "waiting", "done"]


def test_few_are_all_shown_as_they_are() -> None:
    page = section_of(RunView(datasets=(WAITING, DONE, LACKING)))
    assert tables(page) == {"datasets-table": ["waiting", "done", "lacking"]}
    assert "<details" not in page


def test_many_are_folded() -> None:
    page = section_of(RunView(datasets=tuple(many())))
    assert "500 datasets: 498 done, 1 running, 1 waiting, 1 lack something, 1 had retries" in page
    found = tables(page)
    assert found["datasets-now"] == ["lacking", "retried", "running"]
    assert found["datasets-slowest"][:4] == ["retried", "done", "running", "lacking"]
    assert len(found["datasets-slowest"]) == 5
    assert found["datasets-table"][:4] == ["lacking", "retried", "running", "waiting"]
    assert len(found["datasets-table"]) == 500
    before, _, folded = page.partition("<details")
    assert 'id="datasets-table"' in folded
    assert 'type="search"' in folded
    assert 'data-rows="datasets-table" hidden' in folded, "without a script there is no search"
    assert "datasets-table" not in before


def test_a_page_of_many_is_not_large_when_nothing_happens() -> None:
    assert "<details" in section_of(RunView(datasets=tuple(many(FEW + 1))))
