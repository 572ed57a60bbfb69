"""A postprocess that is mended runs on what is there; anything else that changes starts over."""

from __future__ import annotations

from pathlib import Path

import nanoaod
import pytest
import running

PROCESSOR = """
from pathlib import Path
from coffea.processor import ProcessorABC

class Mended(ProcessorABC):
    def process(self, events):
        with Path({calls!r}).open("a") as calls:
            calls.write("called\\n")
        return {{"n": {weight} * len(events)}}

    def postprocess(self, accumulator):
        {end}
"""


def test_an_end_that_failed(tmp_path: Path) -> None:
    data = nanoaod.write_simple(tmp_path / "a.root", 100)
    calls = tmp_path / "calls"
    options = ("--schema", "BaseSchema", "-e", "iterative", "-c", 50, "-o", "out", data)

    def run(end: str, weight: int = 1) -> running.Ended:
        text = PROCESSOR.format(calls=str(calls), weight=weight, end=end)
        (tmp_path / "mended.py").write_text(text)
        return running.run("-p", "mended.py:Mended", *options, cwd=tmp_path)

    failed = run("return Path('lumi.txt').read_text()")
    assert failed.code == 6
    assert f'the processor\'s postprocess failed\n\n  File "{tmp_path}/mended.py"' in failed.error
    assert not (tmp_path / "out/output.coffea").exists()
    mended = run("return {**accumulator, 'lumi': 3}")
    assert mended.code == 0, mended.err
    assert "it has changed: what is done is kept" in mended.out
    assert running.output(tmp_path / "out") == {"n": 100, "lumi": 3}
    assert calls.read_text().count("called") == 2
    # one that was finished is not, with another end
    assert run("return {**accumulator, 'lumi': 4}").code == 0
    assert running.output(tmp_path / "out") == {"n": 100, "lumi": 4}
    assert calls.read_text().count("called") == 2
    # nor is one of which the end read another file
    read = "return {**accumulator, 'lumi': int(Path('lumi.txt').read_text())}"
    for lumi in (5, 6):
        (tmp_path / "lumi.txt").write_text(str(lumi))
        assert run(read).code == 0
        assert running.output(tmp_path / "out") == {"n": 100, "lumi": lumi}
        assert "is there already" in run(read).out
    assert calls.read_text().count("called") == 2
    changed = run("return {**accumulator, 'lumi': 4}", weight=2)
    assert "the code" in changed.out
    assert running.output(tmp_path / "out") == {"n": 200, "lumi": 4}
    assert calls.read_text().count("called") == 4


PLACES = """
import sys
from coffea.processor import ProcessorABC

def fails(*_):
    {what}

class Result:
    __add__ = fails if {place!r} == "sum" else lambda self, other: self

class Fails(ProcessorABC):
    def process(self, events):
        return {{"result": Result()}}

    def postprocess(self, accumulator):
        return fails() if {place!r} == "postprocess" else accumulator
"""


SUM, END = "sys.exit('no weights.json for this era')", "open('/nowhere/weights.json')"


@pytest.mark.parametrize(
    ("executor", "place", "what"),
    [("iterative", "sum", SUM), ("futures", "postprocess", END), ("work_queue", "sum", SUM)],
)
def test_what_fails_in_the_manager_is_the_processors(
    executor: str, place: str, what: str, tmp_path: Path
) -> None:
    nanoaod.write_simple(tmp_path / "a.root", 40)
    (tmp_path / "fails.py").write_text(PLACES.format(place=place, what=what))
    workers = ("-w", "local:1", "--task-time", 0) if executor == "work_queue" else ()
    common = ("-p", "fails.py:Fails", "--schema", "BaseSchema", "-c", 10, "-o", "out", "a.root")
    ended = running.run("-e", executor, *workers, *common, cwd=tmp_path)
    assert ended.code == 6
    assert "weights.json" in ended.error
    assert "fails.py" in ended.error
