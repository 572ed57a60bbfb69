"""`WorkQueueExecutor` in anybody's Runner, compared with coffea's IterativeExecutor."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import awkward as ak
import cloudpickle
import nanoaod
import pytest
import running
from coffea import processor
from coffea.nanoevents import BaseSchema, NanoAODSchema

from wq_runner import WorkQueueExecutor
from wq_runner.errors import PartialResultError, ProcessorError, UsageError
from wq_runner.workers.local import LocalWorkers

dimuon = nanoaod.load(nanoaod.DIMUON / "processor.py")
cloudpickle.register_pickle_by_value(dimuon)  # workers cannot import it by the name it has here
CHUNKSIZE = 300

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning:coffea")


@pytest.fixture(scope="module")
def executor() -> Iterator[WorkQueueExecutor]:
    """Return an executor whose engine and workers serve all tests of this file, one after the other."""
    with WorkQueueExecutor(workers="local:2", port=0) as executor:
        yield executor


@pytest.fixture(scope="module")
def fileset(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return nanoaod.fileset(tmp_path_factory.mktemp("data"), files=2, events=500)


@pytest.fixture(scope="module")
def simple(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    directory = tmp_path_factory.mktemp("simple")
    return {"d": [str(nanoaod.write_simple(directory / f"{number}.root", 20)) for number in range(3)]}


def both(executor: WorkQueueExecutor, files: Any, instance: Any, **options: Any) -> tuple[Any, Any]:
    """Run on our executor and on coffea's."""
    settings: dict[str, Any] = {"schema": NanoAODSchema, "chunksize": CHUNKSIZE, **options}
    iterative = processor.IterativeExecutor(status=False)
    runners = [processor.Runner(executor=one, **settings) for one in (executor, iterative)]
    ours, theirs = (runner(files, instance, treename="Events") for runner in runners)
    return ours, theirs


def test_root(executor: WorkQueueExecutor, fileset: dict[str, Any]) -> None:
    ours, theirs = both(executor, fileset, dimuon.Dimuon())
    nanoaod.assert_same(ours, theirs)
    assert ours["DYJetsToLL"]["cutflow"]["events"] == 1000


def test_workers_need_no_name_and_all_else_does() -> None:
    with WorkQueueExecutor("local:3", manager_name="me-coffea", port=0) as given:
        assert given.session is not None
        assert isinstance(given.session.workers, LocalWorkers)
        assert given.session.workers.spec.count == 3
        assert (given.workers, given.manager_name) == ("local:3", "me-coffea")
        assert given.copy(status=False).workers == "local:3"
    assert next(iter(inspect.signature(WorkQueueExecutor).parameters)) == "workers"
    given_more: Any = WorkQueueExecutor
    with pytest.raises(UsageError, match="all but the first, which is `workers`, need their names"):
        given_more("local:3", "me-coffea")
    with pytest.raises(UsageError, match="no workers 'me-coffea'"):  # the name of a manager
        WorkQueueExecutor("me-coffea")


def test_the_arguments_of_coffeas_own(
    simple: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "sf.txt").write_text("2")
    arguments: dict[str, Any] = {
        "manager_name": "me-work_queue-coffea",
        "port": [0, 0],
        "debug_log": tmp_path / "logs" / "debug.log",
        "transactions_log": str(tmp_path / "logs" / "tr.log"),
        "stats_log": str(tmp_path / "logs" / "stats.log"),
        "tasks_accum_log": "tasks.log",
        "extra_input_files": [str(tmp_path / "sf.txt")],
        "retries": 15,
        "compression": 9,
        "resource_monitor": True,
        "resources_mode": "auto",
        "filepath": str(tmp_path / "files"),
        "memory": 500,
        "fast_terminate_workers": 0,
        "verbose": True,
        "print_stdout": False,
        "chunks_per_accum": 25,
        "chunks_accum_in_mem": 2,
    }

    def count(events: Any) -> Any:
        return {"sum": int(ak.sum(events.x)) * int(Path("sf.txt").read_text())}

    with WorkQueueExecutor(workers=1, **arguments) as one:
        runner = processor.Runner(executor=one, schema=BaseSchema, chunksize=10)
        assert runner(simple, count, treename="Events") == {"sum": 2 * 3 * sum(range(20))}
        assert list((tmp_path / "files").glob("wq-runner-files-*/*"))
    said = [line for line in caplog.messages if " is not used: " in line]
    assert len(said) == 7  # each once, whatever coffea copies
    assert {one.name for one in (tmp_path / "logs").iterdir()} == {"debug.log", "tr.log", "stats.log"}


