"""Code that is edited while a session of Python goes on: what runs is what is in the files."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import nanoaod
import pytest
import running

HELPER = "VERSION = '{version}'\n"

PROCESSOR = """
import helper
from coffea import processor
from helper import VERSION

class Versions(processor.ProcessorABC):
    def process(self, events):
        return {{"versions": {{"{version}", helper.VERSION, VERSION}}}}
    def postprocess(self, accumulator):
        return accumulator
"""

# the sizes of the files differ as well: Python takes what it compiled for the file's if time and size agree
SESSION = """
import importlib
from pathlib import Path
import wq_runner

OPTIONS = {{"schema": "BaseSchema", "output": "out", "executor": {executor!r}}}
if {workers!r}:
    OPTIONS["workers"] = {workers!r}

def write(version):
    Path("helper.py").write_text({helper!r}.format(version=version))
    Path("edited.py").write_text({processor!r}.format(version=version))

def run(processor):
    return wq_runner.run("data", processor, **OPTIONS).output["versions"]

def named():
    "Imported anew whenever it was edited."
    for version in ("1", "22"):
        write(version)
        assert run("edited.py:Versions") == {{version}}, version

def reloaded():
    import edited, helper
    for version in ("333", "4444"):
        write(version)
        importlib.reload(helper)
        importlib.reload(edited)
        assert run(edited.Versions()) == {{version}}, version

def forgotten():
    "Edited and not reloaded: what comes of it is not taken for what the file says."
    import edited
    write("55555")
    run(edited.Versions())
    assert run("edited:Versions") == {{"55555"}}

if __name__ == "__main__":
    named()
    reloaded()
    forgotten()
"""


@pytest.mark.parametrize(
    ("executor", "workers"),
    [("work_queue", "local:1"), ("futures", "1"), ("parsl", "1"), ("iterative", "")],
)
def test_what_runs_is_what_is_in_the_files(executor: str, workers: str, tmp_path: Path) -> None:
    nanoaod.write_simple(tmp_path / "data" / "a.root", 10)
    script = tmp_path / "session.py"
    script.write_text(
        SESSION.format(helper=HELPER, processor=PROCESSOR, executor=executor, workers=workers),
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, script.name],
        cwd=tmp_path,
        env={**os.environ, **running.SETTINGS},
        capture_output=True,
        text=True,
        timeout=running.PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("edited since imported here: edited.py, helper.py") == 1, done.stdout


GATED = """
import importlib, time
from pathlib import Path
import helper
from coffea import processor

VERSION = "{version}"
HERE = Path(__file__).parent

class Gated(processor.ProcessorABC):
    def process(self, events):
        (HERE / "began").touch()
        while not (HERE / "gate").exists():
            time.sleep(0.02)
        import late
        made = importlib.import_module("made_in_" + str(2018))
        return {{"versions": {{VERSION, helper.VERSION, late.VERSION, made.VERSION}}}}
    def postprocess(self, accumulator):
        return accumulator
"""


@pytest.mark.parametrize(("executor", "workers"), [("work_queue", "local:1"), ("futures", "1")])
def test_an_edit_while_a_run_goes_changes_nothing(executor: str, workers: str, tmp_path: Path) -> None:
    """Neither what a process imports late, nor what a worker imports that comes later."""
    nanoaod.write_simple(tmp_path / "data" / "a.root", 20)

    def write(version: str) -> None:
        for name in ("helper", "late", "made_in_2018"):
            (tmp_path / f"{name}.py").write_text(HELPER.format(version=version))
        (tmp_path / "gated.py").write_text(GATED.format(version=version))

    write("1")
    mark = uuid.uuid4().hex
    options = ("-p", "gated.py:Gated", "-e", executor, "-w", workers, "--schema", "BaseSchema", "-o", "out")
    cut = ("--chunksize", 10, "--task-time", 0)
    with running.running(*options, *cut, "data", cwd=tmp_path, **{running.MARK: mark}) as process:
        running.until((tmp_path / "began").exists, "a chunk that began")
        write("2")
        if executor == "work_queue":
            (first,) = running.workers(mark)
            running.kill(first)
            running.until(lambda: set(running.workers(mark)) - {first}, "another worker instead")
        (tmp_path / "gate").touch()
        ended = running.finish(process)
    assert ended.code == 0, ended.out + ended.err
    assert running.output(tmp_path / "out")["versions"] == {"1"}
