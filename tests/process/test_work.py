"""What a task answers: each way in which an item can end, in a real forked process as on a worker."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dill
import pytest

from wq_runner.engine import answer
from wq_runner.engine.answer import Answer, Kind
from wq_runner.remote import functions, sweeper, work
from wq_runner.remote.guard import Job, Limits, Watch


def run(
    directory: Path,
    function: Callable[[Any], Any],
    items: Sequence[Any],
    versions: dict[str, str] | None = None,
    sources: dict[str, str] | None = None,
    labels: Sequence[int] = (),
) -> Answer:
    """Do a task in a watched process, and return its answer."""
    preamble = functions.preamble(wanted=versions, sources=sources or {})
    (directory / "function").write_bytes(preamble + dill.dumps(function))
    (directory / "items").write_text(work.pack(items, labels=labels))
    job = Job(directory / "function", directory / "items", directory / "result", Limits())
    Watch(
        job, lambda tell: work.execute(job.function, job.items, job.result, tell, outside=tell.outside)
    ).finish()
    return answer.read_answer(directory / "result")


def test_results_are_merged_and_measured(tmp_path: Path) -> None:
    found = run(tmp_path, lambda item: {"sum": item, "seen": {item}}, [1, 2, 3])
    assert found.done == (0, 1, 2)
    assert not found.failures
    assert answer.read_result(tmp_path / "result") == {"sum": 6, "seen": {1, 2, 3}}
    assert [one.index for one in found.measured] == [0, 1, 2]
    assert all(one.memory > 1e7 and one.wall >= 0 and one.cpu >= 0 for one in found.measured)
    assert found.wall >= found.startup > 0


def test_each_item_is_measured_for_itself(tmp_path: Path) -> None:
    def hold(size: int) -> dict[str, int]:
        (block := bytearray(size))[::4096] = b"x" * len(range(0, size, 4096))
        return {"held": len(block)}

    def read(path: str) -> dict[str, int]:
        return {"read": len(Path(path).read_bytes())}

    large, small = run(tmp_path, hold, [200_000_000, 1000]).measured
    assert large.memory > small.memory + 100_000_000
    (tmp_path / "input").write_bytes(bytes(3_000_000))
    (measured,) = run(tmp_path, read, [str(tmp_path / "input")]).measured
    assert measured.bytes_read >= 3_000_000


def test_memory_is_measured_until_the_answer_is_packed(tmp_path: Path) -> None:
    size = 60_000_000

    def make(size: int) -> dict[str, bytes]:
        return {"noise": os.urandom(size)}  # as large when it is compressed

    (small,) = run(tmp_path, make, [1000]).measured
    (large,) = run(tmp_path, make, [size]).measured
    assert large.memory > small.memory + 2.5 * size  # the result, pickled, and compressed


def test_programs_that_an_item_starts_are_measured(tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(bytes(3_000_000))
    program = f"""
import time
held = bytearray(300_000_000)
held[::4096] = b"x" * len(range(0, len(held), 4096))
open({str(tmp_path / "input")!r}, "rb").read()
end = time.monotonic() + 1.5
while time.monotonic() < end or time.process_time() < 0.3:
    pass
"""

    def start(program: str) -> dict[str, int]:
        subprocess.run([sys.executable, "-c", program], check=True)
        return {"n": 1}

    (measured,) = run(tmp_path, start, [program]).measured
    assert measured.memory > 300_000_000
    assert measured.cpu > 0.25
    assert measured.bytes_read >= 3_000_000


def test_what_items_leave_behind_in_cycles_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As arrays of events do: they know of the events that they are of."""
    monkeypatch.setattr(sweeper, "SHARE", 1e9)  # a machine may be slow to look, and these items are short

    def leave(size: int) -> dict[str, int]:
        held: dict[str, Any] = {}
        held["self"] = (held, b"x" * size)
        return {"held": size}

    size = 50_000_000
    gc.freeze()  # as a warm process does before it forks
    first, *_, last = run(tmp_path, leave, [size] * 8).measured
    gc.unfreeze()
    assert last.memory < first.memory + 2 * size


def fail(item: int) -> dict[str, int]:
    if item == 2:
        raise ValueError(f"not {item}")
    return {"sum": item}


def test_a_failure_is_data_and_costs_only_its_item(tmp_path: Path) -> None:
    found = run(tmp_path, fail, [1, 2, 3])
    assert found.done == (0, 2)
    assert answer.read_result(tmp_path / "result") == {"sum": 4}
    (failure,) = found.failures
    assert (failure.index, failure.kind, failure.type, failure.message) == (
        1,
        Kind.PROCESSOR,
        "ValueError",
        "not 2",
    )
    assert 'raise ValueError(f"not {item}")' in failure.traceback
    assert "remote/work.py" not in failure.traceback, "only the user's own code"
    (error,) = answer.read_exceptions(tmp_path / "result")
    assert isinstance(error, ValueError)