def test_parquet(executor: WorkQueueExecutor, tmp_path: Path) -> None:
    for number in range(2):
        ak.to_parquet(ak.Array({"x": [float(value) for value in range(40)]}), tmp_path / f"{number}.parquet")
    files = {"d": [str(path) for path in sorted(tmp_path.glob("*.parquet"))]}
    ours, theirs = both(executor, files, entries, format="parquet", schema=BaseSchema, chunksize=15)
    assert ours == theirs == {"entries": 80, "sum": 2 * 780.0}


def entries(events: Any) -> dict[str, Any]:
    return {"entries": len(events), "sum": float(ak.sum(events.x))}


def test_savemetrics(executor: WorkQueueExecutor, fileset: dict[str, Any]) -> None:
    (ours, metrics), (theirs, expected) = both(executor, fileset, dimuon.Dimuon(), savemetrics=True)
    nanoaod.assert_same(ours, theirs)
    assert set(metrics) == set(expected)
    assert metrics["entries"] == expected["entries"] == 3000
    assert metrics["chunks"] == expected["chunks"]
    assert set(metrics["columns"]) == set(expected["columns"])  # coffea lists a set
    assert metrics["bytesread"] > 0


def test_use_result_type(executor: WorkQueueExecutor, simple: dict[str, Any]) -> None:
    ours, theirs = both(executor, simple, entries, use_result_type=True, skipbadfiles=True, schema=BaseSchema)
    assert type(ours) is type(theirs)
    assert ours.is_ok()
    assert ours.unwrap() == theirs.unwrap()


def test_use_result_type_for_a_failure(executor: WorkQueueExecutor, simple: dict[str, Any]) -> None:
    def broken(events: Any) -> Any:
        raise ValueError("no calibration")

    runner = processor.Runner(
        executor=executor, schema=BaseSchema, use_result_type=True, skipbadfiles=(ValueError,)
    )
    result = runner(simple, broken, treename="Events")
    assert result.is_err()
    assert isinstance(result.exception, ProcessorError)
    with pytest.raises(ProcessorError, match="no calibration"):
        result.unwrap()


@pytest.mark.filterwarnings("ignore:(Performed attempt|Skipping bad file):UserWarning")
def test_skipbadfiles(executor: WorkQueueExecutor, simple: dict[str, Any], tmp_path: Path) -> None:
    bad = nanoaod.cut_in_half(nanoaod.write_simple(tmp_path / "bad.root", 5000))
    files = {"d": [*simple["d"], str(bad)], "gone": [str(tmp_path / "gone.root")]}
    ours, theirs = both(executor, files, entries, skipbadfiles=True, schema=BaseSchema)
    assert ours == theirs
    assert ours["entries"] == 60


