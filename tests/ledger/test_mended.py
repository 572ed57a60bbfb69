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


@pytest.mark.parametrize("end", ["raise ValueError('no luminosity')", "return Path('lumi.txt').read_text()"])
def test_an_end_that_failed(end: str, tmp_path: Path) -> None:
    data = nanoaod.write_simple(tmp_path / "a.root", 100)
    calls = tmp_path / "calls"
    options = ("--schema", "BaseSchema", "-e", "iterative", "-c", 50, "-o", "out", data)

    def run(end: str, weight: int = 1) -> running.Ended:
        text = PROCESSOR.format(calls=str(calls), weight=weight, end=end)
        (tmp_path / "mended.py").write_text(text)
        return running.run("-p", "mended.py:Mended", *options, cwd=tmp_path)

    failed = run(end)
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
    changed = run("return {**accumulator, 'lumi': 4}", weight=2)
    assert "the code" in changed.out
    assert running.output(tmp_path / "out") == {"n": 200, "lumi": 4}
    assert calls.read_text().count("called") == 4
