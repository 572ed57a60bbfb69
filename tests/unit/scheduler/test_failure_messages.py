"""The errors that end a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from wq_runner.errors import EngineError, InputError, ProcessorError, WorkerEnvironmentError, WqRunnerError
from wq_runner.ledger.items import Item
from wq_runner.model import Ending, Outcome
from wq_runner.scheduler.failure_messages import Advice, error_of
from wq_runner.scheduler.policy import Cause, Trouble

OURS = Advice(
    again=lambda item: f"wq-run --select {item.start}",
    skip_files="--skip-bad-files leaves such files out, and says so in the result",
    schema="--schema",
    take_along="--extra-file {}",
)
CHUNK = Item(value=None, dataset="A", path="/data/n.root", start=10, stop=20)
FILE = Item(value=None, dataset="A", path="/data/n.root")


LACKS = """
  File "/site/analysis.py", line 4, in process
    with uproot.open("weights/pileup.root") as file:
FileNotFoundError: file not found

    'weights/pileup.root'
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LACKS, "weights/pileup.root is here, but not where tasks run: --extra-file weights takes it along"),
        ("RuntimeError: Could not open file: sf.json", "--extra-file sf.json"),
        (LACKS.replace("weights/", "/nowhere/weights/"), ""),
        (LACKS.replace("weights/", "others/"), ""),
        ("KeyError: 'sf.json'", ""),
        ("FileNotFoundError: [Errno 2] No such file or directory: '../sf.json'", ""),
    ],
    ids=["uproot", "correctionlib", "whole path", "nor here", "no file is missing", "above"],
)
def test_a_file_that_is_here_and_not_there(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights").mkdir()
    for name in ("weights/pileup.root", "sf.json"):
        (tmp_path / name).write_text("")
    monkeypatch.chdir(tmp_path)
    trouble = Trouble(cause=Cause.PROCESSOR, message="gone", traceback=text)
    error = error_of(trouble, "twice", (CHUNK,), Outcome(task_id=1, ending=Ending.RETURNED), OURS)
    assert said in error.hint
    assert said or "--extra-file" not in error.hint


def test_a_file_that_a_package_opens_when_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "src/helpers").mkdir(parents=True)
    (tmp_path / "src/helpers/likelihoods.root").write_text("")
    monkeypatch.chdir(tmp_path)
    text = "FileNotFoundError: [Errno 2] No such file or directory: 'src/helpers/likelihoods.root'"
    for cause, said in ((Cause.ENVIRONMENT, True), (Cause.LOST, False)):
        trouble = Trouble(cause=cause, message=text)
        error = error_of(trouble, "6 times", (CHUNK,), Outcome(task_id=1, ending=Ending.RETURNED), OURS)
        assert ("--extra-file src takes it along" in error.hint) == said


@pytest.mark.parametrize(
    ("message", "kind", "said"),
    [
        (
            "ModuleNotFoundError: No module named 'xxhash'",
            WorkerEnvironmentError,
            "add it to the environment",
        ),
        ("no answer (exit code 127): python3: not found", EngineError, ""),
    ],
)
def test_a_package_that_is_missing_where_files_are_read(
    message: str, kind: type[WqRunnerError], said: str
) -> None:
    trouble = Trouble(cause=Cause.ENVIRONMENT, message=message)
    error = error_of(trouble, "6 times", (CHUNK,), Outcome(task_id=1, ending=Ending.RETURNED))
    assert type(error) is kind
    assert message in str(error)
    assert said in error.hint
    assert "skip-bad-files" not in error.hint


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
    error = error_of(trouble, "twice", (CHUNK,), outcome, OURS)
    assert isinstance(error, kind)
    assert str(error).splitlines()[-1] == "wq-run --select 10"
    said = str(error_of(trouble, "twice", (CHUNK,), outcome))  # of one's own Runner
    assert said.endswith("Runner(executor=IterativeExecutor()):\n  {'A': ['/data/n.root']}")


@pytest.mark.parametrize("said", ["not a ROOT file", "cannot be read: not a ROOT file"])
def test_a_file_that_never_opened_is_no_chunk(said: str) -> None:
    trouble = Trouble(cause=Cause.INPUT, message=f"/data/n.root: {said}")
    error = error_of(trouble, "twice", (FILE,), Outcome(task_id=1, ending=Ending.RETURNED), OURS)
    assert str(error) == (
        "/data/n.root cannot be read: not a ROOT file\n"
        "--skip-bad-files leaves such files out, and says so in the result"
    )


@pytest.mark.parametrize(
    ("cause", "text", "said"),
    [
        (
            Cause.INPUT,
            "not a ROOT file",
            "Runner(..., skipbadfiles=True) leaves out files that raise an OSError",
        ),
        (
            Cause.CHANGED,
            "another uuid",
            "Runner(..., skipbadfiles=True) leaves out files that raise an OSError",
        ),
        (Cause.SCHEMA, "no such branch", "Runner(..., schema=...) names another one"),
        (Cause.PROCESSOR, LACKS, "WorkQueueExecutor(..., extra_files=['weights']) takes it along"),
    ],
)
def test_who_has_a_runner_of_coffea_is_told_no_option_of_a_command(
    cause: Cause, text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights/pileup.root").write_text("")
    monkeypatch.chdir(tmp_path)
    trouble = Trouble(cause=cause, message=text, traceback=text)
    error = error_of(trouble, "twice", (CHUNK,), Outcome(task_id=1, ending=Ending.RETURNED))
    assert said in error.hint
    assert " --" not in str(error)
