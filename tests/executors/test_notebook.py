"""Notebooks, executed by a real kernel: progress, interrupts, and a manager that stays."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nanoaod
import nbformat
import pytest
import running
from nbclient import NotebookClient

FILES, EVENTS = 4, 100
TOTAL = FILES * sum(range(EVENTS))

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Jupyter's own packages

DEFINITIONS = """
import os, signal, threading, time
from pathlib import Path
import numpy as np
import wq_runner
from coffea import processor
from coffea.nanoevents import BaseSchema

class Sums(processor.ProcessorABC):
    def __init__(self, factor=1, gate=""):
        self.factor, self.gate = factor, gate
    def process(self, events):
        while self.gate and events.metadata["entrystart"] and not Path(self.gate).exists():
            time.sleep(0.05)
        return {"entries": len(events), "sum": self.factor * int(np.asarray(events.x).sum())}
    def postprocess(self, accumulator):
        return accumulator

def processes():
    "The manager's process and the workers of this kernel."
    found = set()
    for place in Path("/proc").iterdir():
        try:
            command = (place / "cmdline").read_bytes()
            ours = os.environ["WQ_TESTS_MARK"].encode() in (place / "environ").read_bytes()
        except OSError:
            continue
        if ours and (b"queue_process" in command or command.startswith(b"work_queue_worker")
                     or b"/work_queue_worker" in command.split(b"\\0")[0]):
            found.add(int(place.name))
    return found

def interrupt_when(condition, gate):
    "What Jupyter's button does: a signal to the kernel and its group; then what runs may end."
    def watch():
        while not condition():
            time.sleep(0.05)
        os.killpg(os.getpgid(0), signal.SIGINT)
        time.sleep(0.5)
        Path(gate).touch()
    threading.Thread(target=watch).start()
"""

RUN = """
common = dict(chunksize=50, task_time=0, workers="local:2", environment="shared", schema=BaseSchema)
first = wq_runner.run("data", Sums(), output="one", **common)
assert (first.complete, first.output["entries"], first.output["sum"]) == (True, 400, TOTAL), first
before = processes()
assert len(before) == 3, before
"""

AGAIN = """
second = wq_runner.run("data", Sums(factor=2), output="one", **common)
assert (second.complete, second.output["sum"]) == (True, 2 * TOTAL), second
paths = [str(path.resolve()) for path in sorted(Path("data").glob("*.root"))]
files = {"mine": {"files": paths[:2], "treename": "Events"}}
assert wq_runner.run("data", "wq_runner.survey:Survey", schema="BaseSchema", test=True).complete
third = wq_runner.run(files, lambda events: {"n": len(events)}, output="two", **common)
assert third.output == {"n": 200}
assert processes() == before
"""

INTERRUPTED = """
def accepted():
    journal = Path("three/journal.jsonl")
    return journal.exists() and journal.read_text().count('"event":"Accepted"') >= 2

gate = str(Path("gate").resolve())  # workers have directories of their own
waiting = Sums(gate=gate)
interrupt_when(accepted, gate)
part = wq_runner.run("data", waiting, output="three", **common)
assert not part.complete
assert 0 < part.output["entries"] < 400, part
assert part.output["entries"] == sum(one["events_processed"] for one in part.datasets.values())
assert part.missing
assert processes() == before
print(part)
"""

REST = """
rest = wq_runner.run("data", waiting, output="three", **common)
assert (rest.complete, rest.output["sum"]) == (True, TOTAL), rest
assert processes() == before
"""

MISTAKE = """
try:
    wq_runner.run("data", Sums(), chunksise=3)
except wq_runner.errors.UsageError as error:
    print(error)
"""

SWAPPED = """
try:
    wq_runner.run(Sums(), "data")
except wq_runner.errors.UsageError as error:
    print(error)
"""

FAILED = """
class Wrong(Sums):
    def process(self, events):
        return {"entries": len(events.z)}
try:
    wq_runner.run("data", Wrong(), output="four", **common)
except wq_runner.errors.ProcessorError as error:
    print(error)
assert processes() == set()
"""

CLOSED = """
wq_runner.close()
assert not processes(), processes()
"""

EXECUTOR = """
from wq_runner.errors import InterruptedRunError
executor = wq_runner.WorkQueueExecutor(workers="local:2", port=0, environment="shared")
runner = processor.Runner(
    executor=executor, schema=BaseSchema, chunksize=50, skipbadfiles=(InterruptedRunError,)
)
output = runner(files, Sums(), treename="Events")
assert output["entries"] == 200
before = processes()
Path(gate).unlink()
interrupt_when(lambda: executor.session.engine.status.tasks_running == 2, gate)
part = runner(files, Sums(gate=gate), treename="Events")
assert 0 < part["entries"] <= 200
assert runner(files, Sums(factor=2), treename="Events")["sum"] == 2 * output["sum"]
assert processes() == before
executor.close()
assert not processes()
"""


WITH = """
options = dict(chunksize=50, task_time=0, schema=BaseSchema, workers="2")
result = wq_runner.run("data", Sums(), executor="{name}", output="{name}", **options)
assert (result.complete, result.output) == (True, {{"entries": 400, "sum": TOTAL}}), result
wq_runner.close()
"""


def execute(directory: Path, *sources: str) -> list[Any]:
    """Execute a notebook; an exception in a cell is raised. Returns its cells."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in sources])
    NotebookClient(
        notebook, timeout=int(running.PATIENCE), resources={"metadata": {"path": str(directory)}}
    ).execute()
    return list(notebook.cells)


def printed(cell: Any) -> str:
    return "".join(one["text"] for one in cell["outputs"] if one["output_type"] == "stream")


def shown(cell: Any) -> list[str]:
    """Return what is displayed below a cell, as it was left."""
    return [one["data"]["text/plain"] for one in cell["outputs"] if one["output_type"] == "display_data"]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for number in range(FILES):
        nanoaod.write_simple(tmp_path / "data" / f"f{number}.root", EVENTS)
    return tmp_path


def test_every_executor(directory: Path) -> None:
    runs = [WITH.format(name=name) for name in ("iterative", "futures", "dask", "parsl")]
    execute(directory, f"TOTAL = {TOTAL}\n{DEFINITIONS}", *runs)


def test_a_notebook(directory: Path) -> None:
    cells = execute(
        directory,
        f"TOTAL = {TOTAL}\n{DEFINITIONS}",
        RUN,
        AGAIN,
        INTERRUPTED,
        REST,
        MISTAKE,
        SWAPPED,
        FAILED,
        CLOSED,
        EXECUTOR,
    )
    _, first, again, interrupted, rest, mistake, swapped, failed, _, executor = cells
    assert "processor    __main__:Sums  (run())" in printed(first)
    assert re.search(r"complete +400 of 400 events", printed(first))
    assert any("400/400" in text or "100%" in text for text in shown(first)), first["outputs"]
    assert "starting over: the attribute factor of the processor changed" in printed(again)
    assert "stopping" in printed(interrupted)
    assert re.search(r"<partial: \d+ of 400 events, in three>", printed(interrupted))
    assert "resuming" in printed(rest)
    assert "run() has no option chunksise. Did you mean chunksize?" in printed(mistake)
    assert "the samples are Sums: run() takes the samples first, then the processor" in printed(swapped)
    assert '\n    return {"entries": len(events.z)}\n' in printed(failed)
    assert re.search(
        r"wq_runner.run\(..., executor='iterative', select='data:f\d.root:\d+-\d+'", printed(failed)
    )
    assert shown(executor)
