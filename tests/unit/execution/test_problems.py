"""The errors that end a run."""

from __future__ import annotations

import pytest

from wq_runner.errors import EngineError, InputError, ProcessorError, WqRunnerError
from wq_runner.execution.items import Item
from wq_runner.execution.policy import Cause, Trouble
from wq_runner.execution.problems import error_of
from wq_runner.model import Ending, Outcome

CHUNK = Item(value=None, dataset="A", path="/data/n.root", start=10, stop=20)
FILE = Item(value=None, dataset="A", path="/data/n.root")


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (Cause.PROCESSOR, ProcessorError),
        (Cause.SCHEMA, ProcessorError),
        (Cause.CRASHED, ProcessorError),
        (Cause.DEADLY, ProcessorError),
        (Cause.STALLED, ProcessorError),
        (Cause.INPUT, InputError),
        (Cause.EXHAUSTED, EngineError),
    ],
)
def test_they_end_with_how_to_see_the_chunk_fail(cause: Cause, kind: type[WqRunnerError]) -> None:
    trouble = Trouble(cause=cause, message="gone")
    outcome = Outcome(task_id=1, ending=Ending.RETURNED)
    error = error_of(trouble, "twice", (CHUNK,), outcome, lambda item: f"wq-run --select {item.start}")
    assert isinstance(error, kind)
    assert str(error).splitlines()[-1] == "wq-run --select 10"
    said = str(error_of(trouble, "twice", (CHUNK,), outcome))  # of one's own Runner
    assert said.endswith("Runner(executor=IterativeExecutor()):\n  {'A': ['/data/n.root']}")


def test_a_file_that_never_opened_is_no_chunk() -> None:
    trouble = Trouble(cause=Cause.INPUT, message="/data/n.root: not a ROOT file")
    error = error_of(trouble, "twice", (FILE,), Outcome(task_id=1, ending=Ending.RETURNED))
    assert str(error) == (
        "/data/n.root cannot be read: not a ROOT file\n"
        "--skip-bad-files leaves such files out, and says so in the result"
    )
