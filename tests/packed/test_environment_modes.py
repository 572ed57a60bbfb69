"""The ways to give workers their Python, from the command line; the packed one is a stand-in for speed.

Real environments are in `test_environment.py`.
"""

from __future__ import annotations

import os
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nanoaod
import pytest
import running
from repositories import Repository

PROCESSOR = """
import os, sys
import helper

def where(events):
    names = ("data.txt", "sub/more.txt")
    return {
        "value": {helper.VALUE},
        "helper": {helper.__file__},
        "files": {name: 1 for name in names if os.path.exists(name)},
        "entries": len(events),
        "marker": {os.environ.get("CONDA_PREFIX", "")},
    }
"""


@pytest.fixture
def analysis(tmp_path: Path) -> Repository:
    root = tmp_path / "analysis"
    root.mkdir()
    repo = Repository(root)
    repo.git("init", "-q")
    repo.write("where.py", PROCESSOR)
    repo.write("helper.py", "VALUE = 1\n")
    repo.write(".gitignore", "*.root\n")
    nanoaod.write_simple(root / "events.root", 2000)
    repo.commit()
    return repo


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """An environment whose Python is this one."""
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)
    path = tmp_path / "standin.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(program, "bin/python")
    return path


Run = Callable[..., running.Ended]


@pytest.fixture
def run(analysis: Repository, tmp_path: Path) -> Run:
    def call(*options: object, **environ: str) -> running.Ended:
        return running.run(
            *("-p", "where.py:where", "--schema", "BaseSchema", "--workers", "local:1", "--fresh"),
            *("-o", tmp_path / "out", *options, "events.root"),
            cwd=analysis.root,
            XDG_CACHE_HOME=str(tmp_path / "cache"),
            **environ,
        )

    return call


def well(ended: running.Ended, tmp_path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    assert ended.code == 0, ended.out + ended.err
    return running.output(tmp_path / "out"), running.summary(tmp_path / "out")["environment_details"]


def test_auto_is_shared_for_workers_of_our_own(run: Run, tmp_path: Path) -> None:
    ended = run("--environment", "auto")
    _, details = well(ended, tmp_path)
    assert (details["mode"], details["reason"]) == ("shared", "the workers run on this machine")
    assert f"shared, {sys.executable}  (the workers run on this machine)" in " ".join(ended.out.split("\n"))


def test_shared_with_files_and_commands(run: Run, analysis: Repository, tmp_path: Path) -> None:
    analysis.write("data.txt", "")
    analysis.write("sub/more.txt", "")
    marks = tmp_path / "marks"
    output, _ = well(
        run(
            *("--environment", "shared", "--extra-file", "data.txt", "--extra-file", "sub/more.txt"),
            *("--setup-command", f"echo once >> {marks}", "--chunksize", 500),
        ),
        tmp_path,
    )
    assert output["files"] == {"data.txt": 4, "sub/more.txt": 4}
    assert marks.read_text() == "once\n"


def test_none_ships_the_code_only(run: Run, analysis: Repository, tmp_path: Path) -> None:
    analysis.write("helper.py", "VALUE = 'not committed'\n")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    output, details = well(run("--environment", "none", PATH=path), tmp_path)
    assert output["value"] == {"not committed"}
    assert str(analysis.root) not in "".join(output["helper"])
    assert (details["mode"], details["base"]) == ("none", "")
    assert details["overlay"]


def test_packed_runs_the_code_as_it_is(run: Run, analysis: Repository, packed: Path, tmp_path: Path) -> None:
    keys = []
    for value in ("first", "second", "first"):
        analysis.write("helper.py", f"VALUE = {value!r}\n")
        ended = run("--environment", packed)
        output, details = well(ended, tmp_path)
        assert output["value"] == {value}
        assert output["marker"] != {""}
        keys.append(details["overlay"])
        assert details["base"].startswith("standin-")
        (patch,) = (tmp_path / "out" / "code").glob("analysis-*.patch")
        assert f"+VALUE = '{value}'" in patch.read_text()
    assert f"base {details['base']} (cached" in ended.out
    shown = running.run(
        "show", keys[1], cwd=tmp_path, name="wq-env", XDG_CACHE_HOME=str(tmp_path / "cache")
    ).out
    assert analysis.git("rev-parse", "HEAD") in shown
    assert keys[0] != keys[1]


def test_what_would_fail_there_ends_with_4_before_any_worker(
    run: Run, analysis: Repository, packed: Path, tmp_path: Path
) -> None:
    library = Repository(tmp_path / "lib")
    library.write("elsewhere.py", "VALUE = 'from elsewhere'\n")
    analysis.write("helper.py", "from elsewhere import VALUE\n")
    ended = run("--environment", packed, PYTHONPATH=str(library.root))
    assert ended.code == 4
    module = library.root / "elsewhere.py"
    assert "has no module elsewhere\n" in ended.error
    assert f"here: {module}\nadd it: wq-run --extra-file {module} ..." in ended.error
    assert not list((tmp_path / "out").glob("workers/local-*.log"))
    assert running.summary(tmp_path / "out")["exit_code"] == 4
    # and what it says helps
    output, _ = well(
        run("--environment", packed, "--extra-file", module, PYTHONPATH=str(library.root)), tmp_path
    )
    assert output["value"] == {"from elsewhere"}


def test_a_setup_command_that_fails_is_reported(run: Run, packed: Path) -> None:
    ended = run("--environment", packed, "--setup-command", "echo no such mount; exit 3")
    assert ended.code not in {0, 3}
    assert "a setup command failed (exit code 3): no such mount" in ended.err


def test_another_version_there_is_a_clear_error(run: Run, tmp_path: Path) -> None:
    """The worker's own Python has an older coffea: said before the first task is done."""
    other = tmp_path / "other"
    (other / "coffea-0.7.21.dist-info").mkdir(parents=True)
    (other / "coffea-0.7.21.dist-info" / "METADATA").write_text("Name: coffea\nVersion: 0.7.21\n")
    program = tmp_path / "bin" / "python3"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH={other}:$PYTHONPATH exec {sys.executable} "$@"\n')
    program.chmod(0o755)
    ended = run("--environment", "none", PATH=f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    assert ended.code not in {0, 3}
    assert "this worker has coffea 0.7.21 (manager: " in ended.err
    assert "both sides need the same" in ended.err


def test_standing_inside_one(run: Run, packed: Path, tmp_path: Path) -> None:
    _, details = well(run("--environment", packed), tmp_path)
    code = "import os, helper, wq_runner; print(os.getcwd(), helper.VALUE, os.environ['CONDA_PREFIX'])"
    ended = running.run(
        *("shell", details["base"], "--overlay", details["overlay"], "--", "python", "-c", code),
        cwd=tmp_path,
        name="wq-env",
        XDG_CACHE_HOME=str(tmp_path / "cache"),
    )
    where, value, prefix = ended.out.split()
    assert (where, value, Path(prefix).name) == (str(tmp_path), "1", details["base"])


def test_mistakes(run: Run) -> None:
    assert "no environment pakced. Did you mean packed?" in run("--environment", "pakced").error
    assert "missing.yml: no such file" in run("--environment", "missing.yml").error
    ended = run("--extra-file", "missing.txt")
    assert (ended.code, "missing.txt" in ended.error) == (2, True)