class PanicException(BaseException):
    """What libraries in Rust raise, of no kind that programs are used to catch."""


@pytest.mark.parametrize("error", [SystemExit("no"), GeneratorExit("no"), PanicException("no")], ids=repr)
def test_whatever_is_raised_is_a_failure_of_its_item(error: BaseException, tmp_path: Path) -> None:
    def fails(item: int) -> dict[str, int]:
        if item == 2:
            raise error
        return {"sum": item}

    found = run(tmp_path, fails, [1, 2, 3])
    assert found.done == (0, 2)
    (failure,) = found.failures
    assert (failure.index, failure.kind, failure.type) == (1, Kind.PROCESSOR, type(error).__name__)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # that it has threads
def test_a_copy_of_the_process_that_goes_on_does_no_work_of_ours(tmp_path: Path) -> None:
    def forks(item: int) -> dict[str, Any]:
        copy = os.fork()
        if copy == 0 and item == 2:
            raise ValueError("in the copy")
        status = os.waitpid(copy, 0)[1] if copy else 0
        return {"sum": item, "copies": [os.waitstatus_to_exitcode(status)]}

    assert run(tmp_path, forks, [1, 2]).done == (0, 1)
    assert answer.read_result(tmp_path / "result") == {"sum": 3, "copies": [1, 1]}


def test_a_failure_shows_the_line_of_a_file_that_is_not_here(tmp_path: Path) -> None:
    text, name = "def fail(item):\n    return item / 0  # here\n", "/elsewhere/analysis.py"
    space: dict[str, Any] = {"__name__": "analysis"}
    exec(compile(text, name, "exec"), space)
    (failure,) = run(tmp_path, space["fail"], [1], sources={name: text}).failures
    assert f'File "{name}", line 2, in fail\n    return item / 0  # here\n' in failure.traceback


def test_the_same_failure_has_the_same_signature(tmp_path: Path) -> None:
    def other(item: int) -> None:
        raise ValueError("not 2")

    (one,), (two,), (three,) = (run(tmp_path, function, [2]).failures for function in (fail, fail, other))
    assert one.signature == two.signature != three.signature


def test_a_result_that_cannot_be_pickled(tmp_path: Path) -> None:
    found = run(tmp_path, lambda _: {"lock": threading.Lock()}, [1])
    (failure,) = found.failures
    assert (failure.index, failure.kind) == (0, Kind.RESULT)
    said = "['lock'] is a _thread.lock (cannot pickle '_thread.lock' object)"
    assert failure.message == f"what the processor returned cannot be sent: {said}"
    assert "cloudpickle" not in failure.traceback
    assert not found.done


async def coroutine(item: int) -> dict[str, int]:
    return {"n": item}


@pytest.mark.parametrize(
    ("process", "said"),
    [
        (
            lambda item: {"out": (one for one in [item])},
            "it is a generator, what a function with 'yield' gives",
        ),
        (
            lambda item: {"out": {"n": [coroutine(item)]}},
            "['n'][0] is a coroutine, what a function with 'async'",
        ),
    ],
    ids=["a generator", "a coroutine"],
)
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
def test_what_still_runs_is_no_result(tmp_path: Path, process: Callable[[int], Any], said: str) -> None:
    found = run(tmp_path, process, [1, 2])
    assert [(one.index, one.kind) for one in found.failures] == [(0, Kind.RESULT), (1, Kind.RESULT)]
    assert f"what the processor returned is not computed: {said}" in found.failures[0].message
    assert not found.done


@pytest.mark.parametrize("first", [1, 3])
def test_in_a_batch_it_is_not_said_which_result_it_is(tmp_path: Path, first: int) -> None:
    """Whether it shows when results are merged or when they are sent: nothing of the batch counts."""
    found = run(
        tmp_path, lambda item: {item: threading.Lock()} if item == 1 else {"sum": 1}, [first, 2, 4 - first]
    )
    (failure,) = found.failures
    assert (failure.index, failure.kind) == (None, Kind.RESULT)
    assert not found.done


def test_what_dask_would_have_to_compute_is_no_result(tmp_path: Path) -> None:
    dask = pytest.importorskip("dask")
    found = run(tmp_path, lambda item: {"out": {"n": [dask.delayed(len)([item])]}, "seen": 1}, [1, 2])
    assert [(one.index, one.kind) for one in found.failures] == [(0, Kind.RESULT), (1, Kind.RESULT)]
    assert "is not computed: ['n'][0] is a dask.delayed.Delayed" in found.failures[0].message
    assert not found.done


