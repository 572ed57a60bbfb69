"""Several processors in one run: killed, edited and broken, each has the result that it has alone."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import nanoaod
import pytest
import running
from coffea.util import load

from wq_runner.run_events import Accepted, TaskSubmitted

FILES, EVENTS, CHUNK = 6, 1000, 100
NAMES = ("ee", "mm")

PROCESSORS = """
import awkward as ak
import numpy as np
from coffea import processor

class EE(processor.ProcessorABC):
    def __init__(self, scale=1):
        self.scale = scale

    def process(self, events):
        values = np.asarray(ak.to_numpy(events.x))
        found = {"sum": self.scale * int(values.sum()), "n": len(events), "of": {events.metadata["dataset"]}}
        np.asarray(events.x.layout.data)[:] = 0  # whatever it does to its events
        return found

    def postprocess(self, accumulator):
        return {**accumulator, "ended": True}

class MM(processor.ProcessorABC):
    def process(self, events):
        values = np.asarray(ak.to_numpy(events.x))
        return {"odd": int((values % 2 == 1).sum()), "last": {int(values[-1])}}

    def postprocess(self, accumulator):
        return accumulator
"""


@pytest.fixture
def analysis(tmp_path: Path) -> Path:
    for dataset in ("dy", "tt"):
        for number in range(FILES // 2):
            nanoaod.write_simple(tmp_path / "data" / dataset / f"{number}.root", EVENTS)
    files = {
        name: [str(path) for path in sorted((tmp_path / "data" / name).iterdir())] for name in ("dy", "tt")
    }
    (tmp_path / "samples.json").write_text(json.dumps(files))
    (tmp_path / "proc.py").write_text(PROCESSORS)
    return tmp_path


COMMON = ("--schema", "BaseSchema", "--chunksize", CHUNK, "samples.json")
BOTH = (
    "-p",
    "ee=proc.py:EE",
    "-p",
    "mm=proc.py:MM",
    "--processor-args",
    "ee.scale=3",
    "-w",
    "local:2",
    *COMMON,
)


def alone(odd: int = 500) -> dict[str, Any]:
    """Return what each gives by itself: it can be calculated."""
    return {
        "ee": {"sum": 3 * FILES * sum(range(EVENTS)), "n": FILES * EVENTS, "of": {"dy", "tt"}, "ended": True},
        "mm": {"odd": FILES * odd, "last": set(range(CHUNK - 1, EVENTS, CHUNK))},
    }


def chunks_of(directory: Path, since: int = 0) -> Counter[str]:
    """Return how many chunks of each processor were accepted, since an event of the journal."""
    events = running.events_of(directory)[since:]
    accepted = [one for one in events if isinstance(one, Accepted) and one.category == "processing"]
    return Counter(one.dataset.partition(".")[0] for one in accepted for _ in one.items)


def test_killed_and_edited_each_has_the_result_that_it_has_alone(analysis: Path) -> None:
    out = analysis / "out"
    with running.running(*BOTH, "--task-time", 0, "-o", "out", cwd=analysis) as process:
        running.until(lambda: running.accepted(out) > 20)
        process.kill()
    running.run_well(*BOTH, "--task-time", 0, "-o", "out", cwd=analysis)
    assert load(out / "output.coffea") == alone()
    assert chunks_of(out) == dict.fromkeys(NAMES, FILES * EVENTS // CHUNK)
    assert {one["dataset"] for one in running.summary(out)["missing"]} == set()

    # an edit of one: only its work is done again
    before = len(running.events_of(out))
    text = (analysis / "proc.py").read_text()
    (analysis / "proc.py").write_text(text.replace("% 2 == 1", "% 4 == 1"))
    ended = running.run_well(*BOTH, "-o", "out", cwd=analysis)
    assert "of mm changed since the last run" in ended.out
    assert load(out / "output.coffea") == alone(odd=250)
    events = running.events_of(out)[before:]
    assert {one.dataset for one in events if isinstance(one, TaskSubmitted)} == {"mm.dy", "mm.tt"}
    assert chunks_of(out, before) == {"mm": FILES * EVENTS // CHUNK}

    # taken back: what was there is there again
    (analysis / "proc.py").write_text(text)
    ended = running.run_well(*BOTH, "-o", "out", cwd=analysis)
    assert "in its place again" in ended.out
    assert load(out / "output.coffea") == alone()


def test_a_run_that_is_killed_right_after_an_edit_takes_nothing_old_for_new(analysis: Path) -> None:
    out = analysis / "out"
    running.run_well(*BOTH, "-o", "out", cwd=analysis)
    text = (analysis / "proc.py").read_text()
    (analysis / "proc.py").write_text(text.replace("% 2 == 1", "% 4 == 1"))
    before = len(running.events_of(out))
    with running.running(*BOTH, "-o", "out", cwd=analysis) as process:
        running.until(lambda: len(running.events_of(out)) > before)
        process.kill()
    running.run_well(*BOTH, "-o", "out", cwd=analysis)
    assert load(out / "output.coffea") == alone(odd=250)


def test_one_that_fails_does_not_keep_the_others_from_their_results(analysis: Path) -> None:
    text = (analysis / "proc.py").read_text()
    (analysis / "proc.py").write_text(text.replace("values % 2", "valeus % 2"))
    ended = running.run(*BOTH, "-o", "out", cwd=analysis)
    assert ended.code == 6, ended.out + ended.err
    assert "the processor mm failed" in ended.error
    assert "valeus" in ended.error
    assert "in the result: ee: complete, mm: failed" in ended.error
    assert re.search(r" --select (dy|tt):", ended.error)  # as the samples call it
    (analysis / "proc.py").write_text(text)
    found = load(analysis / "out" / "output.coffea")
    assert found == {"ee": alone()["ee"]}
    before = len(running.events_of(analysis / "out"))
    running.run_well(*BOTH, "-o", "out", cwd=analysis)
    assert load(analysis / "out" / "output.coffea") == alone()
    assert chunks_of(analysis / "out", before) == {"mm": FILES * EVENTS // CHUNK}


def test_results_of_one_that_cannot_be_added_up_do_not_either(analysis: Path) -> None:
    """Nor is anything lost that was done for it: the same command says it again, and reads nothing."""
    text = (analysis / "proc.py").read_text()
    unlike = text.replace('"last": {int(values[-1])}', '"last": {1} if values[0] else [1]')
    (analysis / "proc.py").write_text(unlike)
    out = analysis / "out"

    def refused() -> int:
        before = len(running.events_of(out))
        ended = running.run(*BOTH, "--task-time", 0, "-o", "out", cwd=analysis)
        assert ended.code == 6, ended.out + ended.err
        assert "'last' of two chunks cannot be added" in ended.error
        assert "in the result: ee: complete, mm: failed" in ended.error
        assert load(out / "output.coffea") == {"ee": alone()["ee"]}
        assert not running.summary(out)["complete"]
        return chunks_of(out, before)["ee"]

    assert refused() == FILES * EVENTS // CHUNK
    assert refused() == 0
    (analysis / "proc.py").write_text(text)
    before = len(running.events_of(out))
    running.run_well(*BOTH, "-o", "out", cwd=analysis)
    assert load(out / "output.coffea") == alone()
    assert chunks_of(out, before) == {"mm": FILES * EVENTS // CHUNK}


def test_in_a_file_for_each(analysis: Path) -> None:
    running.run_well(*BOTH, "-e", "iterative", "--outputs", "per-processor", "-o", "out", cwd=analysis)
    assert {path.name for path in (analysis / "out" / "outputs").iterdir()} == {"ee.coffea", "mm.coffea"}
    found = {name: load(analysis / "out" / "outputs" / f"{name}.coffea") for name in NAMES}
    assert found == alone()
