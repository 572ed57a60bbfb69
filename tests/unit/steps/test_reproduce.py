"""The command that runs one chunk again."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from wq_runner.config.commands import Typed
from wq_runner.ledger.items import Item
from wq_runner.model import Dataset, InputFile
from wq_runner.steps import reproduce

FILESET = (
    Dataset(name="A", files=(InputFile(path="/one/n.root"), InputFile(path="/two/n.root"))),
    Dataset(name="B [x]", files=(InputFile(path="root://host//n.root"),)),
)
FIRST = Item(value=None, dataset="A", path="/two/n.root", start=10, stop=20)
SECOND = Item(value=None, dataset="B [x]", path="root://host//n.root", start=0, stop=0)


def typed(words: str, **options: Any) -> Typed:
    known = {"executor": "work_queue", **options}
    return Typed(words=("wq-run", *shlex.split(words)), options=known, origins={}, directory=Path.cwd())


@pytest.mark.parametrize(
    ("words", "item", "expected"),
    [
        ("s.cfg", FIRST, "s.cfg -e iterative --select A:/two/n.root:10-20 -o out-debug"),
        ("s.cfg", SECOND, "s.cfg -e iterative --select 'B [x]:n.root' -o out-debug"),
        (
            "-e dask --detach --select A --select=B s.cfg -o out --probe 3",
            FIRST,
            "s.cfg --probe 3 -e iterative --select A:/two/n.root:10-20 -o out-debug",
        ),
        (
            "-eiterative --executor=dask -w 3 --output out s.cfg --output=out",
            FIRST,
            "-w 3 s.cfg -e iterative --select A:/two/n.root:10-20 -o out-debug",
        ),
        ("-- --select", FIRST, "-e iterative --select A:/two/n.root:10-20 -o out-debug -- --select"),
        (
            "-te dask --batch-options -e s.cfg --in-place",
            FIRST,
            "-t --batch-options -e s.cfg -e iterative --select A:/two/n.root:10-20 -o out-debug",
        ),
    ],
)
def test_only_this_chunk_in_this_process(words: str, item: Item, expected: str) -> None:
    assert reproduce.command(typed(words), item, FILESET, Path("out")) == f"wq-run {expected}"


def test_in_python_it_is_a_call() -> None:
    text = reproduce.call(SECOND, FILESET, Path("out"))
    made = "executor='iterative', select='B [x]:n.root', output='out-debug'"
    assert text == f"wq_runner.run(..., {made})"
    text = reproduce.call(SECOND, FILESET, Path("out"), in_place=True)
    assert text.endswith("output='out-debug', in_place=True)")


def test_nothing_is_copied_to_where_results_go_and_no_failure_is_passed_over() -> None:
    given = typed("s.cfg --stage-out root://host//store --max-failed 100%", stage_out="x", max_failed=1.0)
    text = reproduce.command(given, FIRST, FILESET, Path("out"))
    assert text.endswith("-o out-debug --stage-out none --max-failed 0")
    assert "store" not in text


@pytest.mark.parametrize(
    ("executor", "words", "in_place"),
    [
        ("work_queue", "s.cfg --in-place", False),
        ("iterative", "s.cfg", False),
        ("iterative", "s.cfg --in-place", True),
        ("futures", "s.cfg", True),
    ],
)
def test_it_works_where_the_task_did(executor: str, words: str, *, in_place: bool) -> None:
    given = typed(words, executor=executor, in_place="--in-place" in words)
    assert reproduce.command(given, FIRST, FILESET, Path("out")).count("--in-place") == in_place
