"""The account of a run, and how it is said."""

from __future__ import annotations

import dataclasses
import io
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from wq_runner.coffea_adapter.runner import Processed
from wq_runner.config.settings import ChunkSettings
from wq_runner.directory import record
from wq_runner.errors import EngineError, WqRunnerError
from wq_runner.ledger.items import Item
from wq_runner.model import Chunk, Dataset, InputFile
from wq_runner.planning.file_info import BadFile, Knowledge
from wq_runner.run_events import TaskEnded
from wq_runner.scheduler.phase import Skipped
from wq_runner.steps import announcements
from wq_runner.system import RunPaths
from wq_runner.workers import program


@dataclass
class Done:
    dataset: str
    length: int

    def __len__(self) -> int:
        return self.length


FILESET = (
    Dataset(name="DY", files=(InputFile(path="/a.root"), InputFile(path="/b.root"))),
    Dataset(name="TT", files=(InputFile(path="/c.root"),)),
    Dataset(name="none", files=()),
)
PLAN = [
    Chunk(dataset="DY", path="/a.root", treename="Events", start=0, stop=10),
    Chunk(dataset="DY", path="/a.root", treename="Events", start=10, stop=15),
    Chunk(dataset="TT", path="/c.root", treename="Events", start=0, stop=4),
]
BAD = [BadFile(dataset="DY", path="/b.root", reason="cut short")]


def processed(*items: Done, skipped: int = 0, left: int = 0) -> Processed:
    gone = Skipped(item=Item(value=None, dataset="DY", stop=skipped), reason="unreadable")
    return Processed(sums={}, items=items, skipped=[gone] if skipped else [], left={"DY": left})


def test_what_a_stop_left_is_planned_too() -> None:
    found = record.accounts(FILESET, PLAN, processed(Done("DY", 10), Done("TT", 4), left=5), [])
    assert (found["DY"].left, found["DY"].complete) == (5, False)


def test_planned_is_processed_and_skipped() -> None:
    found = record.accounts(FILESET, PLAN, processed(Done("DY", 10), Done("TT", 4), skipped=5), BAD)
    assert found["DY"] == record.Account(
        files=2, files_unreadable=1, chunks=2, planned=15, processed=10, skipped=5
    )
    assert [one.complete for one in found.values()] == [False, True, True]


def test_an_account_that_does_not_add_up_is_a_bug_of_ours() -> None:
    with pytest.raises(WqRunnerError, match="TT: 4 events were planned, but 0 are in the result"):
        record.accounts(FILESET, PLAN, processed(Done("DY", 15)), [])


def shown(text: io.StringIO) -> list[str]:
    return [line.rstrip() for line in text.getvalue().splitlines()]


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=80)


def test_samples(console: Console) -> None:
    announcements.samples(console, FILESET, Knowledge(cached=1, opened=2), PLAN, 0.25)
    assert shown(console.file) == [  # type: ignore[arg-type]
        "samples      3 datasets, 3 files, 19 events (1 file known from before, 2 opened in 0.2 s)",
        "             none has no files",
    ]


def test_files_that_are_there_twice_are_named(console: Console) -> None:
    copies = [dataclasses.replace(PLAN[0], path=f"/{number}.root", uuid=b"1" * 16) for number in range(6)]
    announcements.samples(console, FILESET[:1], Knowledge(), copies)
    _, *notes, more = shown(console.file)  # type: ignore[arg-type]
    assert notes[0] == "note         DY: /1.root has the same content as /0.root: its events count twice"
    assert len(notes) == 3
    assert more == "             and 2 more files whose content is in the dataset already"


def test_files_that_are_left_out_are_named(console: Console) -> None:
    announcements.samples(console, FILESET[:1], Knowledge(bad=BAD), PLAN)
    assert shown(console.file) == [  # type: ignore[arg-type]
        "samples      1 dataset, 2 files, 15 events (1 unreadable)",
        "             left out: cut short",
    ]


def test_what_is_not_known_is_not_said(console: Console) -> None:
    announcements.samples(console, FILESET[1:2], Knowledge(), [])
    announcements.chunks(console, [], ChunkSettings(chunksize=1000))
    assert shown(console.file) == [  # type: ignore[arg-type]
        "samples      1 dataset, 1 file, events not known yet",
        "chunks       not known yet, at most 1,000 events",
    ]


def test_ending(console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paths = RunPaths(root=tmp_path / "out")
    paths.root.mkdir()
    spent = record.Spent()
    for dataset, seconds, events in (("DY", 1.5, 8), ("TT", 4.0, 4), ("DY", 0.5, 2)):
        spent(
            0.0,
            TaskEnded(
                task=1,
                category="processing",
                dataset=dataset,
                ending="returned",
                host="here",
                started=0.0,
                finished=1.0,
                processing=seconds,
                events=events,
            ),
        )
    found = record.accounts(FILESET, PLAN, processed(Done("DY", 10), Done("TT", 4), skipped=5), BAD)
    announcements.ending(console, found, spent, 12.0, 2.0, paths)
    assert shown(console.file)[1:] == [  # type: ignore[arg-type]
        "dataset   files   chunks   events   core time   rate per core   complete",
        "DY            2        2       10       2.0 s             5/s   "
        "no: 5 events missing, 1 file unreadable",
        "TT            1        1        4       4.0 s             1/s   yes",
        "none          0        0        0       0.0 s                   yes",
        "",
        "partial      14 of 19 events in 12.0 s (2 events/s while processing)",
        "output       out/output.coffea  report.html  run.json",
    ]


def test_a_run_of_seconds_ends_with_three_lines(
    console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = RunPaths(root=tmp_path / "out")
    paths.root.mkdir()
    one = record.Account(files=1, files_unreadable=0, chunks=1, planned=300, processed=300, skipped=0)
    announcements.ending(console, {"DY": one}, record.Spent(), 2.0, 0.0, paths)
    assert shown(console.file)[1:] == [  # type: ignore[arg-type]
        "complete     300 of 300 events in 2.0 s",  # none of them by this process
        "output       out/output.coffea  report.html  run.json",
    ]


def test_what_lacks_is_said_once() -> None:
    account = record.Account(
        files=3, files_unreadable=1, chunks=4, planned=300_000, processed=60_000, skipped=2000, left=238_000
    )
    assert (
        announcements._lacking(account) == "no: 2,000 events missing, 238,000 events left, 1 file unreadable"
    )


def test_the_release_of_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "find_program", lambda: "/opt/bin/work_queue_worker")
    monkeypatch.setattr(
        program,
        "told",
        lambda path: f"{path} version 7.17.3 FINAL (released 2026-01-01)\nBuilt by\n",
    )
    assert record.engine_release() == "7.17.3 FINAL (released 2026-01-01)"

    def missing() -> str:
        raise EngineError("not there")

    monkeypatch.setattr(record, "find_program", missing)
    assert record.engine_release() == "not installed (work_queue_worker not found)"
