"""The process that imports while the manager does: it is used, it is not needed, and nothing of it stays."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import nanoaod
import pytest
import running

from wq_runner.config.options import RunOptions
from wq_runner.config.resolved import workers_of_this_python
from wq_runner.executors import preimport
from wq_runner.remote.ready import DIRECTORY

EVENTS = 40

# what a process began as is seen on its command line: a server from nothing has --serve there. What takes a
# second to be imported in some coffeas, and the schema has no need of, is there with the other one
SERVER = """
import sys
from pathlib import Path
from coffea import processor

class Seen(processor.ProcessorABC):
    def process(self, events):
        parent = Path("/proc/self/status").read_text().partition("PPid:")[2].split()[0]
        words = Path(f"/proc/{parent}/cmdline").read_text().split("\\0")
        began = next((word for word in words if word.startswith("--")), "")
        methods = "coffea.nanoevents.methods.nanoaod" in sys.modules
        return {"entries": len(events), "servers": {(began, methods)}}
    def postprocess(self, output):
        pass
"""


READY, FROM_NOTHING = {("--ready", True)}, {("--serve", False)}


def servers(tmp_path: Path, *more: object, **environ: str) -> set[tuple[str, bool]]:
    """Run, and return how the servers of its tasks were started, and whether they had methods of NanoAOD."""
    nanoaod.write_simple(tmp_path / "data" / "a.root", EVENTS)
    (tmp_path / "seen.py").write_text(SERVER)
    mark = uuid.uuid4().hex
    running.run_well(
        *("-p", "seen.py:Seen", "--schema", "BaseSchema", "--chunksize", 10, "-w", "local:2", "-o", "out"),
        *(*more, "data"),
        cwd=tmp_path,
        **{running.MARK: mark, **environ},
    )
    running.until(lambda: not running.marked(mark), "no process of the run is left")
    found = running.output(tmp_path / "out")
    assert found["entries"] == EVENTS
    return set(found["servers"])


def test_servers_come_from_it(tmp_path: Path) -> None:
    assert servers(tmp_path) == READY


def test_wherever_the_temporary_directory_is(tmp_path: Path) -> None:
    """The name of a socket has 107 characters at most."""
    place = tmp_path / ("long" * 30)
    place.mkdir()
    assert servers(tmp_path, TMPDIR=str(place)) == READY


def test_nobody_needs_it(tmp_path: Path) -> None:
    """Here something that it imports starts a thread, and no copy of it would be whole."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import sys, threading\n"
        "if '--ready' in sys.orig_argv:\n"
        "    threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )
    assert servers(tmp_path, PYTHONPATH=str(tmp_path / "site")) == FROM_NOTHING


@pytest.mark.parametrize(
    ("options", "there"),
    [
        (RunOptions(workers="local:2"), True),
        (RunOptions(workers="local:1x4", environment="shared"), True),
        (RunOptions(workers="local:2", environment="packed"), False),
        (RunOptions(workers="local:2", setup_command=("module load x",)), False),
        (RunOptions(workers="local:2", executor="dask"), False),
        (RunOptions(workers="condor:2"), False),
        (RunOptions(workers="nonsense:2"), False),
        (RunOptions(), False),
    ],
)
def test_only_workers_of_this_python_have_it(options: RunOptions, there: bool) -> None:
    with preimport.imports(workers_of_this_python(options)):
        assert (DIRECTORY in os.environ) is there
    assert DIRECTORY not in os.environ
