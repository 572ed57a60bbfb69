from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from wq_runner.model import Dataset, FileFacts, InputFile
from wq_runner.samples import check as checking
from wq_runner.samples.check import check, check_file
from wq_runner.samples.probe import Cause, probe

Make = Callable[..., Path]


def test_the_first_fallback_that_works_is_good_enough(make_root: Make) -> None:
    good = str(make_root("good.root", entries=4))
    report = check_file("ds", InputFile(path="/no/a.root", fallbacks=("/no/b.root", good)))
    assert (report.problem, report.entries) == ("", 4)
    assert report.note == f"/no/a.root: no such file; /no/b.root: no such file: read from {good}"


def test_every_place_that_failed_is_named() -> None:
    report = check_file("ds", InputFile(path="/no/a.root", fallbacks=("/no/b.root",)))
    assert (report.cause, report.entries) == (Cause.MISSING, 0)
    assert report.problem == "no such file; /no/b.root: no such file"


def test_a_file_that_is_not_the_one_in_the_samples(make_root: Make) -> None:
    file = InputFile(path=str(make_root("a.root", entries=4)))
    facts = probe(file)
    same = replace(file, facts=facts, ranges=((1, 3),))
    assert (check_file("ds", same).problem, check_file("ds", same).entries) == ("", 2)
    for other, text in [
        (replace(file, facts=replace(facts, entries=5)), "4 entries, the samples say 5"),
        (replace(file, facts=FileFacts(entries=4, uuid=b"x" * 16)), "uuid"),
        (replace(file, ranges=((0, 5),)), "a range up to 5"),
    ]:
        report = check_file("ds", other)
        assert report.cause is Cause.CHANGED
        assert text in report.problem


def test_many_files_are_opened_by_processes(make_root: Make) -> None:
    good = str(make_root("a.root", entries=4))
    count = checking._FEW + 5
    files = tuple(InputFile(path=good if i else "/no.root") for i in range(count))
    reports = list(check((Dataset(name="ds", files=files),), jobs=2))
    assert len(reports) == count
    assert sum(report.entries for report in reports) == 4 * (count - 1)
    assert [report.problem for report in reports if report.problem] == ["no such file"]