def test_results_that_cannot_be_merged(tmp_path: Path) -> None:
    found = run(tmp_path, lambda item: {"good": 1, "x": item}, [{1}, 2, {3}])
    (failure,) = found.failures
    assert (failure.index, failure.kind) == (None, Kind.RESULT)
    assert not found.done
    assert answer.read_result(tmp_path / "result") is None, "nothing that holds a part of it"


SEVERAL = [(1, 7), (2, 7), (10, 8), (20, 9), (30, 9)]
"""Items, and the labels of the sums that they belong to."""


def sums(directory: Path, found: Answer) -> list[Any]:
    """Return the results of an answer of several sums."""
    places = [directory / f"{number}.sum" for number in range(len(found.sums))]
    answer.divide(directory / "result", places)
    return [answer.read_result(place) for place in places]


@pytest.mark.parametrize(
    ("of", "done", "expected", "failed"),
    [
        pytest.param(
            lambda item: {"sum": item},
            [(0, 1), (2,), (3, 4)],
            [{"sum": 3}, {"sum": 10}, {"sum": 50}],
            [],
            id="each sum is one result",
        ),
        pytest.param(
            lambda item: {"sum": item / (item - 10)},
            [(0, 1), (3, 4)],
            [{"sum": 1 / -9 + 2 / -8}, {"sum": 3.5}],
            [(2, Kind.PROCESSOR)],
            id="an item that fails, alone in its sum",
        ),
        pytest.param(
            lambda item: {"sum": threading.Lock() if item == 10 else item},
            [(0, 1), (3, 4)],
            [{"sum": 3}, {"sum": 50}],
            [(2, Kind.RESULT)],
            id="a sum that cannot be pickled",
        ),
        pytest.param(
            lambda item: {"sum": {item} if item == 1 else item},
            [(2,), (3, 4)],
            [{"sum": 10}, {"sum": 50}],
            [(None, Kind.RESULT)],
            id="a sum that cannot be made",
        ),
        pytest.param(
            lambda item: {item: threading.Lock()} if item in (1, 20) else {"sum": item},
            [(2,)],
            [{"sum": 10}],
            [(None, Kind.RESULT)],
            id="two such sums are said once",
        ),
        pytest.param(
            lambda item: None if item < 3 else {"sum": item},
            [(2,), (3, 4)],
            [{"sum": 10}, {"sum": 50}],
            [],
            id="a sum of nothing",
        ),
    ],
)
def test_sums_of_several_datasets_have_nothing_to_do_with_one_another(
    tmp_path: Path, of: Callable[[int], Any], done: list[Any], expected: list[Any], failed: list[Any]
) -> None:
    found = run(tmp_path, of, [item for item, _ in SEVERAL], labels=[label for _, label in SEVERAL])
    assert list(found.sums) == done
    assert found.done == tuple(index for some in done for index in some)
    assert [(one.index, one.kind) for one in found.failures] == failed
    assert len(answer.read_exceptions(tmp_path / "result")) == len(failed)
    assert sums(tmp_path, found) == expected


def test_an_answer_that_is_large_enough_leaves_the_rest_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "ENOUGH", 10)
    found = run(tmp_path, lambda item: {"sum": item}, [1, 2, 10, 20], labels=[7, 7, 8, 9])
    assert (found.sums, found.failures, found.skipped) == (((0, 1),), (), {})
    assert answer.read_result(tmp_path / "result") == {"sum": 3}


def test_nothing_is_what_coffea_returns_for_a_file_it_skips(tmp_path: Path) -> None:
    found = run(tmp_path, lambda item: None if item == 2 else {"sum": item}, [1, 2])
    assert found.done == (0,)
    assert found.skipped == {1: "the function returned nothing"}


def test_memory_that_python_does_not_get(tmp_path: Path) -> None:
    (failure,) = run(tmp_path, lambda _: bytearray(1 << 60), [1]).failures
    assert failure.kind is Kind.MEMORY


def test_other_versions_are_no_fault_of_the_task(tmp_path: Path) -> None:
    found = run(tmp_path, fail, [1], versions={**functions.versions(), "coffea": "0.1"})
    (failure,) = found.failures
    assert (failure.index, failure.kind) == (None, Kind.ENVIRONMENT)
    assert "(manager: 0.1); both sides need the same" in failure.message


def test_an_item_that_ends_the_interpreter(tmp_path: Path) -> None:
    found = run(tmp_path, lambda item: os._exit(5) if item == 2 else {"sum": item}, [1, 2, 3])
    (failure,) = found.failures
    assert (failure.index, failure.kind) == (1, Kind.CRASH)
    assert not found.done
