"""With the coffea of other environments: the numbers of its own Runner, and the same endings as with ours."""

from __future__ import annotations

import json
import signal
import uuid

import pytest
import running
from coffeas.others import OURS, PACKING, Other

LOCAL = ("-w", "local:2")


@pytest.mark.parametrize(
    ("output", "executor"),
    [
        ("queue", LOCAL),
        ("futures", ("-e", "futures", "-w", 2)),
        ("here", ("-e", "iterative")),
        ("dask", ("-e", "dask", "-w", 2)),
        ("parsl", ("-e", "parsl", "-w", 2)),
    ],
)
def test_every_executor_has_the_numbers_of_coffeas_own(
    other: Other, output: str, executor: tuple[object, ...]
) -> None:
    ended = other.wq_run(output, *executor)
    assert ended.code == 0, ended.out + ended.err
    assert other.compare(output) == [f"{output}: equal"]
    again = other.wq_run(output, *executor)
    assert again.code == 0, again.err
    assert "is there already" in again.out


def test_the_tree_of_a_file_is_read_once_for_the_chunks_of_a_task(other: Other) -> None:
    """And the form of each branch is made once, though every coffea asks for it with each chunk."""
    ended = other.run("python", "reading.py")
    assert ended.code == 0, ended.out + ended.err
    found = json.loads(ended.out)
    assert (found["done"], found["failures"]) == ([0, 1, 2], [])
    assert found["trees"] == 1
    assert 0 < found["branches"] < 40


def test_columns_that_are_kept_are_what_is_read(other: Other) -> None:
    kept = ("--column-cache", other.place / "kept", "--chunksize", 700)
    filling, filled = (other.wq_run(output, *LOCAL, *kept) for output in ("filling", "filled"))
    assert (filling.code, filled.code) == (0, 0), filling.err + filled.err
    assert other.compare("filling", "filled") == ["filling: equal", "filled: equal"]
    assert "(100%) came from what workers keep" in filled.out


@pytest.mark.parametrize("other", ["0.7.29"], indirect=True)
@pytest.mark.timeout(PACKING)
def test_a_packed_environment_has_them_too(other: Other) -> None:
    ended = other.wq_run("packed", "-w", "local:1", "--environment=packed", patience=PACKING)
    assert ended.code == 0, ended.out + ended.err
    assert other.compare("packed") == ["packed: equal"]


def test_the_executor_in_its_runner_has_them_and_raises_what_the_processor_did(other: Other) -> None:
    said = "\n".join(other.compare("WorkQueueExecutor"))
    assert "WorkQueueExecutor: equal" in said
    assert "skipping: equal" in said
    assert "raised: the processor failed" in said
    assert "OSError: [Errno 5] of the processor" in said


def test_an_oserror_of_the_processor_is_no_bad_file(other: Other) -> None:
    ended = other.wq_run("os", *LOCAL, "--skip-bad-files", "--processor-args", "trouble=oserror")
    assert ended.code == 6, ended.out + ended.err
    assert "OSError: [Errno 5] of the processor" in ended.error


def test_a_run_that_is_interrupted_is_partial_and_goes_on(other: Other) -> None:
    with other.gated("interrupted", "--drain-time", 1) as process:
        process.send_signal(signal.SIGINT)
        ended = running.finish(process)
    assert ended.code == 130, ended.out + ended.err
    assert not running.summary(other.place / "interrupted")["complete"]
    _goes_on(other, "interrupted", "--drain-time", 1)


def test_a_run_that_is_killed_goes_on(other: Other) -> None:
    with other.gated("killed") as process:
        process.kill()
        assert running.finish(process).code == -signal.SIGKILL
    _goes_on(other, "killed")


def _goes_on(other: Other, output: str, *arguments: object) -> None:
    other.gate(output).touch()
    again = other.wq_run(output, *other.gated_options(output), *arguments)
    assert again.code == 0, again.out + again.err
    assert "resuming" in again.out
    assert other.compare(output) == [f"{output}: equal"]


def test_a_worker_that_is_killed_is_replaced_and_costs_nothing(other: Other) -> None:
    mark = uuid.uuid4().hex
    with other.gated("lost", **{running.MARK: mark}) as process:
        first, *_ = running.until(lambda: running.workers(mark), "a worker")
        running.kill(first)
        running.until(lambda: len(set(running.workers(mark)) - {first}) == 2, "another worker instead")
        other.gate("lost").touch()
        ended = running.finish(process)
    assert ended.code == 0, ended.out + ended.err
    assert other.compare("lost") == ["lost: equal"]
    running.until(lambda: not running.marked(mark), "no process of the run is left")


def test_a_bad_file_stops_the_run_or_is_named(other: Other) -> None:
    whole = (other.place / "a.root").read_bytes()
    (other.place / "cut.root").write_bytes(whole[: len(whole) // 2])
    files = {"a": {"files": {"a.root": "Events", "cut.root": "Events"}}}
    (other.place / "bad.json").write_text(json.dumps(files))
    stopped = other.wq_run("bad", *LOCAL, samples="bad.json")
    assert stopped.code == 2, stopped.out + stopped.err
    assert "cut.root cannot be read: cut short" in stopped.error
    partial = other.wq_run("bad", *LOCAL, "--skip-bad-files", samples="bad.json")
    assert partial.code == 3, partial.out + partial.err
    assert "cut.root" in partial.error


def test_a_function_of_events_is_a_processor(other: Other) -> None:
    ended = other.wq_run("function", *LOCAL, "-p", "muons.py:count")
    assert ended.code == 0, ended.out + ended.err
    assert running.summary(other.place / "function")["complete"]


@pytest.mark.parametrize("executor", [LOCAL, ("-e", "iterative")])
def test_several_processors_have_the_numbers_that_each_has_alone(
    other: Other, executor: tuple[object, ...]
) -> None:
    both = ("-p", "one=muons.py:Muons", "-p", "two=muons.py:Muons")
    ended = other.run(
        "wq-run", "-o", "several", "--fresh", "--chunksize", 500, *both, *executor, "samples.json"
    )
    assert ended.code == 0, ended.out + ended.err
    assert other.compare("several:one", "several:two") == ["several:one: equal", "several:two: equal"]


def test_pip_changed_no_version_that_was_there(other: Other) -> None:
    if other.bin.parent.parent.name != ".coffeas":
        pytest.skip(f"{OURS} was not made in two steps")
    before, after = (set((other.bin.parent / one).read_text().split()) for one in ("before", "after"))
    assert any(one.startswith("coffea==") for one in before)
    assert before <= after
