"""Real conda environments, made by py-rattler of this interpreter, shipped to real workers."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
import zipfile
from pathlib import Path

import condas
import nanoaod
import pytest
import running
from packed.foreign import PATIENCE, manager, unpacked, worker
from repositories import Repository

from wq_runner.environment import base
from wq_runner.environment.spec import Kind, inspect
from wq_runner.environment.store import Store

PROCESSOR = """
import os, sys, socket, site
import helper

def where(events):
    print("a task")
    return {
        "prefix": {sys.prefix},
        "executable": {sys.executable},
        "value": {helper.VALUE},
        "helper": {helper.__file__},
        "home": {os.environ.get("HOME")},
        "user site": {site.ENABLE_USER_SITE},
        "leaked": {name for name in ("HOST_MODULE",) if _has(name.lower())},
        "extra": {open("data.txt").read() if os.path.exists("data.txt") else None},
        "entries": len(events),
    }

def _has(name):
    try:
        __import__(name)
    except ImportError:
        return False
    return True
"""


@pytest.fixture
def analysis(tmp_path: Path) -> Repository:
    """A repository with a processor, a module beside it and a file of events."""
    root = tmp_path / "analysis"
    root.mkdir()
    repo = Repository(root)
    repo.git("init", "-q")
    repo.write("where.py", PROCESSOR)
    repo.write("helper.py", "VALUE = 1\n")
    nanoaod.write_simple(root / "events.root", 2000)
    repo.write(".gitignore", "*.root\n")
    repo.commit()
    return repo


def test_a_worker_that_has_nothing(
    conda: Path, packed: base.Base, analysis: Repository, cache: Path, tmp_path: Path
) -> None:
    """An empty PATH, another home, poisoned variables, and the manager's environment renamed away."""
    analysis.write("data.txt", "extra")
    poison = tmp_path / "poison"
    poison.mkdir()
    (poison / "host_module.py").write_text("")
    (poison / "sitecustomize.py").write_text("raise SystemExit('the host leaks in')")
    workdir = tmp_path / "workdir"
    away = conda.with_name("renamed-away")
    with manager(analysis, cache, "--environment", conda, "--extra-file", "data.txt", "--chunksize", 500) as (
        port,
        ended,
    ):
        conda.rename(away)
        try:
            with worker(
                port, workdir, PYTHONPATH=str(poison), PYTHONHOME="/nonexistent", LD_LIBRARY_PATH=str(poison)
            ):
                output, summary = ended()
        finally:
            away.rename(conda)
    (prefix,) = output["prefix"]
    assert Path(prefix).is_relative_to(workdir)
    assert output["executable"] == {f"{prefix}/bin/python"} or Path(prefix) in [
        Path(one).parents[1] for one in output["executable"]
    ]
    assert all(Path(one).is_relative_to(workdir) for one in output["helper"])
    assert output["home"] == {str(tmp_path / "another home")}
    assert (output["user site"], output["leaked"]) == ({False}, set())
    assert (output["extra"], output["entries"]) == ({"extra"}, 2000)
    # what ran is on record
    details = summary["environment_details"]
    assert details["base"] == packed.key
    assert details["mode"] == "packed"
    (source,) = [one for one in details["sources"] if one["name"] == "analysis"]
    assert source["commit"] == analysis.git("rev-parse", "HEAD")
    assert source["changed"]
    # a later manager, and a later worker, find what is unpacked
    (first,) = unpacked(workdir)[:1]
    before = (first.stat().st_ino, first.stat().st_ctime_ns)
    with manager(analysis, cache, "--environment", conda) as (port, ended), worker(port, workdir):
        ended()
    assert [(path.stat().st_ino, path.stat().st_ctime_ns) for path in unpacked(workdir)] == [before]


def test_a_change_is_what_the_workers_run(
    conda: Path, packed: base.Base, analysis: Repository, cache: Path, workdir: Path, tmp_path: Path
) -> None:
    keys = []
    for change, value in (("VALUE = 2\n", 2), ("from fresh import VALUE\n", 3), ("VALUE = 1\n", 1)):
        analysis.write("helper.py", change)
        if value == 3:
            analysis.write("fresh.py", "VALUE = 3\n")
        with manager(analysis, cache, "--environment", conda) as (port, ended), worker(port, workdir):
            output, summary = ended()
        assert output["value"] == {value}
        keys.append(summary["environment_details"]["overlay"])
        assert summary["environment_details"]["base"] == packed.key
    assert len(set(keys)) == 3
    assert len(unpacked(workdir)) == 1


def test_two_states_at_the_same_time(
    conda: Path, packed: base.Base, analysis: Repository, cache: Path, workdir: Path, tmp_path: Path
) -> None:
    """Two runs of the same repository, changed in between, on the same worker directory."""
    with contextlib.ExitStack() as stack:
        ends = []
        for value in (10, 20):
            analysis.write("helper.py", f"VALUE = {value}\n")
            port, ended = stack.enter_context(manager(analysis, cache, "--environment", conda))
            ends.append((port, ended))
        for port, _ in ends:
            stack.enter_context(worker(port, workdir))
        values = [ended()[0]["value"] for _, ended in ends]
    assert values == [{10}, {20}]


