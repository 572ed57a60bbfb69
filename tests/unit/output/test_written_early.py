"""Parts of the result that are written while a run goes on: when, and what becomes of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from wq_runner.engine import answer
from wq_runner.journal import Journal
from wq_runner.ledger.items import Sum
from wq_runner.model import Dataset
from wq_runner.output import result_files
from wq_runner.output.early_files import Completed
from wq_runner.output.result_files import Form
from wq_runner.run_events import Written as Said
from wq_runner.system import RunPaths

DATASETS = ("A", "B", "C")


class Processor:
    """Returns what can be added; its postprocess works in place, and fails where it is told to."""

    def __init__(self, fails: Callable[[], bool] = lambda: False) -> None:
        self.fails = fails

    def postprocess(self, value: dict[str, Any]) -> dict[str, Any]:
        if self.fails():
            raise ValueError("not yet")
        value["postprocessed"] = value.get("postprocessed", 0) + 1
        return value


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> dict[Path, Any]:
    """Return what files of a ledger hold, by their paths."""
    found: dict[Path, Any] = {}
    monkeypatch.setattr(answer, "read_result", lambda path: {**found[path], "out": dict(found[path]["out"])})
    return found


class Run:
    """A run whose parts are completed by hand."""

    def __init__(self, root: Path, ledger: dict[Path, Any], form: Form, **more: Any) -> None:
        self.paths = RunPaths(root=root)
        self.ledger = ledger
        self.said: list[str] = []
        self.events: list[Said] = []
        self._numbers = itertools.count()
        journal = Journal(listeners=[self._listen])
        self.form = form
        self.processor = more.pop("processor", Processor())
        self.completed = Completed(
            paths=self.paths,
            form=form,
            processor=self.processor,
            fileset=tuple(Dataset(name=name, files=()) for name in DATASETS),
            journal=journal,
            lacking=more.pop("lacking", lambda: ()),
            say=self.said.append,
            here=True,
            **more,
        )

    def _listen(self, _: float, event: Any) -> None:
        self.events.append(event)

    def complete(self, dataset: str, portions: Iterable[str] = ("",), count: int = 1) -> None:
        files: dict[Sum, Path] = {}
        for portion in portions:
            path = self.paths.root / f"part-{next(self._numbers)}"
            self.ledger[path] = {"out": {"entries": count}, "processed": [range(count)]}
            files[dataset, portion] = path
        self.completed(dataset, files)
        self.completed.work()

    @property
    def there(self) -> list[str]:
        return sorted(path.name for path in self.paths.outputs.glob("*"))

    def end(self, *datasets: str) -> result_files.Written:
        sums = {(name, ""): {"out": {"entries": 1}, "processed": []} for name in datasets}
        return result_files.write(sums, self.processor, self.paths, self.form, early=self.completed.written)


def load(path: Path) -> Any:
    from coffea.util import load

    return load(path)


def test_each_dataset_is_written_once_and_is_not_written_again_at_the_end(
    tmp_path: Path, ledger: dict[Path, Any]
) -> None:
    run = Run(tmp_path, ledger, Form(scheme="per-dataset"))
    run.complete("B", count=3)
    assert run.there == ["B.coffea"]
    assert load(tmp_path / "outputs" / "B.coffea") == {"entries": 3, "postprocessed": 1}
    run.complete("B", count=3)
    assert [(one.path, one.datasets, one.events) for one in run.events] == [("outputs/B.coffea", ("B",), 3)]
    assert run.said == ["outputs/B.coffea; 1 of 3 datasets are complete"]
    before = (tmp_path / "outputs" / "B.coffea").stat().st_mtime_ns
    found = run.end("A", "B")
    assert [one["path"] for one in found.files] == ["outputs/A.coffea", "outputs/B.coffea"]
    assert (tmp_path / "outputs" / "B.coffea").stat().st_mtime_ns == before


def test_a_group_is_written_when_all_of_it_is_complete(tmp_path: Path, ledger: dict[Path, Any]) -> None:
    names = {"A": "2017", "B": "2018", "C": "2017"}
    run = Run(tmp_path, ledger, Form(scheme="group:year", names=names))
    run.complete("A")
    assert run.there == []
    run.complete("B")
    assert run.there == ["2018.coffea"]
    run.complete("C")
    assert run.there == ["2017.coffea", "2018.coffea"]
    assert load(tmp_path / "outputs" / "2017.coffea")["entries"] == 2


def test_a_dataset_in_several_files(tmp_path: Path, ledger: dict[Path, Any]) -> None:
    run = Run(tmp_path, ledger, Form(scheme="files:2"))
    run.complete("A", portions=("A-0000", "A-0001"))
    assert run.there == ["A-0000.coffea", "A-0001.coffea"]


def test_what_lacks_files_is_not_complete(tmp_path: Path, ledger: dict[Path, Any]) -> None:
    run = Run(tmp_path, ledger, Form(scheme="per-dataset"), lacking=lambda: {"A"})
    run.complete("A")
    run.complete("gone")
    assert run.there == []


def test_what_fails_is_tried_again_at_the_end(tmp_path: Path, ledger: dict[Path, Any]) -> None:
    fails = [True]
    processor = Processor(lambda: fails[0])
    run = Run(tmp_path, ledger, Form(scheme="per-dataset"), processor=processor)
    run.complete("A")
    assert (run.there, run.events, run.said) == ([], [], [])
    assert run.end("A").problem is not None
    fails[0] = False
    assert run.end("A").problem is None
    assert run.there == ["A.coffea"]


def test_what_is_planned_again_is_gone(tmp_path: Path, ledger: dict[Path, Any]) -> None:
    run = Run(tmp_path, ledger, Form(scheme="per-dataset", also=("pkl_gz",)))
    run.complete("A")
    run.complete("B")
    run.completed.again({"A"})
    assert run.there == ["B.coffea", "B.pkl.gz"]
    run.complete("A", count=7)
    assert load(tmp_path / "outputs" / "A.coffea")["entries"] == 7


def test_a_file_that_was_taken_away_is_written_at_the_end(tmp_path: Path, ledger: dict[Path, Any]) -> None:
    run = Run(tmp_path, ledger, Form(scheme="per-dataset"))
    run.complete("A")
    (tmp_path / "outputs" / "A.coffea").unlink()
    run.end("A")
    assert run.there == ["A.coffea"]