def test_names_are_those_of_where_they_were_written(
    executor: WorkQueueExecutor, simple: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker's current directory is another one; and a file that it skips is said here."""
    first = Path(simple["d"][0])
    monkeypatch.chdir(first.parent)
    files = {"d": [first.name, f"./{Path(simple['d'][1]).name}"], "twice": [first.name, str(first)]}
    for skip in (False, True):
        ours, theirs = both(executor, files, entries, schema=BaseSchema, skipbadfiles=skip)
        assert ours == theirs
        assert ours["entries"] == 80
    runner = processor.Runner(executor=executor, schema=BaseSchema, skipbadfiles=True)
    with pytest.warns(UserWarning, match=rf"Skipping bad files, 1: {first.parent}/gone\.root"):
        ours = runner({"d": [first.name, "gone.root"]}, entries, treename="Events")
    assert ours["entries"] == 20


def test_without_skipbadfiles_a_bad_file_is_an_error(
    executor: WorkQueueExecutor, simple: dict[str, Any], tmp_path: Path
) -> None:
    bad = nanoaod.write_garbage(tmp_path / "bad.root")
    runner = processor.Runner(executor=executor, schema=BaseSchema)
    with pytest.raises(Exception, match=r"bad\.root"):
        runner({"d": [*simple["d"], str(bad)]}, entries, treename="Events")


def test_callables(executor: WorkQueueExecutor, simple: dict[str, Any]) -> None:
    lowest = 5.0
    for function in (
        entries,
        lambda events: {"above": int(ak.sum(events.x > lowest))},
        Counter(3).process,
    ):
        ours, theirs = both(executor, simple, function, schema=BaseSchema, chunksize=7)
        assert ours == theirs


class Counter:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    def process(self, events: Any) -> dict[str, int]:
        return {"n": self.factor * len(events)}


def test_the_exception_of_the_worker_is_the_cause(
    executor: WorkQueueExecutor, simple: dict[str, Any]
) -> None:
    def broken(events: Any) -> Any:
        return dict[str, int]()["no such key"]

    runner = processor.Runner(executor=executor, schema=BaseSchema)
    with pytest.raises(ProcessorError) as caught:
        runner(simple, broken, treename="Events")
    # as on the worker: coffea's own exception, and below it the processor's
    assert isinstance(caught.value.__cause__, Exception)
    assert isinstance(caught.value.__cause__.__cause__, KeyError)
    assert '["no such key"]' in str(caught.value)
    assert "events 0-20" in str(caught.value)


def test_a_result_that_cannot_be_sent(executor: WorkQueueExecutor, simple: dict[str, Any]) -> None:
    def unsendable(events: Any) -> Any:
        import threading

        return {"lock": threading.Lock()}

    runner = processor.Runner(executor=executor, schema=BaseSchema)
    with pytest.raises(ProcessorError, match="lock"):
        runner(simple, unsendable, treename="Events")


def test_it_works_again_after_errors(executor: WorkQueueExecutor, simple: dict[str, Any]) -> None:
    ours, theirs = both(executor, simple, entries, schema=BaseSchema)
    assert ours == theirs


def test_partial_results_are_no_oserror() -> None:
    # coffea would take it for a bad file and swallow it
    assert not issubclass(PartialResultError, OSError)


def test_a_script_of_lambdas_without_a_main_guard(simple: dict[str, Any], tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(
        "from coffea import processor\n"
        "from coffea.nanoevents import BaseSchema\n"
        "from wq_runner import WorkQueueExecutor\n"
        "scale = 2\n"
        "executor = WorkQueueExecutor(workers='local:1', port=0)\n"
        "runner = processor.Runner(executor=executor, schema=BaseSchema, chunksize=7)\n"
        f"files = {simple!r}\n"
        "print(runner(files, lambda events: {'n': scale * len(events)}, treename='Events'))\n"
    )
    done = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=running.PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout.strip().splitlines()[-1]) == (0, "{'n': 120}"), done.stderr


def test_what_a_script_imports_is_imported_on_workers(simple: dict[str, Any], tmp_path: Path) -> None:
    """A file around somebody's processor, which changes a setting of its module: nobody names that file."""
    (tmp_path / "base.py").write_text(
        "MIN = 0\n"
        "class Analysis:\n"
        "    def __call__(self, events):\n"
        "        return {'n': int((events.x.to_numpy() >= MIN).sum())}\n"
    )
    (tmp_path / "around.py").write_text("import base\nbase.MIN = 10**6\nprocessor = base.Analysis()\n")
    (tmp_path / "script.py").write_text(
        "from coffea.processor import Runner\n"
        "from coffea.nanoevents import BaseSchema\n"
        "from wq_runner import WorkQueueExecutor\n"
        "from around import processor\n"
        "if __name__ == '__main__':\n"
        "    with WorkQueueExecutor(workers='local:1', port=0) as executor:\n"
        "        runner = Runner(executor=executor, schema=BaseSchema)\n"
        f"        print(runner({simple!r}, processor, treename='Events'))\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=running.PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout.strip().splitlines()[-1]) == (0, "{'n': 0}"), done.stderr
