"""What the manager itself costs: its time, its memory, and how long it makes people wait.

    python benchmarks/manager.py plan       500,000 chunks of 3,000 files: plan, feed, account; then resume
    python benchmarks/manager.py open       150,000 files in preprocessing
    python benchmarks/manager.py crowd      50 real workers on loopback, 5,000 short tasks
    python benchmarks/manager.py first      seconds from Enter to the first chunk done, with a local worker
    python benchmarks/manager.py edit       seconds from Enter to the output of 1 s of work, after an edit

In the first two an engine answers at once what workers would answer, so that all that is measured is ours.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DIMUON = HERE.parent / "examples" / "dimuon"


class Answering:
    """An engine of 1,000 cores that answers at once; each item takes a second."""

    def __init__(self) -> None:
        from wq_runner.engine.protocol import EngineStatus
        from wq_runner.model import Resources

        largest = Resources(cores=8, memory=16_000, disk=100_000)
        self.status = EngineStatus(workers=125, workers_joined=125, cores=1000, largest=largest)
        self._done: deque[Any] = deque()
        self.tasks = 0
        self.seconds = 0.0  # spent on answers, which is the workers' time

    def start(self) -> None:
        pass

    def submit(self, task: Any) -> None:
        began = time.perf_counter()
        self._done.append(_answer(task))
        self.tasks += 1
        self.seconds += time.perf_counter() - began

    def wait(self, timeout: float) -> list[Any]:  # noqa: ARG002 - the protocol's
        found = list(self._done)
        self._done.clear()
        return found

    def avoid(self, host: str, *, avoid: bool) -> None:
        pass

    def close(self) -> None:
        pass


def _answer(task: Any) -> Any:
    import cloudpickle
    import lz4.frame

    from wq_runner.model import Category, Ending, Outcome
    from wq_runner.remote import wire, work

    items, _, labels = work.unpack(task.items)
    sums = [
        [index for index, _ in group]
        for _, group in itertools.groupby(enumerate(labels), key=lambda pair: pair[1])
    ]
    blobs = []
    for places in sums:
        some = [items[index] for index in places]
        if task.category is Category.PROCESSING:
            out = {"events": sum(len(item) for item in some), "chunks": len(some)}
            result = {"out": out, "processed": set(some)}
        else:
            result = {item.number: _facts() for item in some}
        blobs.append(lz4.frame.compress(cloudpickle.dumps(result)))
    measured = [
        {"index": index, "wall": 1.0, "cpu": 0.9, "memory": 300_000_000, "bytes_read": 1_000_000}
        for index in range(len(items))
    ]
    done = list(range(len(items)))
    header = {"host": "here", "wall": len(items), "done": done, "sums": sums, "measured": measured}
    wire.write(task.result, header, [blobs[0], cloudpickle.dumps([]), *blobs[1:]])
    now = time.time()
    return Outcome(task_id=task.id, ending=Ending.RETURNED, host="here", started=now - 1, finished=now)


def _facts() -> Any:
    from wq_runner.model import FileFacts

    return FileFacts(entries=1_000_000, uuid=os.urandom(16))


def _fileset(files: int, datasets: int = 10) -> Any:
    from wq_runner.model import Dataset, InputFile

    each = files // datasets
    return tuple(
        Dataset(
            name=f"dataset{number}",
            files=tuple(
                InputFile(path=f"root://host.example//store/mc/Run3/NANOAODSIM/{number}/{file}.root")
                for file in range(each)
            ),
            metadata={"isData": False, "xsec": 1.0, "year": "2018"},
        )
        for number in range(datasets)
    )


@contextlib.contextmanager
def _session(directory: Path) -> Iterator[Any]:
    from wq_runner.journal import Journal
    from wq_runner.scheduler.session import Session

    (directory / "ledger").mkdir(exist_ok=True)
    with contextlib.closing(Journal(directory / "journal.jsonl")) as journal:
        session = Session(
            engine=Answering(), journal=journal, staging=directory / "staging", ledger=directory / "ledger"
        )
        yield session
        session.close()


def count(events: Any) -> dict[str, int]:
    """Stand for a processor: the engine answers in its place."""
    return {"events": len(events)}


def plan(chunks: int, files: int) -> dict[str, float]:
    """Do what wq-run does with so many chunks, and then what it does to go on from there."""
    from coffea.nanoevents import BaseSchema

    from wq_runner import journal
    from wq_runner.coffea_adapter.runner import Analysis, process
    from wq_runner.directory import finished, remainder
    from wq_runner.directory.missing import missing_list
    from wq_runner.directory.record import accounts
    from wq_runner.ledger import ledger
    from wq_runner.ledger.side_files import FileStore
    from wq_runner.model import FileFacts
    from wq_runner.planning import chunks as cutting

    fileset = _fileset(files)
    entries = 1000 * (chunks // files)
    known = {
        file: FileFacts(entries=entries, uuid=os.urandom(16)) for dataset in fileset for file in dataset.files
    }
    spent = {}
    with tempfile.TemporaryDirectory(prefix="wq-bench-") as name:
        directory = Path(name)
        clock = time.perf_counter()
        made = cutting.plan(fileset, known, chunksize=1000, limit_chunks=None)
        spent["plan"] = time.perf_counter() - clock

        clock = time.perf_counter()
        with _session(directory) as session:
            found = process(Analysis(processor=count, schema=BaseSchema), fileset, made, session)
            spent["feed"] = time.perf_counter() - clock - session.engine.seconds
            tasks = session.engine.tasks
        assert sum(one["out"]["chunks"] for one in found.sums.values()) == len(made)

        clock = time.perf_counter()
        accounts(fileset, made, found, [])
        finished.digest_of((dataset.name for dataset in fileset), made)
        assert not missing_list(made, found, [])
        spent["account"] = time.perf_counter() - clock
        total, peak = sum(spent.values()), _peak()

        clock = time.perf_counter()
        events = [event for _, event in journal.read(directory / "journal.jsonl")]
        recovered = ledger.look(directory / "ledger", events, FileStore(root=directory / "files"))
        assert not remainder.remainder(made, recovered).chunks
        spent["resume"] = time.perf_counter() - clock
    each = 1000 * total / len(made)
    return {
        "chunks": len(made),
        "tasks": tasks,
        **spent,
        "ms per chunk": each,
        "peak MB": peak,
        "peak MB with resume": _peak(),
    }


def open_files(files: int) -> dict[str, float]:
    """Do what wq-run does to have so many files opened by tasks."""
    from wq_runner.planning.file_info import Knowledge, learn
    from wq_runner.samples.cache import FactsCache

    fileset = _fileset(files)
    with tempfile.TemporaryDirectory(prefix="wq-bench-") as name, _session(Path(name)) as session:
        knowledge, cache = Knowledge(), FactsCache(Path(name) / "cache.sqlite")
        clock = time.perf_counter()
        learn(fileset, knowledge, session=session, cache=cache, chunksize=100_000, limit_chunks=None)
        spent = time.perf_counter() - clock - session.engine.seconds
        tasks = session.engine.tasks
    assert len(knowledge.facts) == files
    return {"files": files, "tasks": tasks, "ms per file": 1000 * spent / files, "peak MB": _peak()}


def _peak() -> float:
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1000


# -- with the real engine


def _samples(directory: Path, events: int, files: int) -> Path:
    make = [sys.executable, DIMUON / "make_data.py", "--out", directory, "--samples", directory]
    make += ["--files", str(files), "--events", str(events)]
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
    return directory / "samples.cfg"


def _wq_run(*arguments: object, cwd: Path) -> subprocess.Popen[bytes]:
    program = Path(sys.executable).with_name("wq-run")
    environ = {**os.environ, "CATALOG_HOST": "127.0.0.1"}
    with (cwd / "log").open("wb") as log:
        return subprocess.Popen(
            [str(program), *map(str, arguments)], cwd=cwd, env=environ, stdout=log, stderr=log
        )


def crowd(workers: int, tasks: int, size: int = 0) -> dict[str, float]:
    """Let many real workers do short tasks, and see what of a core the manager and its queue take.

    `size` is that of each result, in bytes.
    """
    import psutil

    with tempfile.TemporaryDirectory(prefix="wq-bench-") as name:
        directory = Path(name)
        samples = _samples(directory / "data", events=max(10, tasks // 3), files=10)
        process = _wq_run(
            *("-p", f"{HERE / 'large.py'}:Large", "--processor-args", f"size={size}"),
            *("--schema", "BaseSchema", "--environment", "shared"),
            *("--chunksize", 10, "--task-time", 0.001, "--memory", "200MB", "--disk", "100MB"),
            *("--workers", f"local:{workers}x1x300MB", "-o", "out", samples),
            cwd=directory,
        )
        manager = psutil.Process(process.pid)
        used = began = ended = 0.0
        done = 0
        while process.poll() is None:
            with contextlib.suppress(psutil.Error, FileNotFoundError):
                ours = [
                    manager,
                    *(one for one in manager.children() if "queue_process" in str(one.cmdline())),
                ]
                now = sum(sum(one.cpu_times()[:2]) for one in ours)
                done = (directory / "out" / "journal.jsonl").read_text().count('"TaskEnded"')
                if done and not began:
                    began, first = time.time(), now
                if began:
                    used, ended = now - first, time.time()
            time.sleep(0.5)
        if process.returncode:
            raise SystemExit((directory / "log").read_text())
        lines = map(json.loads, (directory / "out" / "journal.jsonl").read_text().splitlines())
        moved = [one["bytes_received"] + one["bytes_sent"] for one in lines if one["event"] == "TaskEnded"]
    return {
        "workers": workers,
        "tasks": done,
        "bytes": statistics.mean(moved),
        "seconds": ended - began,
        "cores": used / (ended - began),
    }


def first(rounds: int) -> dict[str, float]:
    """Return the seconds until a first chunk is in the journal, and those until the second run has one."""
    found = []
    with tempfile.TemporaryDirectory(prefix="wq-bench-") as name:
        directory = Path(name)
        samples = _samples(directory / "data", events=20_000, files=1)
        for _ in range(rounds + 1):
            shutil.rmtree(directory / "out", ignore_errors=True)
            began = time.time()
            process = _wq_run(
                *("-p", f"{DIMUON / 'processor.py'}:Dimuon", "--chunksize", 5000),
                *("--workers", "local:1", "-o", "out", samples),
                cwd=directory,
            )
            if process.wait():
                raise SystemExit((directory / "log").read_text())
            lines = map(json.loads, (directory / "out" / "journal.jsonl").read_text().splitlines())
            accepted = (one["time"] for one in lines if one["event"] == "Accepted")
            found.append(next(accepted) - began)
    return {"rounds": rounds, "median s": statistics.median(found[1:]), "max s": max(found[1:])}


def edit(rounds: int) -> dict[str, float]:
    """Return the seconds of whole runs, each after a line of the processor was changed."""
    found = []
    with tempfile.TemporaryDirectory(prefix="wq-bench-") as name:
        directory = Path(name)
        samples = _samples(directory / "data", events=20_000, files=1)
        processor = directory / "processor.py"
        text = (DIMUON / "processor.py").read_text()
        for number in range(rounds + 1):
            processor.write_text(f"{text}\n# edit {number}\nEDIT = {number}\n")
            began = time.perf_counter()
            process = _wq_run(
                *("-p", f"{processor}:Dimuon", "--chunksize", 10_000, "--workers", "local:2", "-o", "out"),
                *("--environment", "packed", samples),
                cwd=directory,
            )
            if process.wait():
                raise SystemExit((directory / "log").read_text())
            found.append(time.perf_counter() - began)
    return {"rounds": rounds, "median s": statistics.median(found[1:]), "first s": found[0]}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="what", required=True)
    for name, defaults in {
        "plan": {"chunks": 500_000, "files": 3_000},
        "open": {"files": 150_000},
        "crowd": {"workers": 50, "tasks": 5_000, "size": 0},
        "first": {"rounds": 5},
        "edit": {"rounds": 5},
    }.items():
        command = commands.add_parser(name)
        for option, value in defaults.items():
            command.add_argument(f"--{option}", type=int, default=value)
    said = vars(parser.parse_args(arguments))
    what = {"plan": plan, "open": open_files, "crowd": crowd, "first": first, "edit": edit}
    found = what[said.pop("what")](**said)
    print(json.dumps({name: round(value, 3) for name, value in found.items()}, indent=2))


if __name__ == "__main__":
    main()
