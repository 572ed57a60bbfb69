"""Sites that a package brings: the example of docs/workers.md starts real workers."""

from __future__ import annotations

import uuid
from pathlib import Path

import nanoaod
import pytest
import running
import workforce

SUMS = ("-p", f"{running.ANALYSIS}:Sums", "--schema", "BaseSchema", "--chunksize", "10", "--task-time", "0")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return where the example is installed, and beside it one that fails."""
    return workforce.install(
        tmp_path / "installed",
        badfarm="from ourfarm import OurFarm\n"
        "class site(OurFarm):\n"
        "    def start(self, order):\n"
        "        raise OSError('the farm is on fire')\n",
        rudefarm="from ourfarm import OurFarm\n"
        "class site(OurFarm):\n"
        "    def close(self):\n"
        "        super().close()\n"
        "        raise OSError('the farm is closed on Sundays')\n",
    )


def test_its_workers_do_a_run_and_end_with_it(package: Path, tmp_path: Path) -> None:
    nanoaod.write_simple(tmp_path / "data" / "a.root", 80)
    environ = {"PYTHONPATH": str(package), running.MARK: uuid.uuid4().hex}
    ended = running.run_well(
        *SUMS, "--workers", "ourfarm:2x1x1GB", "-o", "out", "data", cwd=tmp_path, **environ
    )
    assert "2 of our farm, 1 core, 1.0 GB each" in ended.out + ended.err
    assert running.output(tmp_path / "out")["entries"] == 80
    assert not list((tmp_path / "out").rglob("wq-worker.sh"))  # it holds the password
    running.until(lambda: not running.marked(environ[running.MARK]), "nothing is left")


def test_what_it_raises_is_said(package: Path, tmp_path: Path) -> None:
    nanoaod.write_simple(tmp_path / "data" / "a.root", 80)
    options = ("--workers", "badfarm:2", "-o", "out", "data")
    ended = running.run(*SUMS, *options, cwd=tmp_path, PYTHONPATH=str(package))
    assert ended.code == 6
    assert "the site badfarm failed\n" in ended.error
    assert "raise OSError('the farm is on fire')" in ended.error


def test_what_it_raises_at_the_end_costs_no_result(package: Path, tmp_path: Path) -> None:
    nanoaod.write_simple(tmp_path / "data" / "a.root", 80)
    options = ("--workers", "rudefarm:1x1x1GB", "-o", "out", "data")
    ended = running.run_well(*SUMS, *options, cwd=tmp_path, PYTHONPATH=str(package))
    assert "WARNING: the site rudefarm failed" in ended.err
    assert "the farm is closed on Sundays" in ended.err
    assert running.output(tmp_path / "out")["entries"] == 80
    assert running.summary(tmp_path / "out")["complete"]


def test_it_is_listed(package: Path, tmp_path: Path) -> None:
    listed = running.run("sites", "list", cwd=tmp_path, name="wq-workers", PYTHONPATH=str(package))
    [line] = [line for line in listed.out.splitlines() if line.startswith("ourfarm ")]
    assert line.split() == ["ourfarm", "python", "our", "farm", "(ourfarm:site)"]
