"""A run that ends between any two of its steps on the disk: what is there afterwards tells what is done."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import lz4.frame
import pytest
from coffea.processor import accumulate

from wq_runner import journal
from wq_runner.engine.answer import read_result
from wq_runner.journal import Journal
from wq_runner.ledger import ledger, reducer, sums
from wq_runner.ledger.parts import TreeSettings
from wq_runner.ledger.reducer import Reducer
from wq_runner.ledger.side_files import FileStore
from wq_runner.remote import wire
from wq_runner.run_events import Accepted, Dropped

TASKS = 12


def answer(directory: Path, *tasks: int) -> Path:
    """Write the answer of a task as a worker does, with one sum for each of these numbers."""
    path = directory / f"{tasks[0]}.result"
    blobs, files = [], []
    for index, task in enumerate(tasks):
        blobs.append(lz4.frame.compress(cloudpickle.dumps({"sum": 2**task, "tasks": {task}})))
        beside = directory / f"{task}.written"
        beside.write_bytes(b"%d" % task * 1000)
        files.append((index, "some.parquet", beside))
    done = list(range(len(tasks)))
    header = {"host": "here", "wall": 0.1, "done": done, "sums": [[index] for index in done]}
    wire.write(path, header, [blobs[0], b"", *blobs[1:]], files)
    return path


def accepted(task: int) -> Accepted:
    return Accepted(
        task=task,
        category="processing",
        dataset=f"d{task % 2}",
        events=10,
        items=((f"/f{task}.root", "Events", 0, 10, f"ab{task}"),),
    )


class Place:
    """The directory of a run, with its journal; with `tree`, results are added up by others.

    So many of the tasks come together, in one answer of `several` sums.
    """

    def __init__(self, root: Path, tree: TreeSettings | None = None, several: int = 1) -> None:
        self.root = root
        self.tree = tree
        self.several = several
        self.ledger = root / "ledger"
        self.files = FileStore(root=root / "files")
        self.journal = root / "journal.jsonl"
        self.sums = 0
        self.ledger.mkdir(parents=True, exist_ok=True)

    def recover(self) -> ledger.Recovered:
        if not self.journal.exists():
            ledger.keep_only(self.ledger, (), self.files)
            return ledger.Recovered()
        journal.mend(self.journal)
        events = [event for _, event in journal.read(self.journal)]
        return ledger.recover(self.ledger, events, self.files)

    def done(self) -> set[int]:
        return {task for holding in self.recover().holdings for task in holding.tasks}

    def run(self) -> dict[Any, Any]:
        """Do what is not done yet, and return the sums."""
        recovered = self.recover()
        done = {task for holding in recovered.holdings for task in holding.tasks}
        with contextlib.closing(Journal(self.journal)) as record:
            if recovered.lost:
                names = tuple(one.name for one in recovered.lost)
                record.record(Dropped(names=names, reason="damaged"), durable=True)
            reducer = Reducer(record, self.ledger, self.files, self.tree)
            reducer.recover(recovered.holdings)
            left = [task for task in range(TASKS) if task not in done]
            for first in range(0, len(left), self.several):
                tasks = left[first : first + self.several]
                reducer.add(answer(self.root, *tasks), [accepted(task) for task in tasks])
                self.add_up(reducer)
            reducer.drain()
            while reducer.busy:
                self.add_up(reducer)
                time.sleep(0.001)  # as the manager waits for tasks: the thread that merges needs the lock
            return reducer.finish()

    def add_up(self, reducer: Reducer) -> None:
        """Do what tasks do with the batches that there are; every fourth fails."""
        for batch in reducer.batches(3):
            self.sums += 1
            result = self.root / f"sum-{self.sums}.result"
            ledger.write_sum(result, accumulate(read_result(part.path) for part in batch.parts))
            reducer.returned(batch, None if self.sums % 4 == 0 else result)


@pytest.fixture(autouse=True)
def often_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "MOST_PARTS", 4)
    monkeypatch.setattr(reducer, "AT_ONCE", 3)
    monkeypatch.setattr(reducer, "SMALL_ONES", 1)
    monkeypatch.setattr(reducer, "TOGETHER", TASKS + 1)
    # what these processes wrote outlives them anyway; only a power cut asks for more
    monkeypatch.setattr(os, "fsync", lambda _: None)


def expected() -> dict[Any, Any]:
    return {
        (f"d{rest}", ""): {
            "sum": sum(2**task for task in range(rest, TASKS, 2)),
            "tasks": set(range(rest, TASKS, 2)),
        }
        for rest in (0, 1)
    }


def end_after(steps: int, *, before_it_happens: bool) -> None:
    """End this process for good at the so-manieth step that changes the disk."""
    left = iter(range(steps))

    def ending(change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*arguments: Any, **more: Any) -> Any:
            last = next(left, None) is None
            if last and before_it_happens:
                os._exit(9)
            value = change(*arguments, **more)
            if last:
                os._exit(9)
            return value

        return changed

    os.replace = ending(os.replace)
    Path.unlink = ending(Path.unlink)  # type: ignore[method-assign]
    Path.replace = ending(Path.replace)  # type: ignore[method-assign]
    Journal.record = ending(Journal.record)  # type: ignore[method-assign]


def crashes(place: Place, steps: int, *, before: bool) -> bool:
    """Run in a child that ends after so many steps; return whether it came to that."""
    pid = os.fork()
    if pid == 0:
        try:
            end_after(steps, before_it_happens=before)
            place.run()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9


@pytest.mark.parametrize(
    ("tree", "together", "several"),
    [
        (None, TASKS + 1, 1),
        (None, 2, 1),
        (TreeSettings(results=3, always=True), 2, 1),
        (None, TASKS + 1, 3),
        (TreeSettings(results=3, always=True), 2, 5),
    ],
    ids=["here", "small ones together", "tasks", "several sums", "several sums and tasks"],
)
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_every_moment(
    tmp_path: Path,
    before: bool,
    tree: TreeSettings | None,
    together: int,
    several: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reducer, "TOGETHER", together)
    # after a step is nearly before the next one
    for steps in range(0, 1000, 1 if before else 3):
        place = Place(tmp_path / str(steps), tree, several)
        if not crashes(place, steps, before=before):
            break
        done = place.done()
        assert place.run() == expected(), steps
        check_journal(place, done)
    # all steps were tried: of the parts, which small ones have not that come together, the lines, the sums
    assert steps > (1 if together < TASKS else 2) * TASKS


def check_journal(place: Place, done: set[int]) -> None:
    """No task counts twice, and none ran again that was done when the first process ended."""
    events = [event for _, event in journal.read(place.journal)]
    tasks = [event.task for event in events if isinstance(event, Accepted)]
    assert sorted(tasks) == list(range(TASKS))
    assert done <= set(range(TASKS))
    check_files(place)


def check_files(place: Place) -> None:
    """What was written beside the results is there once for each task, whole, and nothing else."""
    found = {
        path.relative_to(place.files.root).as_posix(): path.read_bytes()
        for path in place.files.root.rglob("*")
        if path.is_file()
    }
    assert found == {f"d{task % 2}/some_ab{task}_0-10.parquet": b"%d" % task * 1000 for task in range(TASKS)}


def test_crash_after_crash(tmp_path: Path) -> None:
    place = Place(tmp_path)
    for steps in (3, 5, 2, 7, 4, 1, 6, 9):
        crashes(place, steps, before=bool(steps % 2))
    assert place.run() == expected()
    check_journal(place, set())


# -- files that are damaged afterwards --


def damages() -> Iterator[Any]:
    def cut(path: Path) -> None:
        path.write_bytes(path.read_bytes()[:-3])

    def flip(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[len(content) * 2 // 3] ^= 0xFF
        path.write_bytes(bytes(content))

    def flip_in_header(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[14] ^= 0xFF
        path.write_bytes(bytes(content))

    def empty(path: Path) -> None:
        path.write_bytes(b"")

    def cut_the_header(path: Path) -> None:
        path.write_bytes(path.read_bytes()[:30])

    for damage in (cut, flip, flip_in_header, empty, cut_the_header, Path.unlink):
        yield pytest.param(damage, id=damage.__name__)


@pytest.mark.parametrize("damage", list(damages()))
@pytest.mark.parametrize("kind", ["part", "merged"])
def test_only_what_a_damaged_file_held_runs_again(
    tmp_path: Path,
    damage: Callable[[Path], None],
    kind: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reducer, "AT_ONCE", 1)  # so that there are files of both kinds
    place = Place(tmp_path)
    place.run()
    victim = next(one for one in place.recover().holdings if one.name.startswith(kind))
    damage(place.ledger / victim.name)
    with caplog.at_level("WARNING", "wq_runner"):
        recovered = place.recover()
    assert [one.tasks for one in recovered.lost] == [victim.tasks]
    assert place.done() == set(range(TASKS)) - set(victim.tasks)
    assert place.run() == expected()
    check_files(place)
    again = [event.task for _, event in journal.read(place.journal) if isinstance(event, Accepted)]
    assert sorted(again[TASKS:]) == sorted(victim.tasks)


def test_a_torn_line_takes_its_task_with_it_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "MOST_PARTS", 100)
    place = Place(tmp_path)
    place.run()
    lines = place.journal.read_text().splitlines()
    last = max(number for number, line in enumerate(lines) if '"Accepted"' in line)
    torn = json.loads(lines[last])["task"]
    place.journal.write_text("\n".join(lines[:last]) + "\n" + lines[last][:40])
    assert place.done() == set(range(TASKS)) - {torn}
    assert place.run() == expected()


def test_a_torn_line_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "MOST_PARTS", 100)
    place = Place(tmp_path)
    place.run()
    lines = place.journal.read_text().splitlines()
    place.journal.write_text("\n".join([*lines[:3], lines[3][:25], *lines[4:]]) + "\n")
    assert place.done() == set(range(TASKS)) - {3}
    assert place.run() == expected()


def test_a_sum_with_a_part_that_is_not_on_record_runs_again(tmp_path: Path) -> None:
    """What it holds beside the others cannot be told, and must not count twice."""
    place = Place(tmp_path)
    place.run()
    merged = next(one for one in place.recover().holdings if len(one.tasks) > 1)
    lines = place.journal.read_text().splitlines()
    lines.remove(next(line for line in lines if f'"Accepted","task":{merged.tasks[0]},' in line))
    place.journal.write_text("\n".join(lines) + "\n")
    assert place.done() == set(range(TASKS)) - set(merged.tasks)
    assert place.run() == expected()


def test_a_line_that_lost_its_merged_file_takes_what_it_held(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.run()
    lines = place.journal.read_text().splitlines()
    kept = [line for line in lines if '"Merged"' not in line]
    place.journal.write_text("\n".join(kept) + "\n")
    assert place.run() == expected()


def test_killed_again_after_a_loss(tmp_path: Path) -> None:
    """What was lost and only partly done again is not taken for done."""
    place = Place(tmp_path)
    place.run()
    for holding in place.recover().holdings:
        (place.ledger / holding.name).unlink()
    for steps in (12, 30, 45):
        crashes(place, steps, before=True)
    assert place.run() == expected()
    check_files(place)


@pytest.mark.parametrize("change", [Path.unlink, lambda path: path.write_bytes(b"short")])
def test_a_file_written_beside_a_result_is_missing(tmp_path: Path, change: Callable[[Path], Any]) -> None:
    place = Place(tmp_path)
    place.run()
    change(place.files.root / "d1" / "some_ab11_0-10.parquet")
    (lost,) = place.recover().lost
    assert 11 in lost.tasks
    assert place.run() == expected()
    check_files(place)


def test_adding_up_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many files a ledger has: nobody writes down what would become of them."""
    monkeypatch.setattr(sums, "MOST_PARTS", 100)
    place = Place(tmp_path)
    place.run()
    names = {path.name for path in place.ledger.iterdir()}
    assert len(names) > 2
    monkeypatch.setattr(sums, "MOST_PARTS", 1)
    assert reducer.add_up(place.recover().holdings, place.ledger) == expected()
    assert {path.name for path in place.ledger.iterdir()} == names
    assert not place.recover().lost


