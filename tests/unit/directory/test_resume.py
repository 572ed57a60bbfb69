"""What of an earlier run counts for the next one, and what is said of that."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console

from wq_runner.config.options import RunOptions
from wq_runner.config.resolved import resolve
from wq_runner.directory import resume
from wq_runner.errors import OutputError
from wq_runner.fingerprint import identity
from wq_runner.fingerprint.identity import Places
from wq_runner.journal import Journal
from wq_runner.ledger import ledger
from wq_runner.ledger.ledger import Recovered
from wq_runner.model import Category
from wq_runner.run_events import Accepted, Event, Fingerprint, KeptStale, ReadLate
from wq_runner.system import RunPaths

NOW = {"file a.py": "1", "the schema": "x"}


@dataclass
class Directory:
    """The directory of a run of one dataset, with the results of two tasks."""

    paths: RunPaths
    said: io.StringIO = field(default_factory=io.StringIO)

    def write(self, values: Mapping[str, str] = NOW, *more: Event, file: str = "ab.cd") -> None:
        self.paths.ledger.mkdir(parents=True)
        record = Journal(self.paths.journal)
        record.record(Fingerprint(values=values), *more)
        for task in (1, 2):
            ledger.write_sum(self.paths.ledger / ledger.part_name(task), {"events": 10})
            key = ("/a.root", "Events", 10 * task, 10 * task + 10, file)
            record.record(
                Accepted(
                    task=task,
                    category=Category.PROCESSING.value,
                    dataset="A",
                    events=10,
                    items=(key,),
                )
            )
        record.close()

    def start(self, now: Mapping[str, str] = NOW, *, accept_stale: bool = False) -> Recovered:
        console = Console(file=self.said, width=300)
        settings = resolve(RunOptions(accept_stale=accept_stale)).output
        found = resume.earlier(self.paths)
        return resume.start(self.paths, found, now, Places(base=Path.cwd()), settings, console)[0]

    @property
    def text(self) -> str:
        return self.said.getvalue()


@pytest.fixture
def directory(here: Path) -> Directory:
    return Directory(RunPaths(root=here / "out"))


def held(found: Recovered) -> list[int]:
    return sorted(task for one in found.holdings for task in one.tasks)


def test_nothing_is_there(directory: Directory) -> None:
    directory.paths.root.mkdir()
    assert resume.earlier(directory.paths) is None
    assert held(directory.start()) == []
    assert directory.text == ""


def test_the_same_again_takes_all_of_it(directory: Directory) -> None:
    directory.write()
    found = directory.start()
    assert (held(found), found.last_task) == ([1, 2], 2)
    assert directory.text == ""


def test_what_changed_is_named_and_nothing_of_it_counts(directory: Directory) -> None:
    directory.write()
    assert held(directory.start({**NOW, "file a.py": "2"})) == []
    assert "a.py" in directory.text
    assert "2 chunks cannot be reused" in directory.text
    assert not directory.paths.journal.exists()
    assert list(directory.paths.kept.iterdir()), "it is kept for whoever goes back"


def test_what_changed_may_be_accepted_and_stays_marked(directory: Directory) -> None:
    directory.write()
    found = directory.start({**NOW, "file a.py": "2"}, accept_stale=True)
    assert held(found) == [1, 2]
    assert any("a.py" in name for name in found.stale)
    assert "--accept-stale keeps what was done" in directory.text


def test_what_was_accepted_once_is_asked_for_again(directory: Directory) -> None:
    directory.write(NOW, KeptStale(names=("a.py",)))
    assert held(directory.start()) == []
    assert "while --accept-stale kept what was done before" in directory.text


def test_a_postprocess_that_changed_keeps_the_chunks(directory: Directory) -> None:
    directory.write({**NOW, identity.END: "1"})
    assert held(directory.start({**NOW, identity.END: "2"})) == [1, 2]
    assert "postprocess" in directory.text


def test_what_tasks_read_and_is_another_now(directory: Directory, here: Path) -> None:
    table = here / "table.txt"
    table.write_text("1")
    name = f"file {table}"
    before = identity.again([name], Places(base=here))
    directory.write(NOW, ReadLate(values=before))
    table.write_text("2")
    assert held(directory.start()) == []
    assert "table.txt" in directory.text


def test_a_line_is_lost_that_said_what_tasks_read(directory: Directory) -> None:
    """Each result says how many such lines were before it."""
    directory.write()
    record = Journal(directory.paths.journal)
    record.record(Fingerprint(values=NOW))
    record.record(Accepted(task=3, category="processing", dataset="A", events=0, items=(), late=1))
    record.close()
    assert held(directory.start()) == []
    assert "of which a line is lost" in directory.text


def test_of_a_version_that_went_by_the_uuid_alone(directory: Directory) -> None:
    directory.write(file="ab")
    assert held(directory.start()) == []
    assert "how input files are told apart" in directory.text


def test_a_journal_that_is_not_to_be_relied_on_is_put_aside(directory: Directory) -> None:
    directory.write()
    content = directory.paths.journal.read_bytes()
    directory.paths.journal.write_bytes(content[:30] + b"?" + content[31:])
    assert held(directory.start()) == []
    assert "starting over" in directory.text
    assert (directory.paths.damaged / "journal.jsonl").exists()
    assert (directory.paths.damaged / "ledger" / "part-1").exists(), "nothing is lost"


def test_a_line_that_is_damaged_costs_what_it_said(directory: Directory) -> None:
    directory.write()
    lines = directory.paths.journal.read_bytes().splitlines(keepends=True)
    lines[-1] = lines[-1].replace(b'"events":10', b'"events":11')
    directory.paths.journal.write_bytes(b"".join(lines))
    assert held(directory.start()) == [1]
    assert "damaged" in directory.text
    assert (directory.paths.damaged / "ledger" / "part-2").exists(), "what the line may have named"


@pytest.mark.parametrize(
    "damage", [lambda path: path.write_bytes(b"?"), Path.unlink], ids=["altered", "gone"]
)
def test_a_file_that_is_damaged_runs_again_alone(
    directory: Directory, damage: Callable[[Path], None]
) -> None:
    directory.write()
    damage(directory.paths.ledger / "part-1")
    assert held(directory.start()) == [2]
    assert "part-1" in directory.text


def test_a_result_that_cannot_be_moved(directory: Directory) -> None:
    directory.write()
    directory.paths.kept.parent.mkdir(exist_ok=True)
    directory.paths.kept.write_text("in the way")
    with pytest.raises(OutputError, match="cannot be moved"):
        directory.start({**NOW, "file a.py": "2"})
