"""A processor that returns nothing: one attempt, and its own line named, whatever it is."""

from __future__ import annotations

from pathlib import Path

import nanoaod
import pytest
import running

from wq_runner.run_events import TaskEnded

PROCESSORS = """
from coffea import processor

class Forgot(processor.ProcessorABC):
    def process(self, events):
        {"entries": len(events)}

    def postprocess(self, accumulator):
        return accumulator


class Sometimes(Forgot):
    def process(self, events):
        if len(events) < 100:
            return None
        return {"entries": len(events)}


def forgot(events):
    {"entries": len(events)}


class Called:
    def __call__(self, events):
        pass


called = Called()
"""


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("nothing")
    nanoaod.write_simple(directory / "a.root", 100)
    (directory / "nothing.py").write_text(PROCESSORS)
    return directory


@pytest.mark.parametrize("executor", ["work_queue", "iterative"])
@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("Forgot", "Forgot.process() in nothing.py, line 5,"),
        ("forgot", "forgot() in nothing.py, line 19,"),
        ("called", "Called.__call__() in nothing.py, line 24,"),
    ],
)
def test_it_is_the_processors_and_said_once(
    samples: Path, tmp_path: Path, name: str, place: str, executor: str
) -> None:
    ended = running.run(
        "-e", executor, "-w", 1, "-p", f"{samples / 'nothing.py'}:{name}", "--schema", "BaseSchema",
        "-o", "out", samples / "a.root", cwd=tmp_path,
    )  # fmt: skip
    assert ended.code == 6
    assert f"{place} returned None" in ended.error
    assert "attempt 1 of 1" in ended.error
    assert not any(word in ended.error for word in ("site-packages", "UnusableResultError", "Traceback"))
    tries = [one for one in running.events_of(tmp_path / "out") if isinstance(one, TaskEnded)]
    assert [one.done for one in tries if one.category == "processing"] == [0]


def test_a_chunk_without_a_result_is_found(samples: Path, tmp_path: Path) -> None:
    for number, events in enumerate((200, 50, 200)):
        nanoaod.write_simple(tmp_path / "data" / f"{number}.root", events)
    ended = running.run(
        "-w", 1, "-p", f"{samples / 'nothing.py'}:Sometimes", "--schema", "BaseSchema", "-o", "out",
        "data", cwd=tmp_path,
    )  # fmt: skip
    assert ended.code == 6
    assert "Sometimes.process() in nothing.py, line 13, returned None" in ended.error
    assert "1.root" in ended.error