def test_what_is_beside_a_damaged_line_is_not_removed_on_its_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "MOST_PARTS", 100)
    place = Place(tmp_path)
    place.run()
    lines = place.journal.read_bytes().splitlines(keepends=True)
    place.journal.write_bytes(b"".join([*lines[:3], lines[3].replace(b"f3.root", b"f2.root"), *lines[4:]]))
    reader = journal.Reader()
    events = [event for _, event in journal.read(place.journal, reader)]
    assert reader.damaged == 1
    aside = tmp_path / "damaged"
    recovered = ledger.recover(place.ledger, events, place.files, aside)
    assert {task for one in recovered.holdings for task in one.tasks} == set(range(TASKS)) - {3}
    kept = sorted(path.relative_to(aside).as_posix() for path in aside.rglob("*") if path.is_file())
    assert kept == ["files/d1/some_ab3_0-10.parquet", "ledger/part-3"]
    journal.cut_out_damaged(place.journal)
    assert place.run() == expected()
    check_files(place)


@pytest.mark.parametrize("size", [-1, 0], ids=["shorter", "the same"])
def test_a_damaged_file_beside_a_result_runs_again(tmp_path: Path, size: int) -> None:
    place = Place(tmp_path)
    place.run()
    victim = next(path for path in sorted(place.files.root.rglob("*")) if path.is_file())
    content = bytearray(victim.read_bytes())
    content[7] ^= 1
    victim.write_bytes(content[: len(content) + size])
    recovered = place.recover()
    assert recovered.damaged == (f"files/{victim.relative_to(place.files.root).as_posix()}",)
    assert place.run() == expected()
    check_files(place)
