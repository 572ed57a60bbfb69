"""The command that runs one chunk again."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from wq_runner.execution.items import Item
from wq_runner.model import Dataset, InputFile
from wq_runner.pipeline import again

FILESET = (
    Dataset(name="A", files=(InputFile(path="/one/n.root"), InputFile(path="/two/n.root"))),
    Dataset(name="B [x]", files=(InputFile(path="root://host//n.root"),)),
)
FIRST = Item(value=None, dataset="A", path="/two/n.root", start=10, stop=20)
SECOND = Item(value=None, dataset="B [x]", path="root://host//n.root", start=0, stop=0)


@pytest.mark.parametrize(
    ("words", "item", "expected"),
    [
        ("s.cfg", FIRST, "s.cfg -e iterative --select A:/two/n.root:10-20 -o out-debug"),
        ("s.cfg", SECOND, "s.cfg -e iterative --select 'B [x]:n.root' -o out-debug"),
        (
            "-e dask --detach --select A --select=B s.cfg -o out --probe 3",
            FIRST,
            "s.cfg -e iterative --select A:/two/n.root:10-20 -o out-debug",
        ),
        (
            "-eiterative --executor=dask -w 3 --output out s.cfg --output=out",
            FIRST,
            "-w 3 s.cfg -e iterative --select A:/two/n.root:10-20 -o out-debug",
        ),
        ("-- --select", FIRST, "-e iterative --select A:/two/n.root:10-20 -o out-debug -- --select"),
    ],
)
def test_only_this_chunk_in_this_process(words: str, item: Item, expected: str) -> None:
    text = again.command(["wq-run", *shlex.split(words)], item, FILESET, Path("out"))
    assert text == f"wq-run {expected}"


def test_in_python_it_is_a_call() -> None:
    text = again.call(SECOND, FILESET, Path("out"))
    made = "executor='iterative', select='B [x]:n.root', output='out-debug'"
    assert text == f"wq_runner.run(..., {made})"


def test_nothing_is_copied_to_where_results_go() -> None:
    words = ["wq-run", "s.cfg", "--stage-out", "root://host//store"]
    text = again.command(words, FIRST, FILESET, Path("out"), stage_out=True)
    assert text.endswith("-o out-debug --stage-out none")
    assert "store" not in text
