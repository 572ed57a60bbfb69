"""Tasks as parcels: by name where the files are seen, by content elsewhere, the function once a process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dill
import pytest

from wq_runner.engine import answer
from wq_runner.engine.answer import Kind
from wq_runner.remote import functions, parcel, work
from wq_runner.remote.parcel import Delivery, Parcel, deliver


@pytest.fixture(autouse=True)
def new_process() -> Iterator[None]:
    parcel._functions().clear()
    yield
    parcel._functions().clear()


def write(directory: Path, function: Callable[[Any], Any], **versions: str) -> Parcel:
    """Write the files of a task, as the loop does."""
    directory.mkdir()
    preamble = functions.preamble(wanted={**functions.versions(), **versions})
    (directory / "function-1234").write_bytes(preamble + dill.dumps(function))
    return Parcel(str(directory / "function-1234"), work.pack([1, 2, 3]), str(directory / "7.result"))


def apart(task: Parcel, *, function: bool = False) -> Parcel:
    """Return the parcel as it reaches a machine that does not see its files, with the function or not."""
    content = Path(task.function).read_bytes() if function else None
    return Parcel("/nowhere/function-1234", task.items, "/nowhere/7.result", content)


def result(found: Delivery, directory: Path) -> Any:
    assert found.answer is not None
    (directory / "answer").write_bytes(found.answer)
    return answer.read_result(directory / "answer")


def double(item: int) -> dict[str, int]:
    return {"sum": 2 * item}


def test_where_the_files_are_seen_only_names_travel(tmp_path: Path) -> None:
    task = write(tmp_path / "task", double)
    found = deliver(task)
    assert (found.answer, found.lacking) == (None, False)
    assert answer.read_result(Path(task.result)) == {"sum": 12}
    assert found.started <= found.finished


def test_elsewhere_contents_do_and_the_function_once(tmp_path: Path) -> None:
    task = write(tmp_path / "task", double)
    assert deliver(apart(task)).lacking
    assert result(deliver(apart(task, function=True)), tmp_path) == {"sum": 12}
    assert result(deliver(apart(task)), tmp_path) == {"sum": 12}


def test_a_place_that_cannot_be_written_is_not_seen(tmp_path: Path) -> None:
    task = write(tmp_path / "task", double)
    assert deliver(Parcel(task.function, task.items, "/proc/nowhere/7.result")).lacking


def test_another_version_is_an_answer_and_is_asked_for_again(tmp_path: Path) -> None:
    task = write(tmp_path / "task", double, coffea="0.7")
    for _ in range(2):
        found = deliver(apart(task, function=True))
        assert found.answer is not None
        (tmp_path / "answer").write_bytes(found.answer)
        (failure,) = answer.read_answer(tmp_path / "answer").failures
        assert failure.kind is Kind.ENVIRONMENT
        assert "(manager: 0.7)" in failure.message
    assert deliver(apart(task)).lacking