def test_an_exported_job_has_all_that_it_needs(
    conda: Path, packed: base.Base, analysis: Repository, cache: Path, tmp_path: Path
) -> None:
    """The environment and the code of the folder are enough, where neither is any more."""
    options = ("-p", "where.py:where", "--schema", "BaseSchema", "--environment", conda)
    folder = tmp_path / "jobs"
    environ = {"XDG_CACHE_HOME": str(cache)}
    ended = running.run(
        "export", "slurm", "-o", folder, *options, "events.root", cwd=analysis.root, **environ
    )
    assert ended.code == 0, ended.out + ended.err
    away, code = conda.with_name("renamed-away"), analysis.root / "where.py"
    conda.rename(away)
    code.rename(tmp_path / "where.py")
    try:
        done = subprocess.run(
            ["/bin/sh", folder / "job.sh", "0000"],
            cwd="/",
            env={"PATH": "", "TMPDIR": str(tmp_path), "HOME": "/nonexistent", "PYTHONHOME": "/nonexistent"},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        away.rename(conda)
        (tmp_path / "where.py").rename(code)
    assert done.returncode == 0, done.stdout + done.stderr
    merged = running.run("merge", folder, cwd=analysis.root, name="wq-report", **environ)
    assert merged.code == 0, merged.err
    output = running.output(folder / "merged")
    assert output["entries"] == 2000
    (prefix,) = output["prefix"]
    assert Path(prefix).is_relative_to(tmp_path / f"wq-runner-{os.getuid()}")


def test_a_worker_that_is_killed_while_unpacking(
    conda: Path, packed: base.Base, analysis: Repository, cache: Path, tmp_path: Path
) -> None:
    workdir = tmp_path / "workdir"
    place = workdir / f"wq-runner-{os.getuid()}"
    with manager(analysis, cache, "--environment", conda) as (port, ended):
        with worker(port, workdir) as process:
            running.until(lambda: list(place.glob("*/lib/python*/os.py")), "it unpacks")
            os.killpg(process.pid, signal.SIGKILL)
        with worker(port, workdir):
            output, _ = ended()
    assert output["entries"] == 2000
    # only the worker was killed, and its task went on: what that started ends with the place of the worker
    for left in workdir.glob("worker-*"):
        shutil.rmtree(left, ignore_errors=True)


def test_one_more_package_is_another_key(conda: Path, tmp_path: Path) -> None:
    before = inspect(conda, Kind.CONDA).key
    wheel = tmp_path / "one_more-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("one_more.py", "VALUE = 1\n")
        archive.writestr(
            "one_more-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: one-more\nVersion: 1.0\n"
        )
        archive.writestr("one_more-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("one_more-1.0.dist-info/RECORD", "one_more.py,,\n")
    python = conda / "bin" / "python"
    condas.run(python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", wheel)
    try:
        assert inspect(conda, Kind.CONDA).key != before
    finally:
        condas.run(python, "-m", "pip", "uninstall", "--quiet", "--yes", "one-more")
    assert inspect(conda, Kind.CONDA).key == before


def test_an_environment_of_a_list_of_packages(
    spec: Path,
    channel: str,
    packed: base.Base,
    analysis: Repository,
    cache: Path,
    workdir: Path,
) -> None:
    """What `wq-env build SPEC.yml --channel file://...` made is what `--environment SPEC.yml` means."""
    options = ("--environment", spec, "--channel", channel)
    with manager(analysis, cache, *options) as (port, ended), worker(port, workdir):
        output, summary = ended()
    (prefix,) = output["prefix"]
    assert Path(prefix).is_relative_to(workdir)
    assert summary["environment_details"]["base"] == packed.key
    shown = running.run("show", packed.key, cwd=spec.parent, name="wq-env", XDG_CACHE_HOME=str(cache))
    assert f"python {condas.VERSION} 0  (conda)" in shown.out
    assert "coffea " in shown.out
    began = time.monotonic()
    again = running.run(
        "build", spec, "--channel", channel, cwd=spec.parent, name="wq-env", XDG_CACHE_HOME=str(cache)
    )
    assert "was there" in again.out, again.err
    assert time.monotonic() - began < 30


def test_the_same_packages_elsewhere_are_not_packed_again(
    conda: Path, packed: base.Base, store: Store
) -> None:
    found = base.pack(base.look(conda, store), store)
    assert (found.key, found.built) == (packed.key, False)


def test_a_file_that_somebody_packed(
    packed: base.Base, store: Store, analysis: Repository, cache: Path, tmp_path: Path
) -> None:
    """And a worker that is told where things are unpacked already."""
    archive = tmp_path / "theirs.tar.gz"
    shutil.copyfile(packed.archive, archive)
    with (
        manager(analysis, cache, "--environment", archive) as (port, ended),
        worker(port, tmp_path / "workdir", WQ_WORKER_CACHE=str(store.unpacked)),
    ):
        output, summary = ended()
    (prefix,) = output["prefix"]
    assert Path(prefix).is_relative_to(store.unpacked)
    assert summary["environment_details"]["base"].startswith("theirs-")


def test_commands_that_prepare_a_worker(
    conda: Path, packed: base.Base, analysis: Repository, cache: Path, workdir: Path, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    options = ("--environment", conda, "--chunksize", 500, "--setup-command", f"echo one >> {marks}")
    with manager(analysis, cache, *options) as (port, ended), worker(port, workdir, cores=2):
        ended()
    assert marks.read_text() == "one\n"


def test_a_command_that_fails_is_reported(
    conda: Path, packed: base.Base, analysis: Repository, cache: Path, workdir: Path, tmp_path: Path
) -> None:
    port = running.free_port()
    with (
        running.running(
            *("-p", "where.py:where", "--schema", "BaseSchema", "--port", port, "-o", tmp_path / "out"),
            *("--environment", conda, "--setup-command", "echo no such mount; exit 3", "events.root"),
            cwd=analysis.root,
            XDG_CACHE_HOME=str(cache),
        ) as process,
        worker(port, workdir),
    ):
        ended = running.finish(process, timeout=PATIENCE)
    assert ended.code != 0
    assert "a setup command failed (exit code 3): no such mount" in ended.err
